import type { Entry, Happened, Outgoing, Said } from '@fanwave/client';
import { describe, expect, test } from 'vitest';

import { MESSAGES_DRAWN_FIRST, MESSAGES_DRAWN_STEP, MESSAGES_DRAWN_STEP_MAX, MESSAGES_FOLLOWED_MAX, MESSAGES_SHOWN_MAX } from '../limits';
import { hides, nothingHidden, withoutUser } from './hide';
import { type ChatInput, type ChatList, type Present, type Row, emptyList, missed, paced, reduce, rows, stageMessage } from './list';

const ME = 'me';
const START = 1_000;

function said(offset: number, extra: Partial<Said> = {}): Said {
  return {
    lane: 'chat',
    offset,
    id: `id-${offset}`,
    user: 'someone',
    name: 'Someone',
    role: 'fan',
    text: `text ${offset}`,
    at: START + offset * 10,
    ...extra,
  };
}

const mine = (id: string, extra: Partial<Outgoing> = {}): Outgoing => ({ id, lane: 'chat', text: `mine ${id}`, at: START, state: 'pending', ...extra });
const sent = (id: string, offset: number): Outgoing => mine(id, { state: 'sent', place: { offset, epoch: 'e1', at: START + offset * 10 } });

function present(chat: readonly Entry[], outgoing: readonly Outgoing[] = [], extra: Partial<Present> = {}): ChatInput {
  return { kind: 'present', present: { me: ME, name: 'Me', chat, room: [], outgoing, isHidden: () => false, ...extra } };
}

function run(...inputs: ChatInput[]): ChatList {
  return inputs.reduce(reduce, emptyList);
}

function offsets(list: ChatList): (number | null)[] {
  return rows(list).map((row) => row.offset);
}

describe('own messages', () => {
  test('are shown at once, as pending', () => {
    expect(rows(run(present([], [mine('a')])))[0]).toMatchObject({ id: 'a', state: 'pending', offset: null, own: true, text: 'mine a', name: 'Me' });
  });

  test('keep their key from pending to sent to read', () => {
    const keys = [present([], [mine('a')]), present([], [sent('a', 7)]), present([said(7, { id: 'a', user: ME })])].map((input) => rows(run(input))[0]?.key);
    expect(new Set(keys).size).toBe(1);
  });

  test('are there once while both the acknowledgement and the entry are', () => {
    const list = run(present([said(7, { id: 'a', user: ME })], [sent('a', 7)]));
    expect(rows(list)).toHaveLength(1);
    expect(rows(list)[0]).toMatchObject({ id: 'a', state: 'sent', offset: 7, own: true });
  });

  test('are not taken for those of a stranger who uses the same id', () => {
    const list = run(present([said(7, { id: 'a', user: 'stranger' })], [mine('a')]));
    expect(rows(list).map((row) => row.state)).toEqual(['sent', 'pending']);
    expect(new Set(rows(list).map((row) => row.key)).size).toBe(2);
  });

  test.each([
    ['too-fast', 'slow-down'],
    ['not-allowed', 'refused'],
    ['unavailable', 'unavailable'],
    ['offline', 'offline'],
  ] as const)('that were given up say why: %s', (refusal, failed) => {
    expect(rows(run(present([], [mine('a', { state: 'refused', refusal })])))[0]).toMatchObject({ state: 'failed', failed });
    expect(rows(run(present([], [mine('a', { state: 'unknown', refusal })])))[0]).toMatchObject({ state: 'failed', failed });
  });

  test('wait while nobody knows, and while a moderator decides', () => {
    const list = run(present([], [mine('a', { state: 'unknown' }), mine('b', { state: 'held' })]));
    expect(rows(list).map((row) => row.state)).toEqual(['pending', 'pending']);
  });

  test('stand last, in the order they were written, while others talk', () => {
    expect(rows(run(present([said(1), said(2)], [mine('a'), mine('b')]))).map((row) => row.id)).toEqual(['id-1', 'id-2', 'a', 'b']);
  });

  test('take their place by offset once confirmed', () => {
    expect(offsets(run(present([said(1), said(3)], [sent('a', 2), mine('b')])))).toEqual([1, 2, 3, null]);
  });
});

