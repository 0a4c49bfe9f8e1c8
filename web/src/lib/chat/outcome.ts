/**
 * What to do about a send that brought an error. Pure.
 *
 * Codes below 100 are the client library's own (timeout, connection lost); from 100 on they are the server's, as the
 * Centrifuge protocol names them.
 */

import type { FailReason } from './list';

/** Too many requests: the fan writes faster than the room allows. */
const TOO_MANY_REQUESTS = 111;

/** Internal error: the log may be full or gone, and come back. */
const INTERNAL = 100;

/** Not available. */
const NOT_AVAILABLE = 108;

/** What a failed try means for the message. */
export type Outcome =
  /** Nobody knows whether it was taken: try again under the same id. */
  | { readonly kind: 'again'; readonly reason: FailReason }
  /** It was not taken and will not be by itself. */
  | { readonly kind: 'give-up'; readonly reason: FailReason };

/** Judges the error of one try. */
export function outcomeOf(error: unknown): Outcome {
  const code = field(error, 'code');
  if (typeof code !== 'number' || code < 100) return { kind: 'again', reason: 'offline' };
  if (code === TOO_MANY_REQUESTS) return { kind: 'give-up', reason: 'slow-down' };
  if (code === INTERNAL || code === NOT_AVAILABLE) return { kind: 'give-up', reason: 'unavailable' };
  return field(error, 'temporary') === true
    ? { kind: 'again', reason: 'unavailable' }
    : { kind: 'give-up', reason: 'refused' };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
