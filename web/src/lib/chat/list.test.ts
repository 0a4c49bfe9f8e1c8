import { describe, expect, test } from 'vitest';

import { MESSAGES_SHOWN_MAX, OUTBOX_MAX } from '../limits';
import { type ChatInput, type ChatList, emptyList, missed, reduce, rows, stageMessage } from './list';
import type { Lane, Published } from './message';

const ME = 'me';
const START = 1_000;

function message(offset: number, extra: Partial<Published> = {}): Published {
  return {
    lane: 'chat',
    offset,
    id: `id-${offset}`,
    user: 'someone',
    name: 'Someone',
    role: 'fan',
    badge: null,
    text: `text ${offset}`,
    at: START + offset * 10,
    ...extra,
  };
}

const published = (offset: number, extra: Partial<Published> = {}): ChatInput => ({
  kind: 'published',
  message: message(offset, extra),
});
const submitted = (id: string): ChatInput => ({ kind: 'submitted', id, text: `mine ${id}`, name: 'Me', at: START });
const acknowledged = (id: string, offset: number, epoch = 'e1'): ChatInput => ({
  kind: 'acknowledged',
  id,
  offset,
  epoch,
  at: START + offset * 10,
});
const history = (offsets: number[], epoch = 'e1', lane: Lane = 'chat'): ChatInput => ({
  kind: 'history',
  lane,
  epoch,
  messages: offsets.map((offset) => message(offset, { lane })),
});
const positioned = (epoch: string): ChatInput => ({ kind: 'positioned', lane: 'chat', epoch });

const start = reduce(reduce(emptyList, { kind: 'identified', user: ME }), positioned('e1'));

function run(...inputs: ChatInput[]): ChatList {
  return inputs.reduce(reduce, start);
}

function offsets(list: ChatList): (number | null)[] {
  return rows(list).map((row) => row.offset);
}

