/**
 * What a page tells of how its picture plays, and when. A pure state machine: `stepReport(report, input, now, random)` gives the next state
 * and the beacon to send, if there is one; the shell (`index.ts`) looks at the player, sends, and holds no rule of its own.
 *
 * Each view of a page draws a number once and reports while that is less than the share which the server asks for. There is one beacon at
 * most in the asked time, later by chance, so that the pages of a show that begins do not beat together; one more when the page is hidden. A
 * beacon that was not answered is sent again under its number, by which the server counts it once. What a server refuses ends the
 * report; what it cannot take now makes every wait longer.
 */

import {
  AGAIN_MS_MAX,
  EVERY_MS_MAX,
  EVERY_MS_MIN,
  HIDDEN_MS_MIN,
  LATENCY_MS_MAX,
  LOOK_APART_MS_MAX,
  SPREAD,
  STALL_MS,
  TAKEN,
  TOLD_MS_MAX,
  WAIT_MS_MAX,
} from './limits.js';

/** What the server asks for. */
export interface Asked {
  /** The share of all views of the page that are to report, 0 to 1. */
  readonly sample: number;
  /** How long to wait at least between two beacons, ms. */
  readonly everyMs: number;
}

/** The quality that plays. */
export interface Rung {
  /** The shorter side of its picture, pixels; null where it is not known. */
  readonly height: number | null;
  /** Bits per second; null where it is not known. */
  readonly bitrate: number | null;
}

/** The player at one moment. */
export interface Look {
  /** Where it is, seconds. */
  readonly position: number;
  /** The picture is to move: it is not paused, not at its end and not on its way to another place. */
  readonly wanted: boolean;
  /** The fan waits, whatever the element says of itself: its source is lost and looked for. */
  readonly waits: boolean;
  /** From the wish for a picture to the first one, ms; null while unknown. */
  readonly startupMs: number | null;
  /** From the stage to the screen, ms; null where it is not known, or the fan's own choice. */
  readonly latencyMs: number | null;
  readonly rung: Rung | null;
  /** Sources that were lost so far. */
  readonly errors: number;
}

/** One beacon, as the server takes it (`NewBeacon` in docs/openapi.json). */
export interface Beacon {
  readonly session: string;
  readonly sequence: number;
  readonly startup_ms?: number;
  readonly played_ms: number;
  readonly stalls: number;
  readonly stalled_ms: number;
  readonly latency_ms?: number;
  readonly height?: number;
  readonly bitrate?: number;
  readonly switches: number;
  readonly errors: number;
}

/** What came of a beacon. */
export interface Answer {
  /** The HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** How long to wait at least, as the server says, ms; null where it does not. */
  readonly retryAfterMs: number | null;
  /** What the server asks for from now on; null where it does not say. */
  readonly asked: Asked | null;
}

/** What there is to tell, since the beacon before. */
interface Sums {
  readonly since: number;
  readonly startupMs: number | null;
  readonly playedMs: number;
  readonly stalls: number;
  readonly stalledMs: number;
  /** Sum of latency over time, and over how much of it. */
  readonly latency: number;
  readonly latencyMs: number;
  readonly switches: number;
  readonly errors: number;
}

export interface Report {
  readonly session: string;
  /** In [0, 1): which of all views of the page this is. */
  readonly draw: number;
  readonly asked: Asked;
  /** Number of the last beacon. */
  readonly sequence: number;
  /** When the next may be sent, by the clock of `now`. */
  readonly due: number;
  readonly sums: Sums;
  /** The beacon that was not answered yet, and since when it is there. */
  readonly pending: { readonly beacon: Beacon; readonly at: number } | null;
  /** It is on its way now. */
  readonly sending: boolean;
  /** Tries in a row that the server has not taken. */
  readonly failures: number;
  /** The server has refused: nothing is told any more. */
  readonly ended: boolean;
  /** The look before, and when it was. */
  readonly last: (Look & { readonly at: number }) | null;
  /** The picture has moved once: before that, nothing stalls. */
  readonly begun: boolean;
  readonly startupTold: boolean;
  /** For how long the picture has stood still by now, ms. */
  readonly stillMs: number;
  readonly rung: Rung | null;
}

export type ReportInput =
  /** The player was looked at. */
  | { readonly kind: 'look'; readonly look: Look }
  /** The page is hidden, or left: there may be no later. */
  | { readonly kind: 'hidden' }
  | { readonly kind: 'answered'; readonly answer: Answer };

export interface ReportStep {
  readonly report: Report;
  /** What to send now. Answered with `answered`. */
  readonly send: Beacon | null;
}

