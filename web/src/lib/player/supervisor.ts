/**
 * Decides when the player loads, gives up and tries again, so that no fan ever has to reload the page.
 *
 * A pure machine: `step(state, input, now, random)` gives the next state and what the shell has to do; `deadline` says
 * when to call it with `timeout`. The shell (`player.svelte.ts`) obeys and holds no rule of its own.
 *
 * What it must achieve: a restarted server has a new stream under new addresses, so every fault of the media ends in a
 * fresh start from the multivariant playlist, quick at first and with growing, jittered waits after that.
 */

import { PLAYER_BACKOFF, backoffMs } from '../backoff';
import { LOAD_DEADLINE_MS, RETURN_GRACE_MS, STALL_DEADLINE_MS, STALL_OFFLINE_DEADLINE_MS, STEADY_MS } from '../limits';

/** What the fan is shown. */
export type Phase =
  /** The first picture is on its way. */
  | 'loading'
  /** The picture flows, or would if the fan had not paused it. */
  | 'playing'
  /** The picture stands still for want of data, and its source is still attached. */
  | 'buffering'
  /** The source is lost, and is being looked for. */
  | 'reconnecting'
  /** The show has not begun. */
  | 'offline'
  /** The show was on and is over. */
  | 'ended';

/** What the API says about the show. */
export type ShowStatus = 'unknown' | 'live' | 'offline' | 'unreachable';

/** Why the machine wants to be called at a time. */
export interface Deadline {
  readonly at: number;
  readonly reason:
    /** Load again. */
    | 'retry'
    /** The load in progress has had its time. */
    | 'load'
    /** The stall has lasted too long. */
    | 'stall';
}

export interface Supervisor {
  readonly phase: Phase;
  readonly show: ShowStatus;
  /** A source is attached, or being loaded. */
  readonly loaded: boolean;
  /** Faults in a row. */
  readonly attempt: number;
  readonly deadline: Deadline | null;
  /** Since when the picture flows; null while it does not. */
  readonly flowingSince: number | null;
  /** When it was last seen to flow. */
  readonly flowedAt: number | null;
}

export type SupervisorInput =
  /** The API answered, or did not. */
  | { readonly kind: 'show'; readonly status: Exclude<ShowStatus, 'unknown'> }
  /** There is data to play on with. */
  | { readonly kind: 'flowing' }
  /** The picture stands still although the fan wants it to play. */
  | { readonly kind: 'stalled' }
  /**
   * The picture stands still because the stream itself brings nothing new: its publisher has vanished and may return.
   * Starting anew would only play the last seconds again.
   */
  | { readonly kind: 'silent' }
  /** The fan paused: standing still is no fault now. */
  | { readonly kind: 'paused' }
  /** The source is lost: a fatal error, or its addresses are gone. */
  | { readonly kind: 'failed' }
  /** The playlist says that nothing more will come, and all of it was played. */
  | { readonly kind: 'ended' }
  /** Something suggests that a try would succeed now: the network or the page came back. */
  | { readonly kind: 'nudged' }
  /** The deadline has come. */
  | { readonly kind: 'timeout' };

/** What the shell has to do. */
export type Command = 'none' | 'load' | 'unload';

export interface Step {
  readonly state: Supervisor;
  readonly command: Command;
}

/** Before anything is known. */
export const initialSupervisor: Supervisor = {
  phase: 'loading',
  show: 'unknown',
  loaded: false,
  attempt: 0,
  deadline: null,
  flowingSince: null,
  flowedAt: null,
};

/**
 * Applies one input.
 *
 * @param now Unix ms, or any clock that only goes forward
 * @param random in [0, 1)
 */
export function step(state: Supervisor, input: SupervisorInput, now: number, random: number): Step {
  switch (input.kind) {
    case 'show':
      return onShow(state, input.status, now);
    case 'flowing':
      return onFlowing(state, now);
    case 'stalled':
      return onStalled(state, now);
    case 'silent':
      return onSilent(state, now);
    case 'paused':
      return state.phase === 'buffering' ? keep({ ...state, phase: 'playing', deadline: null }) : keep(state);
    case 'failed':
      return state.loaded ? fault(state, now, random) : keep(state);
    case 'ended':
      return state.loaded ? onEnded(state, now, random) : keep(state);
    case 'nudged':
      return onNudged(state, now, random);
    case 'timeout':
      return onTimeout(state, now, random);
  }
}

/** Whether something is wrong, so that the API should be asked more often. */
export function isTroubled(state: Supervisor): boolean {
  return state.phase !== 'playing';
}

