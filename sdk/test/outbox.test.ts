import fc from 'fast-check';
import { expect, test } from 'vitest';

import { OUTBOX_MAX } from '../src/limits.js';
import type { Said } from '../src/message.js';
import { type Outbox, type OutboxInput, type OutboxStep, type Outgoing, PATIENCE, emptyOutbox, outboxDeadline, stepOutbox } from '../src/outbox.js';

const RUNS = Number(process.env['FANWAVE_PROPERTY_RUNS'] ?? 2_000);
const ENDLESS = { tooFastMs: 1e12, unavailableMs: 1e12, offlineMs: 1e12 };

/** An outbox at a time that the test says. */
class Writer {
  outbox: Outbox;
  now = 1_000;
  sent: Outgoing[] = [];

  constructor(patience = PATIENCE) {
    this.outbox = emptyOutbox(patience);
  }

  take(input: OutboxInput): OutboxStep {
    const step = stepOutbox(this.outbox, input, this.now, 0.5);
    this.outbox = step.outbox;
    if (step.send !== null) this.sent.push(step.send);
    return step;
  }

  write(id: string): OutboxStep {
    return this.take({ kind: 'written', message: { id, lane: 'chat', text: `text ${id}` } });
  }

  state(id: string): string | undefined {
    const item = this.outbox.items.find((other) => other.id === id);
    return item?.refusal === undefined ? item?.state : `${item.state}: ${item.refusal}`;
  }

  /** Goes on to when the outbox wants to be asked again. */
  wait(): void {
    this.now = Math.max(this.now, outboxDeadline(this.outbox) ?? this.now);
    this.take({ kind: 'timeout' });
  }
}

const sent = (id: string, offset: number): OutboxInput => ({ kind: 'answered', id, answer: { kind: 'sent', offset, epoch: 'e1', at: 5 } });
const failed = (id: string, code: number, message = 'no', temporary = false): OutboxInput => ({ kind: 'failed', id, error: { code, message, temporary } });
const seen = (id: string, offset: number): OutboxInput => {
  const entry: Said = { lane: 'chat', offset, id, user: 'me', name: 'Me', role: 'fan', at: 5, text: `text ${id}` };
  return { kind: 'seen', entry, epoch: 'e1' };
};

