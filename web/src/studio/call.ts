/**
 * One call of the HTTP API (docs/api.md) as the studio makes it: with a token, a deadline, and a name of its own where it
 * does something, so that an answer that was lost is asked for again without anything being done twice.
 */

import { CALL_MS } from './limits';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH';

/** Why a call brought nothing. */
export class Refusal extends Error {
  /**
   * @param status the HTTP status; null when no answer came at all
   * @param code the problem's code, for programs; empty without one
   * @param detail what the server says about it, in English
   */
  constructor(
    readonly status: number | null,
    readonly code: string,
    readonly detail: string,
  ) {
    super(detail);
    this.name = 'Refusal';
  }
}

/** How often a call that was not answered is made again. */
const TRIES_MAX = 3;

/** Makes a call; throws `Refusal`. */
export async function call(method: Method, path: string, token: string | null, body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = {};
  if (token !== null) headers['authorization'] = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method === 'POST') headers['idempotency-key'] = newId();
  const init: RequestInit = { method, headers, cache: 'no-store', ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await answer(await fetch(path, { ...init, signal: AbortSignal.timeout(CALL_MS) }));
    } catch (error) {
      if (error instanceof Refusal) throw error;
      // No answer came. What was asked may have been done, and its name makes asking again safe.
      if (attempt >= TRIES_MAX) throw new Refusal(null, '', `no answer from ${path}`);
    }
  }
}

async function answer(response: Response): Promise<unknown> {
  const text = await response.text();
  const body: unknown = text === '' ? null : parsed(text);
  if (response.ok) return body;
  const code = member(body, 'code');
  const detail = member(body, 'detail');
  throw new Refusal(
    response.status,
    typeof code === 'string' ? code : '',
    typeof detail === 'string' ? detail : `${response.status} ${response.statusText}`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // A proxy in front may answer with a page of its own.
    return text;
  }
}

/** A member of what may or may not be an object. */
export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** 128 random bits; `crypto.randomUUID` would need a secure context, and a tablet on the crew's network has none. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