function onShow(before: Supervisor, status: ShowStatus, now: number): Step {
  const state = { ...before, show: status };
  if (status === 'live') {
    // While it stays live, a lost source waits for its own retry: an answer of the API is no reason to hurry.
    return !state.loaded && before.show !== 'live' ? load(state, now) : keep(state);
  }
  if (status === 'unreachable') {
    return keep(state.phase === 'loading' && !state.loaded ? { ...state, phase: 'reconnecting' } : state);
  }
  if (state.loaded) {
    const { deadline } = state;
    if (deadline?.reason !== 'stall') return keep(state);
    return keep({ ...state, deadline: sooner(deadline, now + STALL_OFFLINE_DEADLINE_MS) });
  }
  return keep(expectsReturn(state, now) ? state : { ...state, phase: offPhase(state), deadline: null });
}

function onFlowing(state: Supervisor, now: number): Step {
  if (!state.loaded) return keep(state);
  return keep({
    ...state,
    phase: 'playing',
    deadline: null,
    flowingSince: state.flowingSince ?? now,
    flowedAt: now,
  });
}

function onStalled(state: Supervisor, now: number): Step {
  if (!state.loaded || state.phase !== 'playing') return keep(state);
  const patience = state.show === 'offline' ? STALL_OFFLINE_DEADLINE_MS : STALL_DEADLINE_MS;
  return keep({ ...steadied(state, now), phase: 'buffering', deadline: { at: now + patience, reason: 'stall' } });
}

function onSilent(state: Supervisor, now: number): Step {
  if (state.deadline?.reason !== 'stall' || state.show === 'offline' || !expectsReturn(state, now)) return keep(state);
  const at = Math.max(state.deadline.at, now + STALL_OFFLINE_DEADLINE_MS);
  return keep({ ...state, deadline: { at, reason: 'stall' } });
}

function onEnded(state: Supervisor, now: number, random: number): Step {
  const rested = { ...steadied(state, now), loaded: false, phase: 'ended' as const };
  // The API may say "live" for a moment longer, or already again: only then is there something to look for.
  const deadline = rested.show === 'offline' ? null : retryAt(rested, now, random);
  return { state: { ...rested, deadline, attempt: rested.attempt + 1 }, command: 'unload' };
}

function onNudged(state: Supervisor, now: number, random: number): Step {
  if (state.deadline?.reason !== 'retry') return keep(state);
  // Everyone on one train gets the network back in the same second: a little spread even here.
  return keep({ ...state, deadline: sooner(state.deadline, now + Math.round(300 * random)) });
}

function onTimeout(state: Supervisor, now: number, random: number): Step {
  const { deadline } = state;
  if (deadline === null || now < deadline.at) return keep(state);
  return deadline.reason === 'retry' ? load(state, now) : fault(state, now, random);
}

/** The source is lost: drop it, and look for a new one while there is hope for one. */
function fault(before: Supervisor, now: number, random: number): Step {
  const state = { ...steadied(before, now), loaded: false };
  if (state.show === 'offline' && !expectsReturn(state, now)) {
    return { state: { ...state, phase: offPhase(state), deadline: null }, command: 'unload' };
  }
  // A show that had ended stays "ended" on the screen while we look whether it goes on.
  const phase = state.phase === 'ended' ? 'ended' : 'reconnecting';
  const next = { ...state, phase, deadline: retryAt(state, now, random), attempt: state.attempt + 1 } as const;
  return { state: next, command: 'unload' };
}

function load(state: Supervisor, now: number): Step {
  // What was on the screen stays until the picture is there, so that tries do not flicker.
  const phase = state.phase === 'offline' ? 'loading' : state.phase;
  return {
    state: { ...state, phase, loaded: true, deadline: { at: now + LOAD_DEADLINE_MS, reason: 'load' } },
    command: 'load',
  };
}

/** The picture does not flow any more; when it had flowed for long enough, past faults are forgiven. */
function steadied(state: Supervisor, now: number): Supervisor {
  const isSteady = state.flowingSince !== null && now - state.flowingSince >= STEADY_MS;
  return { ...state, attempt: isSteady ? 0 : state.attempt, flowingSince: null };
}

function expectsReturn(state: Supervisor, now: number): boolean {
  return state.phase !== 'ended' && state.flowedAt !== null && now - state.flowedAt < RETURN_GRACE_MS;
}

function offPhase(state: Supervisor): Phase {
  return state.flowedAt === null ? 'offline' : 'ended';
}

function retryAt(state: Supervisor, now: number, random: number): Deadline {
  return { at: now + backoffMs(PLAYER_BACKOFF, state.attempt, random), reason: 'retry' };
}

function sooner(deadline: Deadline, at: number): Deadline {
  return at < deadline.at ? { ...deadline, at } : deadline;
}

function keep(state: Supervisor): Step {
  return { state, command: 'none' };
}
