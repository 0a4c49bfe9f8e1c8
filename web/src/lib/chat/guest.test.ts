import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { ApiError } from '../api';
import { GuestKeeper } from './guest';

const DAY_MS = 86_400_000;

/** What the API would do: keeps the user of a known token, and refuses an empty name. */
function answer(request: { name: string; token?: string }): Response {
  if (request.name === '') return new Response('{}', { status: 422 });
  const user = request.token?.split('/')[0] ?? 'g-1';
  const body = { token: `${user}/${request.name}`, user, name: request.name, expires_at: Date.now() + DAY_MS };
  return new Response(JSON.stringify(body), { status: 201 });
}

const asked: { name: string; token?: string }[] = [];
const kept = new Map<string, string>();
const seen: { user: string; name: string }[] = [];

function keeper(): GuestKeeper {
  return new GuestKeeper(
    () => 'Otter',
    (who) => seen.push(who),
  );
}

beforeEach(() => {
  asked.length = 0;
  seen.length = 0;
  kept.clear();
  vi.stubGlobal('localStorage', {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
  });
  vi.stubGlobal('fetch', async (_path: string, init: { body: string }) => {
    const request = JSON.parse(init.body) as { name: string; token?: string };
    asked.push(request);
    return answer(request);
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('a new fan', () => {
  test('becomes a guest with a fresh name, once', async () => {
    const guests = keeper();
    expect(await guests.token()).toBe('g-1/Otter');
    expect(await guests.token()).toBe('g-1/Otter');
    expect(asked).toEqual([{ name: 'Otter' }]);
    expect(seen).toEqual([{ user: 'g-1', name: 'Otter' }]);
  });

  test('without storage is a guest all the same', async () => {
    vi.stubGlobal('localStorage', undefined);
    expect(await keeper().token()).toBe('g-1/Otter');
  });
});

describe('a fan who was here before', () => {
  beforeEach(async () => {
    await keeper().token();
    asked.length = 0;
    seen.length = 0;
  });

  test('is recognised without asking', async () => {
    const guests = keeper();
    expect(seen).toEqual([{ user: 'g-1', name: 'Otter' }]);
    expect(await guests.token()).toBe('g-1/Otter');
    expect(asked).toEqual([]);
  });

  test('renews a token that is about to expire, under the same identity', async () => {
    const guest = JSON.parse(kept.get('fanwave.guest') ?? '{}') as Record<string, unknown>;
    kept.set('fanwave.guest', JSON.stringify({ ...guest, expires_at: Date.now() + 1_000 }));
    await keeper().token();
    expect(asked).toEqual([{ name: 'Otter', token: 'g-1/Otter' }]);
  });

  test('keeps the identity under a new name', async () => {
    expect(await keeper().rename('Whale')).toBe('g-1/Whale');
    expect(seen.at(-1)).toEqual({ user: 'g-1', name: 'Whale' });
    expect(await keeper().token()).toBe('g-1/Whale');
  });

  test('hears that a name was refused, and keeps the old one', async () => {
    await expect(keeper().rename('')).rejects.toMatchObject({ status: 422 });
    expect(await keeper().token()).toBe('g-1/Otter');
  });

  test('whose name is no longer allowed gets a fresh one', async () => {
    const guest = JSON.parse(kept.get('fanwave.guest') ?? '{}') as Record<string, unknown>;
    kept.set('fanwave.guest', JSON.stringify({ ...guest, name: '', expires_at: 0 }));
    await keeper().token();
    expect(seen.at(-1)?.name).toBe('Otter');
  });
});

test('when no server answers, the caller is told', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')));
  await expect(keeper().token()).rejects.toBeInstanceOf(ApiError);
});

test('what is remembered in a broken form is ignored', async () => {
  kept.set('fanwave.guest', '{"token":7');
  expect(await keeper().token()).toBe('g-1/Otter');
});
