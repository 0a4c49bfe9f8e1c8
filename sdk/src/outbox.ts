/**
 * Own messages on their way: one after the other, each under an id of its own that makes it one message however often it is
 * sent. A pure state machine, bounded, for one room.
 *
 * A message is *pending* until it is sent, and *unknown* once an answer did not come: it may have been taken. It is sent
 * again, under the same id, until the server says where it stands, or its time is over. The next one waits for it, so that
 * what a fan writes is read in the order of writing.
 */

import { CALL_BACKOFF, waitMs } from './backoff.js';
import { ERROR } from './generated/wire.js';
import { OUTBOX_MAX } from './limits.js';
import { type Acknowledgement, type Entry, type LaneName, type ReplyTo, isRecord } from './message.js';

/** How a message stands. */
export type OutgoingState =
  /** Not sent yet. */
  | 'pending'
  /** Sent, and not answered: it may have been taken. It goes on being tried until `refusal` is set. */
  | 'unknown'
  /** It has its place. */
  | 'sent'
  /** It waits for a moderator. */
  | 'held'
  /** It was not taken; `refusal` says why. */
  | 'refused';

/** Why a message was not taken. */
export type Refusal =
  /** Faster than the room allows. */
  | 'too-fast'
  /** By the room's rules, or it can be no message; `message` says which. */
  | 'not-allowed'
  /** The server cannot take messages now. */
  | 'unavailable'
  /** Its time was over before there was a connection. */
  | 'offline';

export interface Outgoing {
  readonly id: string;
  readonly lane: LaneName;
  readonly text: string;
  readonly reply_to?: ReplyTo;
  /** When it was written, Unix ms by this device's clock. */
  readonly at: number;
  readonly state: OutgoingState;
  /** Its place; once it is sent. */
  readonly place?: { readonly offset: number; readonly epoch: string; readonly at: number };
  readonly refusal?: Refusal;
  /** What the server said to the refusal, for people. */
  readonly message?: string;
}

interface Item extends Outgoing {
  readonly attempt: number;
  /** Not before, Unix ms. */
  readonly notBefore: number;
  /** Until when each kind of trouble is put up with, Unix ms. */
  readonly since: number;
}

/** For how long to go on trying, ms, from when it was written or retried. */
export interface Patience {
  /** When the room says that it was too fast. */
  readonly tooFastMs: number;
  /** When the server cannot take messages. */
  readonly unavailableMs: number;
  /** When there is no connection. */
  readonly offlineMs: number;
}

export const PATIENCE: Patience = { tooFastMs: 30_000, unavailableMs: 60_000, offlineMs: 120_000 };

export interface Outbox {
  readonly patience: Patience;
  readonly connected: boolean;
  /** The one that is on its way. */
  readonly flying: string | null;
  readonly items: readonly Item[];
}

export type OutboxInput =
  | { readonly kind: 'written'; readonly message: Pick<Outgoing, 'id' | 'lane' | 'text' | 'reply_to'> }
  /** From the last visit: they may have been taken. */
  | { readonly kind: 'remembered'; readonly messages: readonly Outgoing[] }
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'answered'; readonly id: string; readonly answer: Acknowledgement }
  | { readonly kind: 'failed'; readonly id: string; readonly error: unknown }
  /** An entry of a lane: if it is one of these, it is there. */
  | { readonly kind: 'seen'; readonly entry: Entry; readonly epoch: string }
  /** Its entry is to be seen in the lane: from here on it is shown from there. */
  | { readonly kind: 'shown'; readonly entry: Entry }
  /** Sent messages are gone, or of a log that is no more. */
  | { readonly kind: 'gone'; readonly lane: LaneName; readonly isGone: (place: NonNullable<Outgoing['place']>) => boolean }
  /** Send one again that was refused. */
  | { readonly kind: 'retried'; readonly id: string }
  /** Forget one. */
  | { readonly kind: 'dismissed'; readonly id: string }
  | { readonly kind: 'timeout' };

export interface OutboxStep {
  readonly outbox: Outbox;
  /** To be sent now. */
  readonly send: Outgoing | null;
  /** Whose state has changed. */
  readonly changed: readonly Outgoing[];
}

/** Nothing written. */
export function emptyOutbox(patience: Patience): Outbox {
  return { patience, connected: false, flying: null, items: [] };
}

