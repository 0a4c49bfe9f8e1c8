/** Somebody who speaks without end, and knows what was acknowledged to the last message. */

import { send } from "./chat.mjs";

/** How long a connection is waited for before the next try. */
const READY_MS = 10_000;
/** Sends that are on their way at once: the kill must hit some that are stored and not yet acknowledged. */
const IN_FLIGHT = 8;
/** Each of them speaks so often: a busy room, and still one whose whole history is read back in a second. */
const PACE_MS = 40;

/**
 * Sends numbered messages, each under one id until it is acknowledged, and keeps the ledger.
 *
 * @param {import("centrifuge").Centrifuge} client
 * @param {string} channel
 */
export function ledgerSender(client, channel) {
  /** @type {Map<string, number>} */
  const acknowledged = new Map();
  let resent = 0;
  let next = 0;
  let leaving = false;
  const lane = async () => {
    while (!leaving) {
      const id = `ledger-${next}`;
      next += 1;
      for (let sent = false; !sent && !leaving; ) {
        try {
          const { offset } = await send(client, channel, { id, text: id });
          acknowledged.set(id, offset);
          sent = true;
          await new Promise((resolve) => setTimeout(resolve, PACE_MS));
        } catch {
          // Not known to be held: the same id again, as soon as there is a connection.
          resent += 1;
          await client.ready(READY_MS).catch(() => {});
        }
      }
    }
  };
  const lanes = Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return {
    acknowledged,
    get resent() {
      return resent;
    },
    stop: async () => {
      leaving = true;
      await lanes;
    },
  };
}
