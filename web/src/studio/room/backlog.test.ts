import type { Entry, LaneName, RoomEvent } from '@fanwave/client';
import { describe, expect, test } from 'vitest';

import { LINES_HELD_MAX, LINES_MAX } from '../limits';
import { type Backlog, type BacklogInput, emptyBacklog, reduce, shown } from './backlog';
import { toldBy } from './told';

const placed = { id: 'x', name: 'Mina', role: 'fan', user: 'u-1' } as const;
const tells = (entry: Entry): BacklogInput => ({ kind: 'told', told: toldBy(entry) });
const said = (offset: number, lane: 'chat' | 'room' = 'chat', user = 'u-1') => tells({ ...placed, lane, offset, user, text: `t${offset}`, at: offset * 10 });
const event = (lane: LaneName, offset: number, event: RoomEvent) => tells({ ...placed, lane, offset, at: 1, event });
const held = (offset: number) =>
  event('staff', offset, { type: 'held', reason: 'word', message: { id: 'h', user: 'u', name: 'U', text: `held ${offset}`, role: 'fan' } });
const reported = (offset: number, by: string, reason: 'spam' | 'abuse' = 'spam') =>
  tells({ ...placed, lane: 'staff', offset: 1, user: by, at: 5, event: { type: 'reported', offset, reason } });
const after = (...inputs: BacklogInput[]): Backlog => inputs.reduce(reduce, emptyBacklog);
const texts = (backlog: Backlog) => shown(backlog).map(({ text }) => text);

/** A small generator with a seed, so that a failure can be played again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('lines', () => {
  test('stand once and in order, whatever order they come in', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const draw = random(seed);
      const inputs = Array.from({ length: 60 }, () => said(1 + Math.floor(draw() * 30), draw() < 0.8 ? 'chat' : 'room'));
      const { lines } = after(...inputs);
      expect(new Set(lines.map(({ key }) => key)).size).toBe(lines.length);
      for (const lane of ['chat', 'room']) {
        const offsets = lines.filter((line) => line.lane === lane).map(({ offset }) => offset);
        expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
      }
    }
  });

  test('are no more than their maximum, and the oldest go', () => {
    const backlog = after(...Array.from({ length: LINES_MAX + 5 }, (_, at) => said(at + 1)));
    expect(backlog.lines).toHaveLength(LINES_MAX);
    expect(backlog.lines[0]?.offset).toBe(6);
  });

  test('that are deleted or cleared lose their text and keep their place', () => {
    const backlog = after(said(1), said(2), said(3, 'chat', 'u-2'), said(4),
      event('room', 1, { type: 'deleted', offset: 2 }), event('room', 2, { type: 'cleared', user: 'u-1', through: 3 }));
    expect(shown(backlog).map(({ gone }) => gone)).toEqual([true, true, false, false]);
    expect(texts(backlog)).toEqual(['', '', 't3', 't4']);
  });

  test('stay while somebody points at them, and what comes is counted', () => {
    let backlog = after(said(1), said(2), { kind: 'stilled' }, ...Array.from({ length: LINES_HELD_MAX }, (_, at) => said(at + 3)));
    expect(texts(backlog)).toEqual(['t1', 't2']);
    expect(backlog.still?.missed).toBe(LINES_HELD_MAX);
    backlog = reduce(backlog, event('room', 1, { type: 'deleted', offset: 1 }));
    expect(texts(backlog)).toEqual(['', 't2']);
    expect(shown(reduce(backlog, { kind: 'released' }))).toHaveLength(LINES_MAX);
  });

  test('of another log are let go of', () => {
    const backlog = after(said(1), said(1, 'room'), held(1), { kind: 'told', told: { kind: 'reset', lane: 'chat' } });
    expect(backlog.lines.map(({ lane }) => lane)).toEqual(['room']);
    expect(reduce(backlog, { kind: 'told', told: { kind: 'reset', lane: 'staff' } }).held).toEqual([]);
  });
});

describe('what waits for review', () => {
  test('is what was held and not reviewed, in any order', () => {
    const reviewed = (of: number, offset: number) => event('staff', offset, { type: 'reviewed', held: of, approved: true });
    expect(after(reviewed(1, 3), held(2), held(1), held(2)).held.map((one) => one.held)).toEqual([2]);
    expect(after(held(1), held(2), reviewed(1, 3), held(1)).held.map((one) => one.held)).toEqual([2]);
  });
});

describe('what was reported', () => {
  const counts = ({ reported: all }: Backlog) => all.map(({ offset, by, reasons }) => [offset, by.length, Object.fromEntries(reasons)]);

  test('is counted by message, one of each fan', () => {
    const backlog = after(reported(7, 'a'), reported(9, 'a'), reported(7, 'b', 'abuse'), reported(7, 'a', 'abuse'));
    expect(counts(backlog)).toEqual([[7, 2, { spam: 1, abuse: 1 }], [9, 1, { spam: 1 }]]);
  });

  test('is done with when a moderator has dismissed it or the message is deleted, in whatever order that is told', () => {
    const dismissed = event('staff', 2, { type: 'reports_dismissed', offset: 7 });
    const deleted = event('room', 2, { type: 'deleted', offset: 9 });
    for (const inputs of [[reported(7, 'a'), reported(9, 'a'), dismissed, deleted], [dismissed, deleted, reported(7, 'a'), reported(9, 'b')]]) {
      expect(after(...inputs).reported).toEqual([]);
    }
  });
});
