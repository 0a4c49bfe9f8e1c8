/**
 * The server's HTTP API, as far as the page uses it: types, parsing, time limits.
 *
 * What arrives is parsed once, here; a shape we do not know is an error and never an `undefined` somewhere in a view.
 */

import { skewMs } from './clock';
import { API_TIMEOUT_MS } from './limits';

/** How a channel stands. */
export interface Channel {
  readonly id: string;
  readonly title: string;
  /** A publisher is on. */
  readonly live: boolean;
  /** Since when, Unix ms; null while nothing is on. */
  readonly since: number | null;
  /** Path of the multivariant playlist. */
  readonly playlist: string;
  /** The chat's two lanes as the client protocol names them. */
  readonly lanes: { readonly room: string; readonly chat: string };
}

/** A channel together with what its answer says about our clock. */
export interface ChannelAnswer {
  readonly channel: Channel;
  /** Server clock minus ours, ms; 0 when they agree as far as one can tell. */
  readonly skewMs: number;
}

/** A guest: who the fan is to the chat. */
export interface Guest {
  readonly token: string;
  readonly user: string;
  readonly name: string;
  /** End of the token's life, Unix ms. */
  readonly expiresAt: number;
}

/** Why a call brought nothing. */
export class ApiError extends Error {
  /**
   * @param status the HTTP status, or null when no answer came at all
   */
  constructor(
    readonly status: number | null,
    message: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** Reads the first channel's id; null when the server has none. */
export async function firstChannelId(): Promise<string | null> {
  const { body } = await call('/api/v1/channels');
  const list = field(body, 'channels');
  if (!Array.isArray(list)) throw new ApiError(200, 'the channel list is not a list');
  return list.length === 0 ? null : text(field(list[0], 'id'), 'id');
}

/** Asks how a channel stands. */
export async function channel(id: string): Promise<ChannelAnswer> {
  const askedAt = Date.now();
  const { body, headers } = await call(`/api/v1/channels/${encodeURIComponent(id)}`);
  return {
    channel: parseChannel(body),
    skewMs: skewMs(headers.get('date'), askedAt, Date.now()),
  };
}

/** Becomes a guest, or renews and renames the guest whose token is given. */
export async function guest(name: string, token: string | null): Promise<Guest> {
  const request = token === null ? { name } : { name, token };
  const { body } = await call('/api/v1/guests', request);
  return parseGuest(body);
}

/** Exported for the tests: reads a channel out of an answer. */
export function parseChannel(body: unknown): Channel {
  const lanes = field(body, 'lanes');
  const since = field(body, 'since');
  return {
    id: text(field(body, 'id'), 'id'),
    title: text(field(body, 'title'), 'title'),
    live: field(body, 'live') === true,
    since: since === null || since === undefined ? null : instant(since, 'since'),
    playlist: text(field(body, 'playlist'), 'playlist'),
    lanes: { room: text(field(lanes, 'room'), 'lanes.room'), chat: text(field(lanes, 'chat'), 'lanes.chat') },
  };
}

/** Exported for the tests: reads a guest out of an answer, or out of what the browser remembered. */
export function parseGuest(body: unknown): Guest {
  return {
    token: text(field(body, 'token'), 'token'),
    user: text(field(body, 'user'), 'user'),
    name: text(field(body, 'name'), 'name'),
    expiresAt: instant(field(body, 'expires_at'), 'expires_at'),
  };
}

async function call(path: string, request?: unknown): Promise<{ body: unknown; headers: Headers }> {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) };
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, {
      ...(request === undefined ? {} : post),
      cache: 'no-store',
      signal: AbortSignal.timeout(API_TIMEOUT_MS),
    });
    body = response.ok ? await response.json() : null;
  } catch (error) {
    throw new ApiError(null, `no answer from ${path}: ${String(error)}`);
  }
  if (!response.ok) throw new ApiError(response.status, `${path} answered ${response.status}`);
  return { body, headers: response.headers };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new ApiError(200, `${name} is not a text`);
  return value;
}

function instant(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new ApiError(200, `${name} is not an instant`);
  return value;
}