/** Whether one more may wait. */
export function hasRoom({ items }: Outbox): boolean {
  return items.filter(({ state }) => state !== 'sent').length < OUTBOX_MAX;
}

/** Whether it still goes on being tried. */
export function isOpen({ state, refusal }: Outgoing): boolean {
  return state === 'pending' || (state === 'unknown' && refusal === undefined);
}

/** When to step with `timeout`, Unix ms; null: no need to. */
export function outboxDeadline({ items, patience, connected, flying }: Outbox): number | null {
  const head = items.find(isOpen);
  if (head === undefined) return null;
  const over = Math.min(...items.filter(isOpen).map(({ since }) => since + patience.offlineMs));
  return connected && flying === null ? Math.min(over, head.notBefore) : over;
}

/**
 * Applies one input.
 *
 * @param now Unix ms
 * @param random in [0, 1)
 */
export function stepOutbox(before: Outbox, input: OutboxInput, now: number, random: number): OutboxStep {
  const after = expired(applied(before, input, now, random), now);
  const { outbox, send } = launched(after, now);
  const known = new Map(before.items.map((item) => [item.id, item]));
  const changed = outbox.items.filter((item) => {
    const was = known.get(item.id);
    return was?.state !== item.state || was.refusal !== item.refusal;
  });
  return { outbox, send, changed };
}

function applied(outbox: Outbox, input: OutboxInput, now: number, random: number): Outbox {
  switch (input.kind) {
    case 'written':
      return hasRoom(outbox) && !outbox.items.some(({ id }) => id === input.message.id)
        ? trimmed(outbox, [...outbox.items, { ...input.message, at: now, state: 'pending', attempt: 0, notBefore: now, since: now }])
        : outbox;
    case 'remembered':
      return withRemembered(outbox, input.messages, now);
    case 'connected':
      // Whatever was waited for between two tries is over: another connection is another chance.
      return { ...outbox, connected: true, flying: null, items: outbox.items.map((item) => ({ ...item, notBefore: Math.min(item.notBefore, now) })) };
    case 'disconnected': {
      const next = outbox.flying === null ? outbox : changedItem(outbox, outbox.flying, unanswered);
      return { ...next, connected: false, flying: null };
    }
    case 'answered':
      return landed(outbox, input.id, (item) => resolved(item, input.answer));
    case 'failed':
      return landed(outbox, input.id, (item) => (isOpen(item) ? failed(item, input.error, outbox.patience, now, random) : item));
    case 'seen':
      return withSeen(outbox, input.entry, input.epoch);
    case 'shown': {
      const { entry } = input;
      return { ...outbox, items: outbox.items.filter(({ id, lane, state }) => state !== 'sent' || id !== entry.id || lane !== entry.lane) };
    }
    case 'gone': {
      const { lane, isGone } = input;
      return { ...outbox, items: outbox.items.filter((item) => item.lane !== lane || item.place === undefined || !isGone(item.place)) };
    }
    case 'retried':
      return changedItem(outbox, input.id, (item) => (isRefused(item) ? renewed(item, now) : item));
    case 'dismissed':
      return { ...outbox, items: outbox.items.filter((item) => item.id !== input.id || isOpen(item)) };
    case 'timeout':
      return outbox;
  }
}

/** Sends the oldest that is open, if it may be sent: nothing overtakes it. */
function launched(outbox: Outbox, now: number): { outbox: Outbox; send: Outgoing | null } {
  const head = outbox.items.find(isOpen);
  if (!outbox.connected || outbox.flying !== null || head === undefined || head.notBefore > now) return { outbox, send: null };
  return { outbox: { ...outbox, flying: head.id }, send: head };
}

function expired(outbox: Outbox, now: number): Outbox {
  const isOver = (item: Item) => isOpen(item) && item.id !== outbox.flying && now >= item.since + outbox.patience.offlineMs;
  if (!outbox.items.some(isOver)) return outbox;
  return { ...outbox, items: outbox.items.map((item) => (isOver(item) ? refused(item, 'offline') : item)) };
}

function landed(outbox: Outbox, id: string, change: (item: Item) => Item): Outbox {
  const next = changedItem(outbox, id, change);
  return next.flying === id ? { ...next, flying: null } : next;
}

/** An answer that comes late still says the truth: it counts whatever was thought before. */
function resolved(item: Item, answer: Acknowledgement): Item {
  const { refusal: _refusal, message: _message, ...rest } = item;
  if (answer.kind === 'held') return { ...rest, state: 'held' };
  const { offset, epoch, at } = answer;
  return { ...rest, state: 'sent', place: { offset, epoch, at } };
}

