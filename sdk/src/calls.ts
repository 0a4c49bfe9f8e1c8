/** What a room can be asked for over the socket, beside sending. Each is one RPC with typed arguments. */

import type { Mode } from './standing.js';
import { isRecord } from './message.js';
import type { METHODS } from './generated/wire.js';
import { newId } from './environment.js';

/** Carries one RPC: throws `CallError`. */
export type Call = (method: (typeof METHODS)[number], data: Record<string, unknown>) => Promise<unknown>;

/** Why a call was refused, or not answered. */
export class CallError extends Error {
  /**
   * @param code the server's (`ERROR`), from 100 on; below, no answer came, and what was asked may have been done
   * @param temporary the same may succeed later
   */
  constructor(
    readonly code: number,
    message: string,
    readonly temporary: boolean,
  ) {
    super(message);
    this.name = 'CallError';
  }

  /** What the library or the server said. */
  static of(error: unknown): CallError {
    if (error instanceof CallError) return error;
    if (!isRecord(error)) return new CallError(0, String(error), true);
    const { code, message, temporary } = error;
    const number = typeof code === 'number' ? code : 0;
    return new CallError(number, typeof message === 'string' ? message : `error ${number}`, number < 100 || temporary === true);
  }
}

/** A page of who is there. */
export interface PresencePage {
  /** People, on all servers. */
  readonly count: number;
  /** Some of those on the server that was asked, in the order of their ids. */
  readonly users: readonly string[];
  /** `after` of the next page; null on the last. */
  readonly next: string | null;
}

/** Answers a poll; one vote a fan, however often it is sent. */
export async function vote(call: Call, room: string, poll: string, choice: number): Promise<void> {
  await call('vote', { room, poll, choice });
}

/** Gives something; the same `id` gives once. */
export async function gift(call: Call, room: string, given: { gift: string; count?: number; text?: string; id?: string }): Promise<void> {
  await call('gift', { room, id: newId(), ...given });
}

/** Which languages of the chat to be shown. */
export async function follow(call: Call, room: string, languages: readonly string[] | 'all'): Promise<void> {
  await call('follow', { room, languages });
}

export async function presencePage(call: Call, room: string, page: { after?: string; limit?: number }): Promise<PresencePage> {
  const answer = await call('presence.page', { room, ...page });
  if (!isRecord(answer)) throw new CallError(0, 'the answer has another shape', false);
  const { count, users, next } = answer;
  return {
    count: typeof count === 'number' ? count : 0,
    users: Array.isArray(users) ? users.map(String) : [],
    next: typeof next === 'string' ? next : null,
  };
}

/** What moderators do. The server says what they may: error 103 says what they may not. */
export interface Moderation {
  /** Takes one message of the chat away. */
  delete(offset: number): Promise<void>;
  /** Takes away all that a user has said in the chat so far. */
  clear(user: string): Promise<void>;
  /** Lets a user read only; for ever without `seconds`. */
  mute(user: string, seconds?: number): Promise<void>;
  /** Sends a user out; for ever without `seconds`. */
  ban(user: string, seconds?: number): Promise<void>;
  /** Ends both. */
  pardon(user: string): Promise<void>;
  /** What the room asks of writers; what is left out is off. */
  mode(mode: Partial<Mode>): Promise<void>;
  /** Holds something up; answers with its id. */
  pin(pin: { text: string; offset?: number; id?: string }): Promise<string>;
  unpin(pin: string): Promise<void>;
  /** Asks everybody; answers with its id. */
  openPoll(poll: { question: string; choices: readonly string[]; seconds?: number; id?: string }): Promise<string>;
  closePoll(poll: string): Promise<void>;
  /** Lets a held message in, or turns it away; `held` is its offset in the staff lane. */
  review(held: number, approve: boolean): Promise<void>;
  /** Leaves a message that was reported: what was reported about it is done with. */
  dismissReports(offset: number): Promise<void>;
  /** Replaces the list of what may not be said in a language (`und`: in any). */
  words(language: string, words: readonly string[]): Promise<void>;
}

export function moderation(call: Call, room: string): Moderation {
  const act = async (method: Parameters<Call>[0], data: Record<string, unknown>) => {
    await call(method, { room, ...data });
  };
  const named = async (method: Parameters<Call>[0], data: { id?: string }) => {
    const id = data.id ?? newId();
    await act(method, { ...data, id });
    return id;
  };
  return {
    delete: (offset) => act('delete', { offset }),
    clear: (user) => act('clear', { user }),
    mute: (user, seconds) => act('mute', seconds === undefined ? { user } : { user, seconds }),
    ban: (user, seconds) => act('ban', seconds === undefined ? { user } : { user, seconds }),
    pardon: (user) => act('pardon', { user }),
    mode: (mode) => act('mode', mode),
    pin: (pin) => named('pin', pin),
    unpin: (pin) => act('unpin', { pin }),
    openPoll: (poll) => named('poll.open', poll),
    closePoll: (poll) => act('poll.close', { poll }),
    review: (held, approve) => act('review', { held, approve }),
    dismissReports: (offset) => act('reports.dismiss', { offset }),
    words: (language, words) => act('words', { language, words }),
  };
}
