import fc from 'fast-check';
import { expect, test } from 'vitest';

import { FILL_PAGE, FILL_PAGES_MAX, LANE_WAITING_MAX } from '../src/limits.js';
import { type Lane, type LaneEffect, type LaneInput, emptyLane, stepLane } from '../src/lane.js';
import type { Said } from '../src/message.js';

const RUNS = Number(process.env['FANWAVE_PROPERTY_RUNS'] ?? 2_000);

function said(offset: number, extra: Partial<Said> = {}): Said {
  return { lane: 'chat', offset, id: `id-${offset}`, user: 'u', name: 'U', role: 'fan', at: offset, text: `text ${offset}`, ...extra };
}

/** A lane, and all that the app was handed. */
class Client {
  lane: Lane;
  readonly effects: LaneEffect[] = [];

  constructor(lossless = true, firstPage = 3) {
    this.lane = emptyLane({ lossless, firstPage });
  }

  take(input: LaneInput): readonly LaneEffect[] {
    const { lane, effects } = stepLane(this.lane, input);
    this.lane = lane;
    this.effects.push(...effects);
    return effects;
  }

  /** Offsets in the order of being handed over, since the last reset. */
  get offsets(): number[] {
    const from = this.effects.findLastIndex(({ kind }) => kind === 'reset') + 1;
    return this.effects.slice(from).flatMap((effect) => (effect.kind === 'entry' ? [effect.entry.offset] : []));
  }

  get asked(): Extract<LaneEffect, { kind: 'fetch' }> {
    const fetch = this.effects.findLast((effect) => effect.kind === 'fetch');
    if (fetch?.kind !== 'fetch') throw new Error('nothing was asked for');
    return fetch;
  }

  /** The history answers the newest question. */
  page(...offsets: number[]): void {
    this.take({ kind: 'page', ticket: this.asked.ticket, epoch: this.lane.epoch ?? '', entries: offsets.map((offset) => said(offset)) });
  }
}

const published = (offset: number): LaneInput => ({ kind: 'published', entry: said(offset) });
const subscribed = (head: number, recovered = false, epoch = 'e1'): LaneInput => ({ kind: 'subscribed', epoch, head, recovered });

test('a first subscription waits for the newest page, and goes on behind it', () => {
  const client = new Client();
  client.take(subscribed(7));
  client.take(published(8));
  expect(client.offsets).toEqual([]);
  client.page(7, 5, 6);
  client.take(published(9));
  expect(client.offsets).toEqual([5, 6, 7, 8, 9]);
});

test('what was not recovered is read before what is newer', () => {
  const client = new Client();
  client.take(subscribed(0));
  client.page();
  client.take(published(1));
  client.take(subscribed(3));
  client.take(published(4));
  expect(client.offsets).toEqual([1]);
  expect(client.asked).toMatchObject({ since: 1, epoch: 'e1' });
  client.page(2, 3);
  expect(client.offsets).toEqual([1, 2, 3, 4]);
});

test('a lossless lane notices a number that was skipped', () => {
  const client = new Client();
  client.take(subscribed(0));
  client.page();
  client.take(published(1));
  client.take(published(3));
  expect(client.offsets).toEqual([1]);
  client.page(2, 3);
  expect(client.offsets).toEqual([1, 2, 3]);
});

test('what is not in the history any more is told as a gap', () => {
  const client = new Client();
  client.take(subscribed(0));
  client.page();
  client.take(published(1));
  client.take(published(5));
  client.page(4);
  expect(client.offsets).toEqual([1, 4, 5]);
  expect(client.effects).toContainEqual({ kind: 'gap', after: 1, before: 4 });
});

test('in the chat lane, skipped offsets are no gap', () => {
  const client = new Client(false);
  client.take(subscribed(0));
  client.page();
  client.take(published(1));
  client.take(published(5));
  expect(client.offsets).toEqual([1, 5]);
});

test('another epoch is another log', () => {
  const client = new Client();
  client.take(subscribed(2));
  client.page(1, 2);
  client.take(subscribed(1, false, 'e2'));
  expect(client.effects).toContainEqual({ kind: 'reset', epoch: 'e2' });
  client.page(1);
  expect(client.offsets).toEqual([1]);
});

test('a log that has become shorter is another one', () => {
  const client = new Client();
  client.take(subscribed(2));
  client.page(1, 2);
  client.take(subscribed(1));
  client.page(1);
  expect(client.offsets).toEqual([1]);
});

