/**
 * What a scenario asks of any published client, whatever language it is written in: a few verbs, and a list of what it
 * heard. The judges are the clients behind it, exactly as their authors ship them.
 */

/**
 * @typedef {object} Heard
 * @property {"connected" | "connecting" | "disconnected" | "subscribed" | "unsubscribed" | "publication" | "join" | "leave" | "token"} kind
 * @property {string} [channel]
 * @property {number} [code]
 * @property {string} [client]
 * @property {any} [data]
 * @property {number} [offset]
 * @property {boolean} [recovered]
 * @property {boolean} [wasRecovering]
 * @property {boolean} [serverSide]
 */

/**
 * @typedef {object} Client
 * @property {Heard[]} heard Everything so far, oldest first.
 * @property {(tokens: string[]) => Promise<void>} connect Begins to connect; the last token is given again and again.
 * @property {(channel: string, options?: { since?: { offset: number, epoch: string } }) => Promise<void>} subscribe
 * @property {(channel: string) => Promise<void>} unsubscribe
 * @property {(channel: string) => Promise<void>} resubscribe
 * @property {(channel: string, data: any) => Promise<void>} publish
 * @property {(method: string, data: any) => Promise<any>} rpc
 * @property {(channel: string, query: { limit: number, reverse?: boolean, since?: { offset: number, epoch: string } }) => Promise<{ epoch: string, offset: number, publications: { offset: number, data: any }[] }>} history
 * @property {(channel: string) => Promise<string[]>} presence User ids.
 * @property {(channel: string) => Promise<{ clients: number, users: number }>} presenceStats
 * @property {(channel: string, count: number) => Promise<void>} batch Publishes `batch 1` to `batch COUNT` at once.
 */

/** An error that the server answered a command with. */
export class Refused extends Error {
  /** @param {number} code @param {string} message */
  constructor(code, message) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}