/**
 * A view of a page of which nothing was told yet.
 *
 * @param session 32 random hexadecimal digits
 * @param draw in [0, 1)
 * @param now ms, of any clock that only goes forward
 * @param random in [0, 1)
 */
export function newReport(session: string, draw: number, asked: Asked, now: number, random: number): Report {
  const bounded = boundedOf(asked);
  return {
    session,
    draw,
    asked: bounded,
    sequence: 0,
    // Anywhere in the first round: those who come together do not report together.
    due: now + Math.round(bounded.everyMs * random),
    sums: nothing(now),
    pending: null,
    sending: false,
    failures: 0,
    ended: false,
    last: null,
    begun: false,
    startupTold: false,
    stillMs: 0,
    rung: null,
  };
}

/**
 * Applies one input.
 *
 * @param now ms, of the clock that `newReport` was given
 * @param random in [0, 1)
 */
export function stepReport(report: Report, input: ReportInput, now: number, random: number): ReportStep {
  if (report.ended) return { report, send: null };
  switch (input.kind) {
    case 'look':
      return told(looked(report, input.look, now), now, random);
    case 'hidden':
      return hidden(report, now, random);
    case 'answered':
      return { report: answered(report, input.answer, now, random), send: null };
  }
}

/** Takes in how the picture has played since the look before. */
function looked(report: Report, look: Look, now: number): Report {
  const { last } = report;
  const sums = now - report.sums.since > TOLD_MS_MAX ? nothing(now) : report.sums;
  const next = { ...withChanges({ ...report, sums }, look), last: { ...look, at: now } };
  if (last === null) return next;
  const spanMs = Math.max(0, now - last.at);
  const moved = look.position !== last.position;
  const wanted = look.wanted && last.wanted;
  const begun = report.begun || (wanted && moved);
  const flows = wanted && moved && !look.waits;
  if (spanMs > LOOK_APART_MS_MAX) {
    // Nobody looked: how far the picture has got is all that is known.
    const playedMs = flows ? Math.min(spanMs, Math.max(0, (look.position - last.position) * 1_000)) : 0;
    return { ...next, begun, stillMs: 0, sums: { ...next.sums, playedMs: next.sums.playedMs + playedMs } };
  }
  if (flows) return { ...next, begun, stillMs: 0, sums: played(next.sums, look, spanMs) };
  if (begun && (look.waits || wanted)) return stood({ ...next, begun }, report.stillMs, spanMs);
  return { ...next, begun, stillMs: 0 };
}

/** What is counted where it changes: the start, the quality and the errors. */
function withChanges(report: Report, look: Look): Report {
  const { sums, last } = report;
  const isSwitch = look.rung !== null && report.rung !== null && !isSame(look.rung, report.rung);
  const isStart = look.startupMs !== null && !report.startupTold;
  return {
    ...report,
    rung: look.rung ?? report.rung,
    startupTold: report.startupTold || isStart,
    sums: {
      ...sums,
      startupMs: isStart ? look.startupMs : sums.startupMs,
      switches: sums.switches + (isSwitch ? 1 : 0),
      errors: sums.errors + Math.max(0, look.errors - (last?.errors ?? 0)),
    },
  };
}

function isSame(one: Rung, other: Rung): boolean {
  return one.height === other.height && one.bitrate === other.bitrate;
}

function played(sums: Sums, { latencyMs }: Look, spanMs: number): Sums {
  const isKnown = latencyMs !== null && latencyMs >= 0 && latencyMs <= LATENCY_MS_MAX;
  return {
    ...sums,
    playedMs: sums.playedMs + spanMs,
    latency: sums.latency + (isKnown ? latencyMs * spanMs : 0),
    latencyMs: sums.latencyMs + (isKnown ? spanMs : 0),
  };
}

/** The picture stood still: a stall from half a second on, of which all of it counts. */
function stood(report: Report, stillMs: number, spanMs: number): Report {
  const { sums } = report;
  const allMs = stillMs + spanMs;
  if (allMs < STALL_MS) return { ...report, stillMs: allMs };
  const isNew = stillMs < STALL_MS;
  return {
    ...report,
    stillMs: allMs,
    sums: { ...sums, stalls: sums.stalls + (isNew ? 1 : 0), stalledMs: sums.stalledMs + (isNew ? allMs : spanMs) },
  };
}

/** Sends what is due. */
function told(report: Report, now: number, random: number): ReportStep {
  if (now < report.due || report.sending) return { report, send: null };
  if (report.draw >= report.asked.sample) {
    // Not asked any more, for now: what happens meanwhile is told by others.
    return { report: { ...report, sums: nothing(now), pending: null, due: nextDue(report, now, random) }, send: null };
  }
  const { pending } = report;
  if (pending !== null && now - pending.at <= AGAIN_MS_MAX) {
    return { report: { ...report, sending: true, due: nextDue(report, now, random) }, send: pending.beacon };
  }
  if (!isWorth(report.sums)) return { report: { ...report, pending: null, due: nextDue(report, now, random) }, send: null };
  return sent(report, now, random);
}

