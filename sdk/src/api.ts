/**
 * The server's HTTP API, as far as fans need it. What arrives is parsed once, here: a shape that is not known is an error and
 * never an `undefined` somewhere in an app.
 *
 * A network that answers in the server's place (a hotel's log-in page, with 200 and HTML) is noticed: that is no answer.
 */

import type { Environment } from './environment.js';
import type { components } from './generated/openapi.js';
import { API_TIMEOUT_MS } from './limits.js';
import { type Entry, type LaneName, isCount, isRecord, parseMessage } from './message.js';

export type Channel = components['schemas']['Channel'];
export type Guest = components['schemas']['Guest'];
export type Recording = components['schemas']['Recording'];
export type Region = components['schemas']['Region'];

/** Why a request brought nothing. */
export class ApiError extends Error {
  /**
   * @param status the HTTP status; null when the server has not answered
   * @param code the problem's `code`; `no_answer`, or `not_the_server` where something else answered
   */
  constructor(
    readonly status: number | null,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** Whether the same request may succeed later. */
  get isTemporary(): boolean {
    return this.status === null || this.status === 429 || this.status >= 500;
  }
}

/** An answer, and what it says about this device's clock. */
export interface Answer {
  readonly body: unknown;
  /** The answer's `Date`, Unix ms; null where it has none that can be read. */
  readonly date: number | null;
}

/** A page of a lane's history, newest first. */
export interface HistoryPage {
  readonly epoch: string;
  readonly entries: readonly Entry[];
  /** `before` of the next, older page; null at the beginning. */
  readonly next: number | null;
}

/** Something said, at its time in a player of the recording. */
export type RecordedEntry = Entry & { readonly media_ms: number };

/** A page of the chat beside a recording, oldest first. */
export interface ReplayPage {
  readonly entries: readonly RecordedEntry[];
  /** `after` of the next page; null at the end. */
  readonly next: number | null;
}

export class Api {
  readonly #base: string | (() => string);

  /** @param base address of the server, without a path; or what says it, where that may change */
  constructor(
    base: string | (() => string),
    private readonly environment: Pick<Environment, 'fetch'>,
  ) {
    this.#base = base;
  }

  /** Address of the server. */
  get base(): string {
    return typeof this.#base === 'string' ? this.#base : this.#base();
  }

  /** What can be watched here. */
  async channels(): Promise<readonly Channel[]> {
    const { body } = await this.call('/api/v1/channels');
    return list(body, 'channels').map(parseChannel);
  }

  async channel(id: string): Promise<Channel> {
    return (await this.dated(id)).channel;
  }

  /** The same, with the server's clock, Unix ms, for `skewMs`. */
  async dated(id: string): Promise<{ channel: Channel; date: number | null }> {
    const { body, date } = await this.call(`/api/v1/channels/${encodeURIComponent(id)}`);
    return { channel: parseChannel(body), date };
  }

  /** Becomes a guest, or renews and renames the guest whose token is given. */
  async guest(name: string, token?: string): Promise<Guest> {
    const { body } = await this.call('/api/v1/guests', token === undefined ? { name } : { name, token });
    return parseGuest(body);
  }

  /** The history of a lane, for whoever scrolls up. */
  async history(channel: string, lane: 'chat' | 'room', page: { before?: number; limit?: number } = {}): Promise<HistoryPage> {
    const { body } = await this.call(`/api/v1/channels/${encodeURIComponent(channel)}/messages?${query({ lane, ...page })}`);
    return {
      epoch: text(body, 'epoch'),
      entries: list(body, 'messages').flatMap((message) => parseMessage(lane, message) ?? []),
      next: cursor(body, 'next_before'),
    };
  }

  /** What was kept of a channel's shows, newest first. */
  async recordings(channel: string): Promise<readonly Recording[]> {
    const { body } = await this.call(`/api/v1/channels/${encodeURIComponent(channel)}/recordings`);
    return list(body, 'recordings').map(parseRecording);
  }

  /** The chat beside a recording. */
  async replay(
    recording: string,
    lane: 'chat' | 'room',
    page: { after?: number; from_ms?: number; limit?: number } = {},
  ): Promise<ReplayPage> {
    const { body } = await this.call(`/api/v1/recordings/${encodeURIComponent(recording)}/messages?${query({ lane, ...page })}`);
    return {
      entries: list(body, 'messages').flatMap((message) => parseRecorded(lane, message) ?? []),
      next: cursor(body, 'next_after'),
    };
  }