describe('two lanes', () => {
  test('are merged by time', () => {
    const list = run(present([said(1, { at: 10 }), said(2, { at: 30 })], [], { room: [said(1, { lane: 'room', at: 20 })] }));
    expect(rows(list).map((row) => [row.lane, row.offset])).toEqual([
      ['chat', 1],
      ['room', 1],
      ['chat', 2],
    ]);
    expect(new Set(rows(list).map((row) => row.key)).size).toBe(3);
  });

  test('keep their offset order even when the clock stepped back', () => {
    const list = run(present([said(1, { at: 50 }), said(2, { at: 10 })], [], { room: [said(1, { lane: 'room', at: 30 })] }));
    expect(rows(list).filter((row) => row.lane === 'chat').map((row) => row.offset)).toEqual([1, 2]);
  });

  test('the newest that was said in the artist’s lane is the one on stage', () => {
    const happened: Happened = { lane: 'room', offset: 3, id: 'x', user: 'u', name: 'U', role: 'staff', at: 1, event: { type: 'unpinned', pin: 'p' } };
    const room = [said(1, { lane: 'room', role: 'artist' }), said(2, { lane: 'room', text: 'hello' }), happened];
    const list = run(present([], [], { room }));
    expect(stageMessage(list)?.text).toBe('hello');
    expect(rows(list)).toHaveLength(2);
  });
});

describe('drawing', () => {
  test('never more than the maximum, and the newest', () => {
    const list = run(present(Array.from({ length: MESSAGES_SHOWN_MAX * 3 }, (_, n) => said(n + 1)), [mine('a')]));
    expect(rows(list)).toHaveLength(MESSAGES_FOLLOWED_MAX);
    expect(rows(list).at(-1)?.id).toBe('a');
    const further = rows(reduce(list, { kind: 'held' }));
    expect(further).toHaveLength(MESSAGES_SHOWN_MAX);
    expect(further.slice(-MESSAGES_FOLLOWED_MAX)).toEqual(rows(list));
  });

  test('a message that did not change is the same row, so that its element is left alone', () => {
    const [one, two] = [said(1), said(2)];
    const before = rows(run(present([one, two])));
    const after = rows(run(present([one, two, said(3)])));
    expect(after.slice(0, 2).every((row, at) => row === before[at])).toBe(true);
  });

  /** All drawings until everything is there: how many lines each of them adds. */
  function drawings(drawn: readonly Row[], next: readonly Row[], seen: (drawn: readonly Row[]) => void = () => undefined): number[] {
    const added: number[] = [];
    while (drawn !== next) {
      const before = new Set(drawn.map(({ key }) => key));
      drawn = paced(drawn, next);
      added.push(drawn.filter(({ key }) => !before.has(key)).length);
      expect(added.length).toBeLessThan(100);
      seen(drawn);
    }
    return added;
  }

  test('a burst flows in, a few lines at a time, in order, and own ones at once', () => {
    const entries = Array.from({ length: 12 }, (_, n) => said(n + 1));
    const next = rows(run(present(entries, [mine('a')])));
    let last = 0;
    const added = drawings(rows(run(present(entries.slice(0, 3)))), next, (drawn) => {
      expect(drawn.at(-1)?.id).toBe('a');
      expect(drawn.slice(0, -1).map((row) => row.offset)).toEqual(Array.from({ length: drawn.length - 1 }, (_, n) => n + 1));
      expect(drawn.length).toBeGreaterThan(last);
      last = drawn.length;
    });
    const others = added.map((lines, at) => (at === 0 ? lines - 1 : lines));
    expect(others.every((lines) => lines > 0 && lines <= MESSAGES_DRAWN_STEP_MAX)).toBe(true);
    expect(others.reduce((sum, lines) => sum + lines)).toBe(9);
    expect(others.at(-1)).toBeLessThanOrEqual(MESSAGES_DRAWN_STEP);
  });

  test('what is far behind catches up with larger steps, and none is too large', () => {
    const entries = Array.from({ length: MESSAGES_FOLLOWED_MAX }, (_, n) => said(n + 1));
    const added = drawings(rows(run(present(entries.slice(0, 1)))), rows(run(present(entries))));
    expect(Math.max(...added)).toBe(MESSAGES_DRAWN_STEP_MAX);
    expect(added[0]).toBe(MESSAGES_DRAWN_STEP_MAX);
    expect(added.reduce((sum, one) => sum + one)).toBe(MESSAGES_FOLLOWED_MAX - 1);
  });

  test('what is all new is drawn from the newest on', () => {
    const next = rows(run(present(Array.from({ length: 30 }, (_, n) => said(n + 1)))));
    for (const drawn of [[], rows(run(present([said(99)])))]) {
      expect(paced(drawn, next).map((row) => row.offset)).toEqual(Array.from({ length: MESSAGES_DRAWN_FIRST }, (_, n) => 31 - MESSAGES_DRAWN_FIRST + n));
      const added = drawings(drawn, next, (drawn) => expect(drawn).toEqual(next.slice(-drawn.length)));
      expect(added[0]).toBe(MESSAGES_DRAWN_FIRST);
      expect(Math.max(...added.slice(1))).toBeLessThanOrEqual(MESSAGES_DRAWN_STEP_MAX);
    }
    expect(paced([], next.slice(0, MESSAGES_DRAWN_FIRST))).toHaveLength(MESSAGES_DRAWN_FIRST);
  });

  test('a message becomes our own when we learn who we are', () => {
    const late = said(1, { user: 'late' });
    expect(rows(run(present([late], [], { me: null })))[0]?.own).toBe(false);
    expect(rows(run(present([late], [], { me: 'late' })))[0]?.own).toBe(true);
  });
});

