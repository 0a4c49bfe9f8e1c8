/** The server's HTTP API, as far as the page uses it: through the SDK, which parses what arrives and times what does not. */

import { Api, type Channel, type Guest, parseChannel, skewMs, systemEnvironment } from '@fanwave/client';
import type { Asked } from '@fanwave/client/quality';

import { earlyFetch } from './early';
import { regions } from './region';

export { type Api, ApiError, type Channel, type Guest, parseGuest } from '@fanwave/client';

/** A channel together with what its answer says about our clock. */
export interface ChannelAnswer {
  readonly channel: Channel;
  /** Which pages are to tell how their pictures play; null where none is. */
  readonly asked: Asked | null;
  /** Server clock minus ours, ms; 0 when they agree as far as one can tell. */
  readonly skewMs: number;
}

/** The server that the page is from, or one of another region in its place. */
export const here = new Api(() => regions()?.url ?? '', { ...systemEnvironment(), fetch: earlyFetch });

/** A server at another address. */
export function serverAt(base: string): Api {
  return new Api(base, systemEnvironment());
}

/** Reads the first channel's id; null when the server has none. Throws `ApiError`. */
export async function firstChannelId(api = here): Promise<string | null> {
  return (await api.channels())[0]?.id ?? null;
}

/** Asks how a channel stands. Throws `ApiError`. */
export async function channel(id: string, api = here): Promise<ChannelAnswer> {
  const askedAt = Date.now();
  const { body, date } = await api.call(`/api/v1/channels/${encodeURIComponent(id)}`);
  return { channel: parseChannel(body), asked: askedOf(body), skewMs: skewMs(date, askedAt, Date.now()) };
}

/** The same as the SDK's, which is not there before the picture is. */
function askedOf(body: unknown): Asked | null {
  const { sample, every_ms: everyMs } = (body as { readonly quality?: { readonly sample?: unknown; readonly every_ms?: unknown } | null }).quality ?? {};
  return typeof sample === 'number' && typeof everyMs === 'number' ? { sample, everyMs } : null;
}

/** Becomes a guest, or renews and renames the guest whose token is given. Throws `ApiError`. */
export function guest(name: string, token: string | null, api = here): Promise<Guest> {
  return api.guest(name, token ?? undefined);
}