  /** Where else the same rooms and shows are, the best first. */
  async regions(): Promise<readonly Region[]> {
    const { body } = await this.call('/api/v1/regions');
    return list(body, 'ranked').map((region) => ({ name: text(region, 'name'), url: text(region, 'url') }));
  }

  /** Any request of the API that answers with JSON; a body makes it a POST. Throws `ApiError`. */
  async call(path: string, request?: unknown): Promise<Answer> {
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) };
    let response: Response;
    let said: string;
    try {
      response = await this.environment.fetch(this.base + path, {
        ...(request === undefined ? {} : post),
        cache: 'no-store',
        signal: AbortSignal.timeout(API_TIMEOUT_MS),
      });
      said = await response.text();
    } catch (error) {
      throw new ApiError(null, 'no_answer', `no answer from ${path}: ${String(error)}`);
    }
    const body = json(said);
    if (!response.ok) {
      const code = isRecord(body) && typeof body['code'] === 'string' ? body['code'] : `http_${response.status}`;
      throw new ApiError(response.status, code, isRecord(body) ? String(body['detail']) : `${path} answered ${response.status}`);
    }
    if (!isRecord(body)) {
      throw new ApiError(null, 'not_the_server', `${path} was answered by something else: is this network asking for a log-in?`);
    }
    const date = Date.parse(response.headers.get('date') ?? '');
    return { body, date: Number.isNaN(date) ? null : date };
  }
}

/** Reads a channel. Throws `ApiError`. */
export function parseChannel(body: unknown): Channel {
  const lanes = isRecord(body) ? body['lanes'] : undefined;
  const since = isRecord(body) ? body['since'] : undefined;
  return {
    id: text(body, 'id'),
    title: text(body, 'title'),
    live: isRecord(body) && body['live'] === true,
    since: since === null || since === undefined ? null : count(body, 'since'),
    playlist: text(body, 'playlist'),
    lanes: { room: text(lanes, 'room'), chat: text(lanes, 'chat') },
    // A server of before emotes says nothing of them.
    emotes: isRecord(body) && isCount(body['emotes']) ? body['emotes'] : 0,
    part_target_ms: count(body, 'part_target_ms'),
  };
}

/** Reads a guest out of an answer, or out of what an app has remembered. Throws `ApiError`. */
export function parseGuest(body: unknown): Guest {
  return { token: text(body, 'token'), user: text(body, 'user'), name: text(body, 'name'), expires_at: count(body, 'expires_at') };
}

function parseRecording(body: unknown): Recording {
  return {
    id: text(body, 'id'),
    channel: text(body, 'channel'),
    playlist: text(body, 'playlist'),
    from: count(body, 'from'),
    to: count(body, 'to'),
    bytes: count(body, 'bytes'),
    ended: isRecord(body) && body['ended'] === true,
    clip: isRecord(body) && body['clip'] === true,
  };
}

function parseRecorded(lane: LaneName, message: unknown): RecordedEntry | null {
  const entry = parseMessage(lane, message);
  const at = isRecord(message) ? message['media_ms'] : undefined;
  return entry === null || !isCount(at) ? null : { ...entry, media_ms: at };
}

function query(values: Record<string, string | number | undefined>): string {
  const said = Object.entries(values).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  return new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
}

function json(said: string): unknown {
  try {
    return JSON.parse(said) as unknown;
  } catch {
    return undefined;
  }
}

function field(body: unknown, name: string): unknown {
  return isRecord(body) ? body[name] : undefined;
}

function text(body: unknown, name: string): string {
  const value = field(body, name);
  if (typeof value !== 'string') throw new ApiError(200, 'unknown_shape', `${name} is not a text`);
  return value;
}

function count(body: unknown, name: string): number {
  const value = field(body, name);
  if (!isCount(value)) throw new ApiError(200, 'unknown_shape', `${name} is not a number`);
  return value;
}

function cursor(body: unknown, name: string): number | null {
  return isCount(field(body, name)) ? count(body, name) : null;
}

function list(body: unknown, name: string): readonly unknown[] {
  const value = field(body, name);
  if (!Array.isArray(value)) throw new ApiError(200, 'unknown_shape', `${name} is not a list`);
  return value;
}