/** A small deterministic generator: the same seed shuffles the same way on every machine. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return items
    .map((item) => ({ item, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}

describe('own messages', () => {
  test('are shown at once, as pending', () => {
    const [row] = rows(run(submitted('a')));
    expect(row).toMatchObject({ id: 'a', state: 'pending', offset: null, own: true, text: 'mine a' });
  });

  test('are confirmed by the acknowledgement, and the later publication adds nothing', () => {
    const list = run(submitted('a'), acknowledged('a', 7), published(7, { id: 'a', user: ME, text: 'mine a' }));
    expect(rows(list)).toHaveLength(1);
    expect(rows(list)[0]).toMatchObject({ id: 'a', state: 'sent', offset: 7, own: true });
  });

  test('are confirmed by the publication, and the later acknowledgement adds nothing', () => {
    const list = run(submitted('a'), published(7, { id: 'a', user: ME, text: 'mine a' }), acknowledged('a', 7));
    expect(rows(list)).toHaveLength(1);
    expect(rows(list)[0]).toMatchObject({ id: 'a', state: 'sent', offset: 7, own: true });
  });

  test('keep their key from pending to sent', () => {
    const pending = run(submitted('a'));
    const sent = reduce(pending, acknowledged('a', 7));
    expect(rows(sent)[0]?.key).toBe(rows(pending)[0]?.key);
  });

  test('are not confirmed by a stranger who uses the same id', () => {
    const list = run(submitted('a'), published(7, { id: 'a', user: 'stranger' }));
    expect(rows(list).map((row) => row.state)).toEqual(['sent', 'pending']);
    expect(new Set(rows(list).map((row) => row.key)).size).toBe(2);
  });

  test('fail visibly, and a retry keeps the id', () => {
    const failed = run(submitted('a'), { kind: 'failed', id: 'a', reason: 'slow-down' });
    expect(rows(failed)[0]).toMatchObject({ state: 'failed', failed: 'slow-down' });
    const retried = reduce(failed, { kind: 'retried', id: 'a' });
    expect(rows(retried)[0]).toMatchObject({ id: 'a', state: 'pending', failed: null });
  });

  test('that failed are confirmed when their publication comes after all', () => {
    const list = run(submitted('a'), { kind: 'failed', id: 'a', reason: 'offline' }, published(3, { id: 'a', user: ME }));
    expect(rows(list).map((row) => row.state)).toEqual(['sent']);
  });

  test('that were confirmed do not fail afterwards', () => {
    const list = run(submitted('a'), acknowledged('a', 1), { kind: 'failed', id: 'a', reason: 'offline' });
    expect(rows(list).map((row) => row.state)).toEqual(['sent']);
  });

  test('can be dismissed', () => {
    const list = run(submitted('a'), { kind: 'failed', id: 'a', reason: 'refused' }, { kind: 'dismissed', id: 'a' });
    expect(rows(list)).toEqual([]);
  });

  test('stand last, in the order they were written, while others talk', () => {
    const list = run(submitted('a'), published(1), submitted('b'), published(2));
    expect(rows(list).map((row) => row.id)).toEqual(['id-1', 'id-2', 'a', 'b']);
  });

  test('take their place by offset once confirmed', () => {
    const list = run(published(1), submitted('a'), published(3), acknowledged('a', 2));
    expect(offsets(list)).toEqual([1, 2, 3]);
  });

  test('wait in a bounded outbox', () => {
    const ids = Array.from({ length: OUTBOX_MAX + 5 }, (_, n) => submitted(`m${n}`));
    expect(run(...ids).outbox).toHaveLength(OUTBOX_MAX);
  });
});

describe('duplicates and order', () => {
  test('the same offset is shown once', () => {
    expect(offsets(run(published(1), published(2), published(1), published(2)))).toEqual([1, 2]);
  });

  test('the same sender and id is shown once, under its first offset', () => {
    expect(offsets(run(published(1, { id: 'x' }), published(2, { id: 'x' })))).toEqual([1]);
  });

  test('any arrival order gives the same list', () => {
    const inputs = Array.from({ length: 60 }, (_, n) => published(n + 1));
    const wanted = offsets(run(...inputs));
    for (let seed = 1; seed <= 50; seed += 1) {
      expect(offsets(run(...shuffled([...inputs, ...inputs.slice(0, 20)], seed)))).toEqual(wanted);
    }
  });

  test('history and live messages overlap without a duplicate', () => {
    expect(offsets(run(published(9), published(10), history([10, 9, 8, 7, 6])))).toEqual([6, 7, 8, 9, 10]);
  });

  test('every row has its own key', () => {
    const list = run(submitted('a'), published(1), published(1, { lane: 'room' }), published(2, { id: 'a', user: 'x' }));
    const keys = rows(list).map((row) => row.key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('gaps and epochs', () => {
  test('history that begins after a hole replaces what stands before the hole', () => {
    expect(offsets(run(published(1), published(2), history([10, 11, 12])))).toEqual([10, 11, 12]);
  });

  test('history that joins on keeps what stands before it', () => {
    expect(offsets(run(published(1), published(2), history([3, 4])))).toEqual([1, 2, 3, 4]);
  });

  test('messages newer than the history stay', () => {
    expect(offsets(run(published(1), published(13), history([11, 12])))).toEqual([11, 12, 13]);
  });

  test('an empty history changes nothing', () => {
    expect(offsets(run(published(1), history([])))).toEqual([1]);
  });

  test('another epoch empties its lane and keeps what we still have to send', () => {
    const list = run(published(40), submitted('a'), positioned('e2'), published(1));
    expect(rows(list).map((row) => row.offset)).toEqual([1, null]);
  });

  test('an acknowledgement of another epoch takes the message from the outbox and invents no place for it', () => {
    expect(rows(run(published(40), submitted('a'), acknowledged('a', 1, 'e2'))).map((row) => row.offset)).toEqual([40]);
  });
});

describe('two lanes', () => {
  test('are merged by time', () => {
    const list = run(published(1, { at: 10 }), published(2, { at: 30 }), published(1, { lane: 'room', at: 20 }));
    expect(rows(list).map((row) => [row.lane, row.offset])).toEqual([
      ['chat', 1],
      ['room', 1],
      ['chat', 2],
    ]);
  });

  test('keep their offset order even when the clock stepped back', () => {
    const list = run(published(1, { at: 50 }), published(2, { at: 10 }), published(1, { lane: 'room', at: 30 }));
    const chat = rows(list).filter((row) => row.lane === 'chat');
    expect(chat.map((row) => row.offset)).toEqual([1, 2]);
  });

  test('the newest of the artist’s lane is the one on stage', () => {
    const list = run(published(1, { lane: 'room', role: 'artist' }), published(2, { lane: 'room', text: 'hello' }));
    expect(stageMessage(list)?.text).toBe('hello');
  });
});

describe('the window', () => {
  test('never shows more than the maximum, and keeps the newest', () => {
    const many = Array.from({ length: MESSAGES_SHOWN_MAX * 3 }, (_, n) => published(n + 1));
    const list = run(...many, submitted('a'));
    expect(rows(list)).toHaveLength(MESSAGES_SHOWN_MAX);
    expect(rows(list).at(-1)?.id).toBe('a');
    expect(list.lanes.chat.messages).toHaveLength(MESSAGES_SHOWN_MAX);
  });

  test('does not bring back a message older than a full window', () => {
    const many = Array.from({ length: MESSAGES_SHOWN_MAX }, (_, n) => published(n + 100));
    expect(offsets(run(...many, published(1)))[0]).toBe(100);
  });
});

describe('drawing', () => {
  test('a message that did not change is the same row, so that its element is left alone', () => {
    const before = run(published(1), published(2));
    const after = reduce(before, published(3));
    expect(rows(after)[0]).toBe(rows(before)[0]);
    expect(rows(after)[1]).toBe(rows(before)[1]);
  });

  test('a message becomes our own when we learn who we are', () => {
    const stranger = reduce(emptyList, published(1, { user: 'late' }));
    expect(rows(stranger)[0]?.own).toBe(false);
    expect(rows(reduce(stranger, { kind: 'identified', user: 'late' }))[0]?.own).toBe(true);
  });
});

describe('reading further up', () => {
  test('holds the rows still and counts what comes', () => {
    const list = run(published(1), { kind: 'held' }, published(2), published(3));
    expect(offsets(list)).toEqual([1]);
    expect(missed(list)).toBe(2);
  });

  test('does not count duplicates or own messages', () => {
    const list = run(published(1), { kind: 'held' }, published(1), published(2, { user: ME }));
    expect(missed(list)).toBe(0);
  });

  test('ends with everything in place', () => {
    const list = run(published(1), { kind: 'held' }, published(2), { kind: 'released' });
    expect(offsets(list)).toEqual([1, 2]);
    expect(missed(list)).toBe(0);
  });

  test('shows the fate of an own message that was pending', () => {
    const list = run(submitted('a'), { kind: 'held' }, published(1), { kind: 'failed', id: 'a', reason: 'offline' });
    expect(rows(list).map((row) => row.state)).toEqual(['failed']);
  });

  test('ends when the fan writes', () => {
    const list = run(published(1), { kind: 'held' }, published(2), submitted('a'));
    expect(rows(list).map((row) => row.id)).toEqual(['id-1', 'id-2', 'a']);
  });
});

describe('moderation', () => {
  test('what a moderator deletes goes at once, also from what is being read', () => {
    const said = [published(1), published(2), published(3)] as const;
    expect(offsets(run(...said, { kind: 'deleted', offset: 2 }))).toEqual([1, 3]);
    expect(offsets(run(...said, { kind: 'held' }, { kind: 'deleted', offset: 3 }))).toEqual([1, 2]);
    expect(offsets(run(...said, { kind: 'deleted', offset: 9 }))).toEqual([1, 2, 3]);
  });

  test('clearing a user takes what they said up to an offset, and nobody else’s', () => {
    const list = run(published(1, { user: 'a' }), published(2, { user: 'b' }), published(3, { user: 'a' }), {
      kind: 'cleared',
      user: 'a',
      through: 2,
    });
    expect(offsets(list)).toEqual([2, 3]);
  });
});