/** There may be no later: sends what there is, unless the server is to be left alone. */
function hidden(report: Report, now: number, random: number): ReportStep {
  const { playedMs, stalledMs, startupMs, errors } = report.sums;
  const isMuch = playedMs + stalledMs >= HIDDEN_MS_MIN || startupMs !== null || errors > 0;
  const isAsked = report.draw < report.asked.sample && report.failures === 0;
  return isAsked && isMuch ? sent(report, now, random) : { report, send: null };
}

function sent(report: Report, now: number, random: number): ReportStep {
  const sequence = report.sequence + 1;
  if (sequence > TAKEN.sequence) return { report: { ...report, ended: true }, send: null };
  const beacon = beaconOf(report, sequence);
  const due = nextDue(report, now, random);
  return { report: { ...report, sequence, due, sums: nothing(now), pending: { beacon, at: now }, sending: true }, send: beacon };
}

function answered(report: Report, { status, retryAfterMs, asked }: Answer, now: number, random: number): Report {
  if (status !== null && status >= 200 && status < 300) {
    return { ...report, pending: null, sending: false, failures: 0, asked: asked === null ? report.asked : boundedOf(asked) };
  }
  const isTemporary = status === null || status === 408 || status === 429 || status >= 500;
  if (!isTemporary) return { ...report, ended: true, pending: null, sending: false };
  const failures = report.failures + 1;
  const ownMs = report.asked.everyMs * 2 ** Math.min(failures, 20) * (0.5 + random / 2);
  const saidMs = (retryAfterMs ?? 0) * (1 + SPREAD * random);
  // At least as long as without a fault, whatever the limit: a page that is asked seldom does not come oftener for being refused.
  const waitMs = Math.max(report.asked.everyMs, Math.min(WAIT_MS_MAX, Math.max(ownMs, saidMs)));
  return { ...report, sending: false, failures, due: Math.max(report.due, now + Math.round(waitMs)) };
}

function nextDue({ asked }: Report, now: number, random: number): number {
  return now + Math.round(asked.everyMs * (1 + SPREAD * random));
}

/** Who has paused has nothing to tell. */
function isWorth({ playedMs, stalledMs, startupMs, errors }: Sums): boolean {
  return playedMs + stalledMs > 0 || startupMs !== null || errors > 0;
}

function beaconOf({ session, sums, rung }: Report, sequence: number): Beacon {
  const latency = sums.latencyMs > 0 ? sums.latency / sums.latencyMs : null;
  return {
    session,
    sequence,
    ...some('startup_ms', sums.startupMs, 0, TAKEN.spanMs),
    played_ms: within(sums.playedMs, 0, TAKEN.spanMs),
    stalls: within(sums.stalls, 0, TAKEN.count),
    stalled_ms: within(sums.stalledMs, 0, TAKEN.spanMs),
    ...some('latency_ms', latency, 0, LATENCY_MS_MAX),
    ...some('height', rung?.height ?? null, 1, TAKEN.height),
    ...some('bitrate', rung?.bitrate ?? null, 1, TAKEN.bitrate),
    switches: within(sums.switches, 0, TAKEN.count),
    errors: within(sums.errors, 0, TAKEN.count),
  };
}

/** A member, where it is known and can be: what an app says of its player is its own. */
function some<Name extends string>(name: Name, value: number | null, least: number, most: number): { readonly [key in Name]?: number } {
  if (value === null || !Number.isFinite(value) || Math.round(value) < least) return {};
  return { [name]: within(value, least, most) } as { readonly [key in Name]?: number };
}

function within(value: number, least: number, most: number): number {
  return Number.isFinite(value) ? Math.min(most, Math.max(least, Math.round(value))) : least;
}

function nothing(since: number): Sums {
  return { since, startupMs: null, playedMs: 0, stalls: 0, stalledMs: 0, latency: 0, latencyMs: 0, switches: 0, errors: 0 };
}

function boundedOf({ sample, everyMs }: Asked): Asked {
  const share = Number.isFinite(sample) ? Math.min(1, Math.max(0, sample)) : 0;
  return { sample: share, everyMs: Number.isFinite(everyMs) ? Math.min(EVERY_MS_MAX, Math.max(EVERY_MS_MIN, everyMs)) : EVERY_MS_MAX };
}
