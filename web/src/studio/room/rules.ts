/** What a room asks of writers, and what it holds up, as `GET .../moderation` tells it. Pure. */

import { member } from '../call';

export interface Settings {
  readonly slow_seconds: number;
  readonly members_only: boolean;
  readonly followers_minutes?: number;
  readonly emoji_only: boolean;
  readonly hold: boolean;
  readonly shield: boolean;
}

export interface Pin {
  readonly pin: string;
  readonly text: string;
  readonly by: string;
}

export interface Poll {
  readonly poll: string;
  readonly question: string;
  readonly choices: readonly string[];
  readonly counts: readonly number[];
  readonly until: number | null;
}

export interface Rules {
  readonly settings: Settings;
  readonly pins: readonly Pin[];
  readonly polls: readonly Poll[];
  readonly bans: number;
  readonly mutes: number;
  readonly held: number;
}

export interface Penalty {
  readonly user: string;
  readonly by: string;
  /** Unix ms; null for good. */
  readonly until: number | null;
}

/** Reads an answer. */
export function rulesOf(body: unknown): Rules {
  const settings = member(body, 'settings');
  const minutes = member(settings, 'followers_minutes');
  const flag = (name: string) => member(settings, name) === true;
  return {
    settings: {
      slow_seconds: Number(member(settings, 'slow_seconds') ?? 0),
      members_only: flag('members_only'),
      ...(typeof minutes === 'number' ? { followers_minutes: minutes } : {}),
      emoji_only: flag('emoji_only'),
      hold: flag('hold'),
      shield: flag('shield'),
    },
    pins: list(body, 'pins').map((pin) => ({ pin: text(pin, 'pin'), text: text(pin, 'text'), by: text(member(pin, 'by'), 'name') })),
    polls: list(body, 'polls').map((poll) => ({
      poll: text(poll, 'poll'),
      question: text(poll, 'question'),
      choices: list(poll, 'choices').map(String),
      counts: list(poll, 'counts').map(Number),
      until: optional(poll, 'until'),
    })),
    bans: Number(member(body, 'bans') ?? 0),
    mutes: Number(member(body, 'mutes') ?? 0),
    held: Number(member(body, 'held') ?? 0),
  };
}

/** Reads the penalties of a page. */
export function penaltiesOf(body: unknown): readonly Penalty[] {
  return list(body, 'penalties').map((one) => ({ user: text(one, 'user'), by: text(one, 'by'), until: optional(one, 'until') }));
}

export function list(value: unknown, name: string): readonly unknown[] {
  const found = member(value, name);
  return Array.isArray(found) ? found : [];
}

export function text(value: unknown, name: string): string {
  const found = member(value, name);
  return typeof found === 'string' ? found : '';
}

export function optional(value: unknown, name: string): number | null {
  const found = member(value, name);
  return typeof found === 'number' ? found : null;
}
