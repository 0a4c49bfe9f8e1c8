import { describe, expect, test } from 'vitest';

import { ApiError, parseChannel, parseGuest } from './api';

const channel = {
  id: 'demo',
  title: 'The show',
  live: true,
  since: 1_700_000_000_000,
  playlist: '/live/demo/master.m3u8',
  lanes: { room: 'room:demo', chat: 'chat:demo' },
  part_target_ms: 1000,
};

describe('a channel', () => {
  test('is read as the server writes it', () => {
    const { part_target_ms: _unused, ...wanted } = channel;
    expect(parseChannel(channel)).toEqual(wanted);
  });

  test('off air has no beginning', () => {
    expect(parseChannel({ ...channel, live: false, since: null }).since).toBeNull();
  });

  test.each(['id', 'title', 'playlist', 'lanes'])('without %s is an error', (name) => {
    expect(() => parseChannel({ ...channel, [name]: undefined })).toThrow(ApiError);
  });

  test.each([null, 7, 'demo', []])('is not %j', (body) => {
    expect(() => parseChannel(body)).toThrow(ApiError);
  });
});

describe('a guest', () => {
  const guest = { token: 'a.b.c', user: 'g-1', name: 'Otter', expires_at: 1_700_000_000_000 };

  test('is read as the server writes it', () => {
    expect(parseGuest(guest)).toEqual({ token: 'a.b.c', user: 'g-1', name: 'Otter', expiresAt: 1_700_000_000_000 });
  });

  test.each(['token', 'user', 'name', 'expires_at'])('without %s is an error', (name) => {
    expect(() => parseGuest({ ...guest, [name]: undefined })).toThrow(ApiError);
  });

  test('remembered by nobody is an error, and the page asks for a new one', () => {
    expect(() => parseGuest(null)).toThrow(ApiError);
  });
});