describe('reading further up', () => {
  const [one, two, three] = [said(1), said(2), said(3)];
  const reading = [present([one, two]), { kind: 'held' }] as const;

  test('holds the rows still and counts what comes', () => {
    const list = run(...reading, present([one, two, three]), { kind: 'arrived' });
    expect(offsets(list)).toEqual([1, 2]);
    expect(missed(list)).toBe(1);
    expect(missed(run({ kind: 'arrived' }))).toBe(0);
  });

  test('ends with everything in place', () => {
    const list = run(...reading, present([one, two, three]), { kind: 'arrived' }, { kind: 'released' });
    expect(offsets(list)).toEqual([1, 2, 3]);
    expect(missed(list)).toBe(0);
  });

  test('shows the fate of an own message that was pending', () => {
    const list = run(present([], [mine('a')]), { kind: 'held' }, present([one], [mine('a', { state: 'refused', refusal: 'offline' })]));
    expect(rows(list).map((row) => row.state)).toEqual(['failed']);
  });

  test('what is taken away goes at once, also from what is being read', () => {
    const list = run(...reading, present([one]), { kind: 'hidden', entries: [two] });
    expect(offsets(list)).toEqual([1]);
    expect(offsets(run(...reading, present([]), { kind: 'reset', lane: 'chat' }))).toEqual([]);
    expect(offsets(run(...reading, { kind: 'reset', lane: 'room' }))).toEqual([1, 2]);
  });
});

describe('answers and mentions', () => {
  const asked = said(1, { name: 'Ana', text: 'who sings?' });
  const answer = said(2, { reply_to: { offset: 1, user: 'someone' } });

  test('an answer has the message that it answers, as long as that is there', () => {
    expect(rows(run(present([asked, answer])))[1]?.quote).toEqual({ offset: 1, name: 'Ana', text: 'who sings?' });
    expect(rows(run(present([answer])))[0]?.quote).toBeNull();
    expect(rows(run(present([said(3), answer])))[1]?.quote).toBeNull();
  });

  test('what is deleted is not quoted any more, also where it is being read', () => {
    expect(rows(run(present([asked, answer]), present([answer])))[0]?.quote).toBeNull();
    const far = Array.from({ length: MESSAGES_SHOWN_MAX * 2 }, (_, n) => said(n + 3));
    const list = run(present([asked, answer]), { kind: 'held' }, present(far), { kind: 'hidden', entries: [asked] });
    expect(rows(list)[0]).toMatchObject({ offset: 2, quote: null });
  });

  test('own messages that wait have theirs, too', () => {
    expect(rows(run(present([asked], [mine('a', { reply_to: { offset: 1, user: 'someone' } })])))[1]?.quote?.name).toBe('Ana');
  });

  test('are for the fan whom they answer or name, and for nobody else', () => {
    const of = (entry: Said) => rows(run(present([entry])))[0]?.forMe;
    expect(of(said(1, { reply_to: { offset: 9, user: ME } }))).toBe(true);
    expect(of(said(2, { text: 'hi @me!' }))).toBe(true);
    expect(of(said(3, { text: 'hi @menace' }))).toBe(false);
    expect(of(said(4, { text: 'hi @me', user: ME }))).toBe(false);
  });

  test('a fan with a new name is named by the new one', () => {
    const entry = said(1, { text: 'hi @Star' });
    expect(rows(run(present([entry])))[0]?.forMe).toBe(false);
    expect(rows(run(present([entry], [], { name: 'star' })))[0]?.forMe).toBe(true);
  });
});

test('what a fan has hidden is not there, nor quoted, nor in what is being read', () => {
  const isHidden = hides(withoutUser(nothingHidden, 'troll'));
  const [bait, bite] = [said(1, { user: 'troll' }), said(2, { reply_to: { offset: 1, user: 'troll' } })];
  const list = run(present([bait, bite], [], { isHidden }));
  expect(rows(list).map(({ offset, quote }) => [offset, quote])).toEqual([[2, null]]);
  const reading = run(present([bait, bite]), { kind: 'held' }, present([bait, bite], [], { isHidden }));
  expect(offsets(reading)).toEqual([2]);
  const staged = said(1, { lane: 'room', user: 'troll', role: 'staff' });
  expect(rows(run(present([], [], { room: [staged], isHidden })))).toHaveLength(1);
});