test('whoever has missed too much is told so, and goes on with the newest', () => {
  const client = new Client();
  client.take(subscribed(0));
  client.page();
  const head = FILL_PAGE * (FILL_PAGES_MAX + 5);
  client.take(subscribed(head));
  for (let page = 0; page < FILL_PAGES_MAX; page += 1) {
    client.page(...Array.from({ length: FILL_PAGE }, (_, at) => page * FILL_PAGE + at + 1));
  }
  expect(client.asked.since).toBeNull();
  client.page(head - 1, head);
  expect(client.effects).toContainEqual({ kind: 'gap', after: FILL_PAGE * FILL_PAGES_MAX, before: head - 1 });
  expect(client.offsets.slice(-2)).toEqual([head - 1, head]);
});

test('more than can wait is read instead', () => {
  const client = new Client();
  client.take(subscribed(1));
  for (let offset = 2; offset <= LANE_WAITING_MAX + 10; offset += 1) client.take(published(offset));
  expect(client.lane.waiting.length).toBeLessThanOrEqual(LANE_WAITING_MAX);
  client.page(1);
  for (let next = 2; client.lane.hole !== null; next += FILL_PAGE) client.page(...Array.from({ length: FILL_PAGE }, (_, at) => next + at));
  expect(client.offsets).toEqual(Array.from({ length: client.offsets.length }, (_, at) => at + 1));
  expect(client.offsets.length).toBeGreaterThanOrEqual(LANE_WAITING_MAX + 10);
});

test('no late page brings back what was taken away', () => {
  const client = new Client(false);
  client.take(subscribed(3));
  client.take({ kind: 'deleted', offset: 2 });
  client.take({ kind: 'cleared', user: 'v', through: 3 });
  client.take({
    kind: 'page',
    ticket: client.asked.ticket,
    epoch: 'e1',
    entries: [said(1), said(2), said(3, { user: 'v' })],
  });
  client.take({ kind: 'published', entry: said(4, { user: 'v' }) });
  expect(client.offsets).toEqual([1, 4]);
});

/** A message in the log of the model. */
interface Kept {
  readonly entry: Said;
  /** The chat lane shows a sample. */
  readonly shown: boolean;
  gone: boolean;
}

/** A server, a bad network and a history that answers late, in any order, twice or not at all; and what the app has to see. */
class Model {
  readonly client: Client;
  log: Kept[] = [];
  epochs = 1;
  connected = false;
  subscribedOnce = false;
  /** On its way; lost when the connection is cut. */
  wire: LaneInput[] = [];
  asked: Extract<LaneEffect, { kind: 'fetch' }>[] = [];
  answered: LaneInput[] = [];
  acts: LaneInput[] = [];
  /** What the client library believes to have. */
  position = 0;
  positionEpoch = '';

  constructor(readonly lossless: boolean) {
    this.client = new Client(lossless);
  }

  get epoch(): string {
    return `e${this.epochs}`;
  }

  say(shown: boolean): void {
    const kept = { entry: said(this.log.length + 1, { id: `${this.epoch}-${this.log.length + 1}` }), shown: shown || this.lossless, gone: false };
    this.log.push(kept);
    if (this.connected && kept.shown) this.wire.push({ kind: 'published', entry: kept.entry });
  }

  delete(at: number): void {
    const kept = this.log[at % Math.max(1, this.log.length)];
    if (this.lossless || kept === undefined) return;
    kept.gone = true;
    // Acts come over the same connection, and what was missed of them comes with the next.
    if (this.connected) this.take({ kind: 'deleted', offset: kept.entry.offset });
    else this.acts.push({ kind: 'deleted', offset: kept.entry.offset });
  }

  cut(): void {
    this.connected = false;
    this.wire = [];
  }

  /** `lucky`: the server has everything since the client's position, and says so. */
  connect(lucky: boolean): void {
    this.cut();
    this.connected = true;
    const recovers = lucky && this.subscribedOnce && this.positionEpoch === this.epoch;
    this.take({ kind: 'subscribed', epoch: this.epoch, head: this.log.length, recovered: recovers });
    this.subscribedOnce = true;
    for (const act of this.acts.splice(0)) this.take(act);
    if (recovers) {
      const missed = this.log.filter(({ entry, shown, gone }) => entry.offset > this.position && shown && !gone);
      this.wire.push(...missed.map(({ entry }): LaneInput => ({ kind: 'published', entry })));
    }
    this.position = recovers ? this.position : this.log.length;
    this.positionEpoch = this.epoch;
  }

  /** The server has lost its log. */
  forget(): void {
    this.cut();
    this.epochs += 1;
    this.log = [];
    this.acts = [];
  }

