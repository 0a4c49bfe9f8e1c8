/**
 * When to connect, and when to let go of a connection. A pure state machine: `stepLink(link, input, now, random)` gives the
 * next state and what the shell has to do; `link.deadline` says when to call it with `timeout`.
 *
 * The waits of the client library are not used: it would come back at once when a network does, together with the whole
 * train. Here every wait is spread, and a time that the server has given is kept to, whatever else happens.
 */

import { type Backoff, REFUSED_BACKOFF, waitMs } from './backoff.js';
import { DISCONNECT } from './generated/wire.js';
import {
  BEAT_MS,
  OFFLINE_PROBE_MS,
  ONLINE_SPREAD_MS,
  SLEPT_HIDDEN_MS,
  SLEPT_MS,
  STEADY_MS,
  VISIBLE_SPREAD_MS,
} from './limits.js';
import { returnAfterMs } from './slot.js';

/** How a connection stands. */
export type Phase =
  /** Nobody has asked for one. */
  | 'idle'
  | 'connecting'
  | 'connected'
  /** Until the deadline. */
  | 'waiting'
  /** The server wants this fan to stay away. */
  | 'closed';

export interface Link {
  readonly phase: Phase;
  readonly backoff: Backoff;
  /** When to try again, Unix ms; null while not waiting. */
  readonly deadline: number | null;
  /** The server has given the deadline: nothing brings it forward. */
  readonly slot: boolean;
  /** Faults in a row. */
  readonly attempt: number;
  /** Refusals in a row. */
  readonly refusals: number;
  /** The next connection needs a new token. */
  readonly renew: boolean;
  readonly connectedAt: number | null;
  readonly online: boolean;
  readonly visible: boolean;
  /** The network went away while connected: the socket may belong to one that is gone. */
  readonly stale: boolean;
  readonly beatAt: number | null;
}

export type LinkInput =
  /** The app wants a connection. */
  | { readonly kind: 'start' }
  /** It does not any more. */
  | { readonly kind: 'stop' }
  /** It stands. */
  | { readonly kind: 'opened' }
  /** It ended, or did not come about. */
  | { readonly kind: 'lost'; readonly code: number; readonly reason: string }
  /** The server does not want it; `final`, nor does the app. */
  | { readonly kind: 'refused'; readonly code: number; readonly final: boolean }
  | { readonly kind: 'online' }
  | { readonly kind: 'offline' }
  | { readonly kind: 'visible' }
  | { readonly kind: 'hidden' }
  /** The server is to be another one from now on. */
  | { readonly kind: 'moved' }
  /** Every `BEAT_MS`, unless the device sleeps. */
  | { readonly kind: 'beat' }
  /** The deadline has come. */
  | { readonly kind: 'timeout' };

/** What the shell has to do. `hang-up` is said of a connection, or of a try at one. */
export type LinkCommand = 'none' | 'connect' | 'hang-up';

export interface LinkStep {
  readonly link: Link;
  readonly command: LinkCommand;
}

/** Codes after which a client stays away: the user was sent away, or was banned. All others are worth another try. */
const FINAL: ReadonlySet<number> = new Set([DISCONNECT.ForceNoReconnect, DISCONNECT.PermissionDenied]);

/** Before anything is asked for. */
export function newLink(backoff: Backoff, online: boolean, visible: boolean): Link {
  return {
    phase: 'idle',
    backoff,
    deadline: null,
    slot: false,
    attempt: 0,
    refusals: 0,
    renew: false,
    connectedAt: null,
    online,
    visible,
    stale: false,
    beatAt: null,
  };
}

/**
 * Applies one input.
 *
 * @param now Unix ms
 * @param random in [0, 1)
 */