test('one after the other, in the order of writing', () => {
  const writer = new Writer();
  writer.write('a');
  writer.write('b');
  expect(writer.sent).toEqual([]);
  writer.take({ kind: 'connected' });
  expect(writer.sent.map(({ id }) => id)).toEqual(['a']);
  writer.take(sent('a', 1));
  expect(writer.sent.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(writer.state('a')).toBe('sent');
  expect(writer.state('b')).toBe('pending');
});

test('without an answer it is unknown, and sent again under the same id', () => {
  const writer = new Writer();
  writer.take({ kind: 'connected' });
  writer.write('a');
  writer.take({ kind: 'disconnected' });
  expect(writer.state('a')).toBe('unknown');
  writer.take({ kind: 'connected' });
  expect(writer.sent.map(({ id }) => id)).toEqual(['a', 'a']);
  writer.take(sent('a', 7));
  expect(writer.outbox.items[0]).toMatchObject({ state: 'sent', place: { offset: 7, epoch: 'e1' } });
});

test('its publication resolves what no answer did', () => {
  const writer = new Writer();
  writer.take({ kind: 'connected' });
  writer.write('a');
  writer.take({ kind: 'disconnected' });
  writer.take(seen('a', 3));
  expect(writer.state('a')).toBe('sent');
  writer.take({ kind: 'connected' });
  expect(writer.sent).toHaveLength(1);
});

test('it is kept until its entry is to be seen, unless it is gone', () => {
  const writer = new Writer();
  writer.take({ kind: 'connected' });
  for (const [id, offset] of [['a', 1], ['b', 2], ['c', 3]] as const) {
    writer.write(id);
    writer.take(sent(id, offset));
    writer.take(seen(id, offset));
  }
  expect(writer.outbox.items).toHaveLength(3);
  const [shown] = [seen('a', 1)];
  if (shown.kind === 'seen') writer.take({ kind: 'shown', entry: shown.entry });
  writer.take({ kind: 'gone', lane: 'room', isGone: () => true });
  writer.take({ kind: 'gone', lane: 'chat', isGone: ({ offset }) => offset === 3 });
  expect(writer.outbox.items.map(({ id }) => id)).toEqual(['b']);
});

test('a room that asks for patience gets it, to the millisecond', () => {
  const writer = new Writer();
  writer.take({ kind: 'connected' });
  writer.write('a');
  writer.take(failed('a', 111, 'too fast: try again in 700 ms', true));
  expect(outboxDeadline(writer.outbox)).toBe(1_700);
  writer.wait();
  expect(writer.sent).toHaveLength(2);
});

test('who has no patience is told at once', () => {
  const writer = new Writer({ tooFastMs: 0, unavailableMs: 0, offlineMs: 15_000 });
  writer.take({ kind: 'connected' });
  for (const [id, code] of [['a', 111], ['b', 100], ['c', 108], ['d', 103], ['e', 106]] as const) {
    writer.write(id);
    writer.take(failed(id, code));
  }
  expect(['a', 'b', 'c', 'd', 'e'].map((id) => writer.state(id))).toEqual([
    'refused: too-fast',
    'refused: unavailable',
    'refused: unavailable',
    'refused: not-allowed',
    'refused: not-allowed',
  ]);
});

test('its time is over without a connection; what may have been taken stays unknown', () => {
  const writer = new Writer({ ...PATIENCE, offlineMs: 15_000 });
  writer.take({ kind: 'connected' });
  writer.write('a');
  writer.write('b');
  writer.take({ kind: 'disconnected' });
  writer.wait();
  expect(writer.now).toBe(16_000);
  expect(writer.state('a')).toBe('unknown: offline');
  expect(writer.state('b')).toBe('refused: offline');
  writer.take({ kind: 'retried', id: 'a' });
  writer.take({ kind: 'connected' });
  expect(writer.sent.map(({ id }) => id)).toEqual(['a', 'a']);
});

test('what is remembered from the last visit is sent first, under its id', () => {
  const writer = new Writer();
  writer.write('b');
  writer.take({ kind: 'remembered', messages: [{ id: 'a', lane: 'chat', text: 'old', at: 1, state: 'pending' }] });
  expect(writer.state('a')).toBe('unknown');
  writer.take({ kind: 'connected' });
  expect(writer.sent.map(({ id }) => id)).toEqual(['a']);
});

test('it is bounded', () => {
  const writer = new Writer();
  for (let at = 0; at < OUTBOX_MAX + 5; at += 1) writer.write(`m${at}`);
  expect(writer.outbox.items).toHaveLength(OUTBOX_MAX);
  writer.take({ kind: 'connected' });
  for (let at = 0; at < OUTBOX_MAX; at += 1) writer.take(sent(`m${at}`, at + 1));
  for (let at = 0; at < 5; at += 1) writer.write(`n${at}`);
  expect(writer.outbox.items).toHaveLength(OUTBOX_MAX);
});

const fate = fc.constantFrom('taken', 'taken, answer lost', 'lost', 'too fast', 'unavailable', 'cut before', 'cut after', 'late');

test('over any network, every message is taken once, in the order of writing, and is known to be', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.record({ write: fc.constant(true) }), fc.record({ fate })), { maxLength: 60 }), (steps) => {
      const writer = new Writer(ENDLESS);
      const log: string[] = [];
      let written = 0;
      let late: OutboxInput | null = null;
      const take = (id: string) => {
        if (!log.includes(id)) log.push(id);
        return sent(id, log.indexOf(id) + 1);
      };
      const answer = (id: string, what: string) => {
        if (late !== null) writer.take(late);
        late = null;
        if (what === 'taken') writer.take(take(id));
        else if (what === 'late') late = take(id);
        else if (what === 'too fast') writer.take(failed(id, 111, 'try again in 50 ms', true));
        else if (what === 'unavailable') writer.take(failed(id, 100, 'full', true));
        else if (what.startsWith('cut')) {
          if (what === 'cut after') take(id);
          writer.take({ kind: 'disconnected' });
          writer.take({ kind: 'connected' });
        } else {
          if (what !== 'lost') take(id);
          writer.take(failed(id, 1, 'timeout', true));
        }
      };
      writer.take({ kind: 'connected' });
      for (const step of steps) {
        if ('write' in step) {
          if (written < OUTBOX_MAX) writer.write(`m${(written += 1)}`);
        } else if (writer.outbox.flying !== null) answer(writer.outbox.flying, step.fate);
        else writer.wait();
        if (writer.outbox.flying === null) writer.wait();
      }
      for (let turns = 0; turns < 500 && outboxDeadline(writer.outbox) !== null; turns += 1) {
        if (writer.outbox.flying === null) writer.wait();
        else answer(writer.outbox.flying, 'taken');
      }
      expect(log).toEqual(Array.from({ length: written }, (_, at) => `m${at + 1}`));
      for (const { id, state, place } of writer.outbox.items) {
        expect([id, state, place?.offset]).toEqual([id, 'sent', log.indexOf(id) + 1]);
      }
      expect(writer.outbox.items).toHaveLength(written);
    }),
    { numRuns: RUNS },
  );
});