function failed(item: Item, error: unknown, patience: Patience, now: number, random: number): Item {
  const { code, message, temporary } = errorOf(error);
  // Codes below 100 are the client library's own: no answer came.
  if (code < 100) return { ...unanswered(item), attempt: item.attempt + 1, notBefore: now + waitMs(CALL_BACKOFF, item.attempt, random) };
  const said = message === undefined ? {} : { message };
  // A refusal is an answer: whatever was sent before was not taken.
  const answered: Item = { ...item, state: 'pending', attempt: item.attempt + 1, ...said };
  if (code === ERROR.TooManyRequests) {
    const after = tryAgainMs(message) ?? waitMs(CALL_BACKOFF, item.attempt, random);
    return now + after < item.since + patience.tooFastMs ? { ...answered, notBefore: now + after } : refused(answered, 'too-fast');
  }
  if (code === ERROR.NotAvailable || code === ERROR.Internal || temporary) {
    const after = waitMs(CALL_BACKOFF, item.attempt, random);
    const isPatient = code !== ERROR.NotAvailable && now + after < item.since + patience.unavailableMs;
    return isPatient ? { ...answered, notBefore: now + after } : refused(answered, 'unavailable');
  }
  return refused(answered, 'not-allowed');
}

/** `try again in N ms`, as the server says it. */
function tryAgainMs(message: string | undefined): number | null {
  const ms = /try again in (\d{1,9}) ms/.exec(message ?? '')?.[1];
  return ms === undefined ? null : Number(ms);
}

function unanswered(item: Item): Item {
  return isOpen(item) ? { ...item, state: 'unknown' } : item;
}

/** What may have been taken stays unknown: only the server can say that it was not. */
function refused(item: Item, refusal: Refusal): Item {
  return { ...item, state: item.state === 'unknown' ? 'unknown' : 'refused', refusal };
}

function isRefused({ state, refusal }: Item): boolean {
  return state === 'refused' || (state === 'unknown' && refusal !== undefined);
}

function renewed(item: Item, now: number): Item {
  const { refusal: _refusal, message: _message, ...rest } = item;
  return { ...rest, state: rest.state === 'refused' ? 'pending' : rest.state, attempt: 0, notBefore: now, since: now };
}

/** It is in its lane: whatever was thought of it, it was taken. */
function withSeen(outbox: Outbox, entry: Entry, epoch: string): Outbox {
  const mine = outbox.items.find(({ id, lane }) => id === entry.id && lane === entry.lane);
  if (mine === undefined) return outbox;
  const { offset, at } = entry;
  return landed(outbox, mine.id, (item) => resolved(item, { kind: 'sent', offset, epoch, at }));
}

function withRemembered(outbox: Outbox, messages: readonly Outgoing[], now: number): Outbox {
  const fresh = messages
    .filter((message) => !outbox.items.some(({ id }) => id === message.id))
    .slice(0, Math.max(0, OUTBOX_MAX - outbox.items.length))
    .map((message): Item => ({ ...message, attempt: 0, notBefore: now, since: now }))
    .map((item) => (isOpen(item) ? { ...item, state: 'unknown' as const } : item));
  return { ...outbox, items: [...fresh, ...outbox.items] };
}

/** Those that are sent are kept until they are seen, as far as there is room. */
function trimmed(outbox: Outbox, items: readonly Item[]): Outbox {
  const surplus = items.length - OUTBOX_MAX;
  if (surplus <= 0) return { ...outbox, items };
  const oldest = new Set(items.filter(({ state }) => state === 'sent').slice(0, surplus));
  return { ...outbox, items: items.filter((item) => !oldest.has(item)) };
}

function changedItem(outbox: Outbox, id: string, change: (item: Item) => Item): Outbox {
  return { ...outbox, items: outbox.items.map((item) => (item.id === id ? change(item) : item)) };
}

function errorOf(error: unknown): { code: number; message: string | undefined; temporary: boolean } {
  if (!isRecord(error)) return { code: 0, message: undefined, temporary: true };
  const { code, message, temporary } = error;
  return {
    code: typeof code === 'number' ? code : 0,
    message: typeof message === 'string' ? message : undefined,
    temporary: temporary === true,
  };
}
