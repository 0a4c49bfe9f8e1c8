import { describe, expect, test } from 'vitest';

import { claimsOf, outranks, roleOf, sectionsOf } from './claims';

const encode = (value: object) => {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
};
const token = (claims: object) => `${encode({ alg: 'HS256' })}.${encode(claims)}.c2lnbmF0dXJl`;

describe('claims', () => {
  test('are read out of a token, in any script', () => {
    expect(claimsOf(token({ sub: 'u-1', name: '미나 🎤', role: 'moderator', exp: 1_800_000_000 }))).toEqual({
      user: 'u-1', name: '미나 🎤', role: 'moderator', expiresAt: 1_800_000_000_000,
    });
    expect(claimsOf(` ${token({ sub: 'u-1', exp: 1 })}\n`)?.role).toBe('fan');
  });

  test('are not read out of anything else', () => {
    for (const text of ['', 'a', 'a.b', 'a.b.c', 'a.b.c.d', 'a.!.c', token([]), token({ sub: 1, exp: 1 }), token({ sub: 'u' })]) {
      expect(claimsOf(text), text).toBeNull();
    }
  });
});

test('a role opens pages, and nobody acts upon who stands as high', () => {
  expect(sectionsOf('fan')).toEqual([]);
  expect(sectionsOf('moderator')).toEqual(['chat']);
  expect(sectionsOf('staff')).toContain('servers');
  expect(roleOf('king')).toBe('fan');
  expect(outranks('moderator', 'fan')).toBe(true);
  expect(outranks('moderator', 'moderator')).toBe(false);
  expect(outranks('artist', 'staff')).toBe(false);
});
