import { expect, test } from 'vitest';

import { Api, ApiError, parseChannel, parseGuest } from '../src/api.js';
import { skewMs } from '../src/clock.js';

const channel = { id: 'demo', title: 'Demo', live: true, since: 5, playlist: '/live/demo/master.m3u8', lanes: { room: 'room:demo', chat: 'chat:demo' }, emotes: 0, part_target_ms: 500 };

function answering(status: number, body: string, headers: Record<string, string> = {}): Api {
  return new Api('https://fans.example', { fetch: async () => new Response(body, { status, headers }) });
}

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ApiError) return error;
  }
  throw new Error('it did not fail as an ApiError');
}

test('a channel and a guest are read, and nothing else is taken for one', () => {
  expect(parseChannel(channel)).toEqual(channel);
  expect(parseChannel({ ...channel, since: undefined, more: 1 }).since).toBeNull();
  for (const wrong of [null, {}, { ...channel, id: 5 }, { ...channel, lanes: {} }, { ...channel, since: 'yesterday' }]) {
    expect(() => parseChannel(wrong)).toThrow(ApiError);
  }
  const guest = { token: 't', user: 'u', name: 'Mina', expires_at: 7 };
  expect(parseGuest(guest)).toEqual(guest);
  expect(() => parseGuest({ ...guest, expires_at: null })).toThrow(ApiError);
});

test('a log-in page of the network is no answer of the server', async () => {
  const error = await failure(answering(200, '<!doctype html><title>Free Wi-Fi</title>').channel('demo'));
  expect([error.status, error.code, error.isTemporary]).toEqual([null, 'not_the_server', true]);
});

test('a problem is told by its code, and whether it passes', async () => {
  const problem = JSON.stringify({ type: 'about:blank', title: 'No', status: 404, code: 'unknown_channel', detail: 'no such channel' });
  const error = await failure(answering(404, problem).channel('nope'));
  expect([error.status, error.code, error.message, error.isTemporary]).toEqual([404, 'unknown_channel', 'no such channel', false]);
  expect((await failure(answering(503, 'busy').channel('demo'))).isTemporary).toBe(true);
  const gone = new Api('https://fans.example', { fetch: () => Promise.reject(new TypeError('no network')) });
  expect(await failure(gone.channels())).toMatchObject({ status: null, code: 'no_answer', isTemporary: true });
});

test('a page of the history leads to the next', async () => {
  const message = { offset: 3, id: 'm', user: 'u', name: 'U', role: 'fan', at: 1, text: 'hi' };
  const api = answering(200, JSON.stringify({ channel: 'chat:demo', epoch: 'e', head: 3, messages: [message, { odd: true }], next_before: 3 }));
  expect(await api.history('demo', 'chat')).toEqual({ epoch: 'e', next: 3, entries: [{ lane: 'chat', ...message }] });
});

test('a clock that is off by more than its rounding is found', () => {
  expect(skewMs(null, 0, 0)).toBe(0);
  expect(skewMs(10_000, 10_000, 10_200)).toBe(0);
  expect(skewMs(70_000, 10_000, 10_000)).toBe(60_500);
});
