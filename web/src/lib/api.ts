/** The server's HTTP API, as far as the page uses it: through the SDK, which parses what arrives and times what does not. */

import { Api, type Channel, type Guest, skewMs, systemEnvironment } from '@fanwave/client';

import { earlyFetch } from './early';
import { regions } from './region';

export { type Api, ApiError, type Channel, type Guest, parseGuest } from '@fanwave/client';

/** A channel together with what its answer says about our clock. */
export interface ChannelAnswer {
  readonly channel: Channel;
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
  const { channel: answer, date } = await api.dated(id);
  return { channel: answer, skewMs: skewMs(date, askedAt, Date.now()) };
}

/** Becomes a guest, or renews and renames the guest whose token is given. Throws `ApiError`. */
export function guest(name: string, token: string | null, api = here): Promise<Guest> {
  return api.guest(name, token ?? undefined);
}