  deliver(count: number, twice: boolean, loses: boolean): void {
    for (const input of this.wire.splice(0, count)) {
      if (input.kind !== 'published') continue;
      this.position = Math.max(this.position, input.entry.offset);
      // Only numbers without holes tell that one is missing.
      const isLost = loses && this.lossless && this.wire.length > 0;
      if (!isLost) this.take(input);
      if (twice) this.take(input);
    }
  }

  answer(at: number, size: number, again: boolean): void {
    const fetch = again ? undefined : this.asked.splice(at % Math.max(1, this.asked.length), 1)[0];
    if (fetch === undefined) {
      const old = this.answered[at % Math.max(1, this.answered.length)];
      if (again && old !== undefined) this.take(old);
      return;
    }
    const page = this.page(fetch, size);
    this.answered.push(page);
    this.take(page);
  }

  page(fetch: Extract<LaneEffect, { kind: 'fetch' }>, size: number): LaneInput {
    // A position in a log that is no more cannot be read from.
    if (fetch.since !== null && fetch.epoch !== this.epoch) return { kind: 'unreachable', ticket: fetch.ticket };
    const all = this.log.filter(({ gone }) => !gone).map(({ entry }) => entry);
    const entries = fetch.since === null ? all.slice(-fetch.limit) : all.filter(({ offset }) => offset > (fetch.since ?? 0)).slice(0, Math.min(size, fetch.limit));
    return { kind: 'page', ticket: fetch.ticket, epoch: this.epoch, entries };
  }

  take(input: LaneInput): void {
    for (const effect of this.client.take(input)) if (effect.kind === 'fetch') this.asked.push(effect);
  }

  /** The network is good again: whatever was asked is answered. */
  settle(): void {
    this.connect(false);
    this.deliver(this.wire.length, false, false);
    for (let turns = 0; this.asked.length > 0 && turns < 10_000; turns += 1) this.answer(0, FILL_PAGE, false);
  }

  check(): void {
    const runs: { offsets: number[]; ids: string[]; gaps: { after: number; before: number }[] }[] = [{ offsets: [], ids: [], gaps: [] }];
    for (const effect of this.client.effects) {
      const run = runs.at(-1) as (typeof runs)[number];
      if (effect.kind === 'reset') runs.push({ offsets: [], ids: [], gaps: [] });
      if (effect.kind === 'gap') run.gaps.push(effect);
      if (effect.kind === 'entry') {
        run.offsets.push(effect.entry.offset);
        run.ids.push(effect.entry.id);
      }
    }
    for (const { offsets, ids } of runs) {
      expect(offsets.every((offset, at) => at === 0 || offset > (offsets[at - 1] as number)), `${offsets.join()} ascend`).toBe(true);
      expect(new Set(ids.map((id) => id.split('-')[0])).size, 'of one log').toBeLessThan(2);
    }
    const { offsets, ids, gaps } = runs.at(-1) as (typeof runs)[number];
    const first = offsets[0] ?? Number.POSITIVE_INFINITY;
    const inGap = (offset: number) => gaps.some(({ after, before }) => offset > after && offset < before);
    const due = this.log.filter(({ shown, gone, entry }) => shown && !gone && entry.offset >= first && !inGap(entry.offset));
    expect(due.map(({ entry }) => entry.id).filter((id) => !ids.includes(id)), 'nothing is missing').toEqual([]);
    expect(gaps, 'everything was in the history').toEqual([]);
    const newest = this.log.findLast(({ shown, gone }) => shown && !gone);
    if (newest !== undefined && (newest.entry.offset >= first || offsets.length === 0)) expect(offsets, 'up to the newest').toContain(newest.entry.offset);
    expect(this.client.lane.hole).toBeNull();
  }
}

const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('say' as const), shown: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const), count: fc.nat(5), twice: fc.boolean(), loses: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), at: fc.nat(9), size: fc.integer({ min: 1, max: 6 }), again: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('connect' as const), lucky: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), at: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const) }) },
);

test('over any network, the app sees no gap, no duplicate and no reorder', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(action, { maxLength: 80 }), (lossless, actions) => {
      const model = new Model(lossless);
      for (const step of actions) {
        if (step.do === 'say') model.say(step.shown);
        else if (step.do === 'deliver') model.deliver(step.count, step.twice, step.loses);
        else if (step.do === 'answer') model.answer(step.at, step.size, step.again);
        else if (step.do === 'connect') model.connect(step.lucky);
        else if (step.do === 'delete') model.delete(step.at);
        else if (step.do === 'cut') model.cut();
        else model.forget();
      }
      model.settle();
      model.check();
    }),
    { numRuns: RUNS },
  );
});
