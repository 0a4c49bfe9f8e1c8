import fc from 'fast-check';
import { expect, test } from 'vitest';

import { TIMELINE_MAX } from '../src/limits.js';
import type { Entry, Said } from '../src/message.js';
import { type Timeline, type TimelineStep, append, emptyTimeline, move, needsOlder, prepend, remove, startOver, visible } from '../src/timeline.js';

const RUNS = Number(process.env['FANWAVE_PROPERTY_RUNS'] ?? 2_000);

function said(offset: number, at: number): Said {
  return { lane: 'chat', offset, id: `id-${offset}`, user: 'u', name: 'U', role: 'fan', at, text: `text ${offset}` };
}

/** A timeline, and what an app that draws it has on its screen. */
class Screen {
  timeline: Timeline;
  seen: Entry[] = [];

  constructor(kept = 500) {
    this.timeline = emptyTimeline(kept);
  }

  take(step: TimelineStep): TimelineStep {
    this.timeline = step.timeline;
    this.seen = [...this.seen.filter((entry) => !step.hidden.includes(entry)), ...step.shown];
    return step;
  }

  get offsets(): number[] {
    return visible(this.timeline).map(({ offset }) => offset);
  }
}

test('nothing is to be seen before its moment, and everything at it', () => {
  const screen = new Screen();
  screen.take(move(screen.timeline, 1_000));
  for (const [offset, at] of [[1, 900], [2, 1_000], [3, 1_001], [4, 5_000]] as const) screen.take(append(screen.timeline, said(offset, at)));
  expect(screen.offsets).toEqual([1, 2]);
  screen.take(move(screen.timeline, 1_001));
  expect(screen.offsets).toEqual([1, 2, 3]);
});

test('without a player everything is to be seen, and with one only what it has reached', () => {
  const screen = new Screen();
  for (let offset = 1; offset <= 5; offset += 1) screen.take(append(screen.timeline, said(offset, offset * 1_000)));
  expect(screen.offsets).toEqual([1, 2, 3, 4, 5]);
  expect(screen.take(move(screen.timeline, 2_500)).hidden.map(({ offset }) => offset)).toEqual([3, 4, 5]);
  expect(screen.take(move(screen.timeline, null)).shown.map(({ offset }) => offset)).toEqual([3, 4, 5]);
});

test('a seek forward catches up in order, and one back takes back what was not said yet', () => {
  const screen = new Screen();
  screen.take(move(screen.timeline, 0));
  for (let offset = 1; offset <= 100; offset += 1) screen.take(append(screen.timeline, said(offset, offset * 100)));
  expect(screen.take(move(screen.timeline, 9_000)).shown.map(({ offset }) => offset)).toEqual(Array.from({ length: 90 }, (_, at) => at + 1));
  screen.take(move(screen.timeline, 3_000));
  expect(screen.offsets.at(-1)).toBe(30);
});

test('a player that trembles takes nothing back', () => {
  const screen = new Screen();
  screen.take(append(screen.timeline, said(1, 5_000)));
  screen.take(move(screen.timeline, 5_000));
  expect(screen.take(move(screen.timeline, 4_500)).hidden).toEqual([]);
  expect(screen.take(move(screen.timeline, 3_900)).hidden).toHaveLength(1);
});

test('a server clock that steps back does not change the order', () => {
  const screen = new Screen();
  screen.take(move(screen.timeline, 1_500));
  screen.take(append(screen.timeline, said(1, 2_000)));
  screen.take(append(screen.timeline, said(2, 1_000)));
  expect(screen.offsets).toEqual([]);
  screen.take(move(screen.timeline, 2_000));
  expect(screen.offsets).toEqual([1, 2]);
});

test('before what is kept, older ones are wanted, until there are none', () => {
  const screen = new Screen();
  for (let offset = 11; offset <= 20; offset += 1) screen.take(append(screen.timeline, said(offset, offset * 1_000)));
  screen.take(move(screen.timeline, 5_000));
  expect(needsOlder(screen.timeline)).toBe(true);
  screen.take(prepend(screen.timeline, [8, 9, 10].map((offset) => said(offset, offset * 1_000))));
  expect(needsOlder(screen.timeline)).toBe(true);
  screen.take(prepend(screen.timeline, [5, 4, 6, 7, 8].map((offset) => said(offset, offset * 1_000))));
  expect(screen.offsets).toEqual([4, 5]);
  expect(needsOlder(screen.timeline)).toBe(false);
  screen.take(move(screen.timeline, 1_000));
  screen.take(prepend(screen.timeline, []));
  expect(needsOlder(screen.timeline)).toBe(false);
});

test('it is bounded, and says what was too much', () => {
  const screen = new Screen(10);
  screen.take(move(screen.timeline, 0));
  let lost = 0;
  for (let offset = 1; offset <= TIMELINE_MAX + 7; offset += 1) lost += screen.take(append(screen.timeline, said(offset, offset))).lost;
  expect(lost).toBe(7);
  screen.take(move(screen.timeline, 1_000_000));
  expect(screen.offsets).toHaveLength(10);
  expect(screen.timeline.items).toHaveLength(10);
});

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), after: fc.integer({ min: -300, max: 2_000 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('move' as const), to: fc.option(fc.nat(60_000), { freq: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('play' as const), ms: fc.nat(3_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), at: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('older' as const), count: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('startOver' as const) }) },
);

test('however the fan plays and seeks: what is seen is the lane up to the playhead, in order, and no more', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const screen = new Screen();
      // What the lane has, as the model knows it.
      let lane: Said[] = [];
      let [next, oldest, clock] = [1_000, 1_000, 0];
      for (const step of actions) {
        const before = screen.timeline;
        if (step.do === 'append') {
          const entry = said(next, Math.max(0, (clock += step.after)));
          next += 1;
          lane.push(entry);
          screen.take(append(before, entry));
        } else if (step.do === 'move') screen.take(move(before, step.to));
        else if (step.do === 'play') screen.take(move(before, before.playhead === null ? null : before.playhead + step.ms));
        else if (step.do === 'remove') {
          const gone = lane[step.at % Math.max(1, lane.length)];
          lane = lane.filter((entry) => entry !== gone);
          screen.take(remove(before, (entry) => entry === gone));
        } else if (step.do === 'older') {
          const older = Array.from({ length: step.count }, (_, at) => said(oldest - step.count + at, at * 10));
          oldest -= step.count;
          lane = [...older, ...lane];
          screen.take(prepend(before, older));
        } else {
          lane = [];
          screen.take(startOver(before));
        }
        const { playhead } = screen.timeline;
        let due = 0;
        const wanted = lane.filter(({ at }) => {
          due = Math.max(due, at);
          return playhead === null || due <= playhead;
        });
        expect(screen.offsets).toEqual(wanted.map(({ offset }) => offset));
        if (playhead !== null) expect(visible(screen.timeline).every(({ at }) => at <= playhead), 'no spoiler').toBe(true);
        // An app that adds what is shown, and takes away what is hidden, has the same on its screen.
        expect(new Set(screen.seen)).toEqual(new Set(visible(screen.timeline)));
        expect(screen.seen).toHaveLength(wanted.length);
      }
    }),
    { numRuns: RUNS },
  );
});