export function stepLink(link: Link, input: LinkInput, now: number, random: number): LinkStep {
  switch (input.kind) {
    case 'start':
      return link.phase === 'idle' || link.phase === 'closed' ? connect(link) : keep(link);
    case 'stop':
      return { link: { ...link, phase: 'idle', deadline: null, slot: false, connectedAt: null, stale: false }, command: 'hang-up' };
    case 'opened':
      return link.phase === 'connecting'
        ? keep({ ...link, phase: 'connected', connectedAt: now, renew: false, stale: false })
        : keep(link);
    case 'lost':
      return onLost(link, input.code, input.reason, now, random);
    case 'refused':
      return onRefused(link, input.code, input.final, now, random);
    case 'online':
      return onOnline({ ...link, online: true }, now, random);
    case 'offline':
      return keep({ ...link, online: false, stale: link.phase === 'connected' });
    case 'visible':
      // A page that comes back may have slept: it is asked for a beat first.
      return sooner({ ...link, visible: true }, now, VISIBLE_SPREAD_MS * random);
    case 'hidden':
      return keep({ ...link, visible: false });
    case 'moved':
      return link.phase === 'connected' ? wait(steadied(link, now), now + Math.round(VISIBLE_SPREAD_MS * random)) : sooner(link, now, VISIBLE_SPREAD_MS * random);
    case 'beat':
      return onBeat(link, now, random);
    case 'timeout':
      return link.deadline !== null && now >= link.deadline ? connect(link) : keep(link);
  }
}

function connect(link: Link): LinkStep {
  return { link: { ...link, phase: 'connecting', deadline: null, slot: false, stale: false }, command: 'connect' };
}

function onLost(before: Link, code: number, reason: string, now: number, random: number): LinkStep {
  if (before.phase !== 'connecting' && before.phase !== 'connected') return keep(before);
  const link = steadied(before, now);
  const slot = returnAfterMs(code, reason);
  if (slot !== null) return wait({ ...link, slot: true }, now + slot);
  const backoff = link.visible ? link.backoff : { ...link.backoff, firstMs: link.backoff.firstMs * 4 };
  const after = waitMs(backoff, link.attempt, random);
  // Without a network every try is in vain, but not every device knows when it has one.
  const probe = link.online ? 0 : OFFLINE_PROBE_MS * (0.5 + random / 2);
  return wait({ ...link, attempt: link.attempt + 1 }, now + Math.max(after, probe));
}

function onRefused(before: Link, code: number, final: boolean, now: number, random: number): LinkStep {
  if (before.phase !== 'connecting' && before.phase !== 'connected') return keep(before);
  const link = { ...before, connectedAt: null, stale: false };
  if (final || FINAL.has(code)) return { link: { ...link, phase: 'closed', deadline: null, slot: false }, command: 'hang-up' };
  const after = waitMs(REFUSED_BACKOFF, link.refusals, random);
  return wait({ ...link, refusals: link.refusals + 1, renew: true }, now + after);
}

function onOnline(link: Link, now: number, random: number): LinkStep {
  if (link.phase === 'connected' && link.stale) return wait(steadied(link, now), now + Math.round(VISIBLE_SPREAD_MS * random));
  return sooner(link, now, ONLINE_SPREAD_MS * random);
}

function onBeat(before: Link, now: number, random: number): LinkStep {
  const gap = before.beatAt === null ? 0 : now - before.beatAt;
  const link = { ...before, beatAt: now };
  const slept = gap > BEAT_MS + (link.visible ? SLEPT_MS : SLEPT_HIDDEN_MS);
  if (!slept) return keep(link);
  // A socket that slept through its pings is dead, whatever the browser thinks of it.
  if (link.phase === 'connected' || link.phase === 'connecting') return wait(steadied(link, now), now + Math.round(VISIBLE_SPREAD_MS * random));
  return sooner(link, now, VISIBLE_SPREAD_MS * random);
}

/** Lets go, and tries at a time. */
function wait(link: Link, deadline: number): LinkStep {
  return { link: { ...link, phase: 'waiting', deadline, connectedAt: null, stale: false }, command: 'hang-up' };
}

function sooner(link: Link, now: number, inMs: number): LinkStep {
  if (link.phase !== 'waiting' || link.deadline === null || link.slot) return keep(link);
  return keep({ ...link, deadline: Math.min(link.deadline, now + Math.round(inMs)) });
}

/** A connection that was good for a while forgives what was before it. */
function steadied(link: Link, now: number): Link {
  const good = link.connectedAt !== null && now - link.connectedAt >= STEADY_MS;
  return good ? { ...link, attempt: 0, refusals: 0 } : link;
}

function keep(link: Link): LinkStep {
  return { link, command: 'none' };
}
