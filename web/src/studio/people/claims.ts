/**
 * Who somebody is by their token, and what the studio shows them for it. Pure.
 *
 * The page believes the token only to decide what is drawn; the server checks it at every call.
 */

import type { Section } from '../route';

export const ROLES = ['fan', 'member', 'moderator', 'artist', 'staff'] as const;

export type Role = (typeof ROLES)[number];

/** Who holds a token. */
export interface Claims {
  readonly user: string;
  readonly name: string;
  readonly role: Role;
  /** End of the token's life, Unix ms. */
  readonly expiresAt: number;
}

/** Reads a token (a JWT); null when it is none. Its signature is the server's to check. */
export function claimsOf(token: string): Claims | null {
  const [, payload, ...rest] = token.trim().split('.');
  if (payload === undefined || rest.length !== 1) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    const said = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const { sub, name, role, exp } = said;
    if (typeof sub !== 'string' || typeof exp !== 'number') return null;
    return { user: sub, name: typeof name === 'string' ? name : sub, role: roleOf(role), expiresAt: exp * 1000 };
  } catch {
    return null;
  }
}

/** A role by its name; without one that is known, somebody is a fan. */
export function roleOf(name: unknown): Role {
  return ROLES.find((role) => role === name) ?? 'fan';
}

/** Which pages a role opens. */
export function sectionsOf(role: Role): readonly Section[] {
  if (role === 'staff') return ['chat', 'show', 'servers'];
  return role === 'moderator' || role === 'artist' ? ['chat'] : [];
}

/** Whether one role may act upon another: only who stands higher may. */
export function outranks(role: Role, other: Role): boolean {
  return ROLES.indexOf(role) > ROLES.indexOf(other);
}
