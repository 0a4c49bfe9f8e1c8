import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { RecordedEntry } from '../src/api.js';
import { REPLAY_AHEAD_MS, REPLAY_MAX } from '../src/limits.js';
import { type Replay, type ReplayInput, type ReplayStep, emptyReplay, replayed, stepReplay } from '../src/replay.js';

const RUNS = Number(process.env['FANWAVE_PROPERTY_RUNS'] ?? 2_000);

function said(offset: number, media_ms: number): RecordedEntry {
  return { lane: 'chat', offset, id: `id-${offset}`, user: 'u', name: 'U', role: 'fan', at: 1, text: `text ${offset}`, media_ms };
}

/** A server with the chat of a recording, and an app that goes through it. */
class Cinema {
  replay: Replay = emptyReplay;
  seen: RecordedEntry[] = [];
  asked: NonNullable<ReplayStep['fetch']>[] = [];

  constructor(
    readonly chat: readonly RecordedEntry[],
    readonly page: number,
  ) {}

  take(input: ReplayInput): void {
    const { replay, shown, hidden, fetch } = stepReplay(this.replay, input);
    this.replay = replay;
    if (fetch !== null) this.asked.push(fetch);
    this.seen = [...this.seen.filter((entry) => !hidden.includes(entry)), ...shown];
  }

  seek(position: number): void {
    this.take({ kind: 'moved', position });
  }

  answer(at: number): void {
    const fetch = this.asked.splice(at % Math.max(1, this.asked.length), 1)[0];
    if (fetch === undefined) return;
    const rest = this.chat.filter((entry) => ('after' in fetch ? entry.offset > fetch.after : entry.media_ms >= fetch.from_ms));
    const entries = rest.slice(0, this.page);
    this.take({ kind: 'page', ticket: fetch.ticket, entries, next: rest.length > this.page ? (entries.at(-1)?.offset ?? null) : null });
  }

  fail(at: number): void {
    const fetch = this.asked.splice(at % Math.max(1, this.asked.length), 1)[0];
    if (fetch !== undefined) this.take({ kind: 'failed', ticket: fetch.ticket });
  }

  settle(): void {
    this.seek(this.replay.position);
    for (let turns = 0; this.asked.length > 0 && turns < 1_000; turns += 1) this.answer(0);
  }
}

test('the chat is there before the player is, and not to be seen before its time', () => {
  const cinema = new Cinema(Array.from({ length: 100 }, (_, at) => said(at + 1, at * 1_000)), 20);
  cinema.seek(0);
  cinema.settle();
  expect(replayed(cinema.replay).map(({ offset }) => offset)).toEqual([1]);
  expect(cinema.replay.through).toBeGreaterThanOrEqual(REPLAY_AHEAD_MS);
  cinema.seek(5_500);
  expect(cinema.seen.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a seek loads what was said around there, and a late answer to the place before is nothing', () => {
  const cinema = new Cinema(Array.from({ length: 4_000 }, (_, at) => said(at + 1, at * 1_000)), 50);
  cinema.seek(0);
  cinema.seek(3_000_000);
  cinema.answer(0);
  expect(cinema.seen).toEqual([]);
  cinema.settle();
  expect(cinema.seen.at(-1)?.media_ms).toBe(3_000_000);
  expect(cinema.seen[0]?.media_ms).toBe(2_940_000);
});

test('it is bounded', () => {
  const cinema = new Cinema(Array.from({ length: 10_000 }, (_, at) => said(at + 1, at * 10)), 200);
  for (let position = 0; position <= 100_000; position += 1_000) {
    cinema.seek(position);
    cinema.settle();
    expect(cinema.replay.items.length).toBeLessThanOrEqual(REPLAY_MAX);
  }
  expect(cinema.seen.at(-1)?.media_ms).toBe(99_990);
});

const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('play' as const), ms: fc.nat(20_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('seek' as const), to: fc.nat(400_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), at: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), at: fc.nat(3) }) },
);

test('however the fan plays and seeks: nothing too early, nothing twice, and in the end nothing is missing', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(8_000), { maxLength: 60 }), fc.integer({ min: 1, max: 9 }), fc.array(action, { maxLength: 60 }), (waits, page, actions) => {
      let at = 0;
      const chat = waits.map((wait, index) => said(index + 1, (at += wait)));
      const cinema = new Cinema(chat, page);
      cinema.seek(0);
      for (const step of actions) {
        if (step.do === 'play') cinema.seek(cinema.replay.position + step.ms);
        else if (step.do === 'seek') cinema.seek(step.to);
        else if (step.do === 'answer') cinema.answer(step.at);
        else cinema.fail(step.at);
        const { position } = cinema.replay;
        const offsets = cinema.seen.map(({ offset }) => offset);
        expect(cinema.seen.every(({ media_ms }) => media_ms <= position), 'no spoiler').toBe(true);
        expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
        expect(cinema.seen).toEqual(replayed(cinema.replay));
      }
      cinema.settle();
      const { position, from } = cinema.replay;
      expect(cinema.seen).toEqual(chat.filter(({ media_ms }) => media_ms >= (from ?? 0) && media_ms <= position));
    }),
    { numRuns: RUNS },
  );
});
