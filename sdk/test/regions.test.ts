/** Several regions: which one is used, when it is left, and that nobody does so together. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type Choice, type ChoiceInput, type Runner, choiceDeadline, noChoice, stepChoice } from '../src/choice.js';
import { HEAD_START_MS, HOME_MS, KEPT_MS, LEAVE_SPREAD_MS, REGIONS_MAX, REGION_FAULTS_MAX, VISIBLE_SPREAD_MS } from '../src/limits.js';
import { Regions } from '../src/regions.js';
import { World } from './world.js';

const RUNS = Number(process.env['FANWAVE_PROPERTY_RUNS'] ?? 2_000);
const SEOUL = 'https://kr.example';
const PARIS = 'https://eu.example';
const OHIO = 'https://us.example';
const ALL = [SEOUL, PARIS, OHIO];

/** A choice at a time that the test says. */
class Chooser {
  choice: Choice = noChoice;
  now = 1_000_000;
  race: readonly Runner[] | null = null;

  take(input: ChoiceInput, random = 0.5): this {
    const { choice, race } = stepChoice(this.choice, input, this.now, random);
    this.choice = choice;
    this.race = race;
    return this;
  }

  /** Goes to the next deadline. */
  due(random = 0.5): this {
    this.now = choiceDeadline(this.choice) ?? Number.NaN;
    return this.take({ kind: 'timeout' }, random);
  }

  faults(count: number, random = 0.5): this {
    for (let at = 0; at < count; at += 1) this.take({ kind: 'fault' }, random);
    return this;
  }
}

function inSeoul(): Chooser {
  return new Chooser().take({ kind: 'listed', urls: ALL, kept: null }).take({ kind: 'raced', winner: SEOUL }).take({ kind: 'opened' });
}

describe('the choice', () => {
  test('all are raced, the better ranked with a head start, and who answers first is kept', () => {
    const chooser = new Chooser().take({ kind: 'listed', urls: [...ALL, SEOUL], kept: null });
    expect(chooser.race).toEqual(ALL.map((url, rank) => ({ url, afterMs: rank * HEAD_START_MS })));
    chooser.take({ kind: 'raced', winner: PARIS });
    expect(chooser.choice).toMatchObject({ current: PARIS, home: PARIS, until: chooser.now + KEPT_MS, returnAt: null });
    const many = Array.from({ length: 50 }, (_, at) => `https://r${at}.example`);
    expect(new Chooser().take({ kind: 'listed', urls: many, kept: null }).race).toHaveLength(REGIONS_MAX);
  });

  test('what is remembered is used without a race, while it is fresh and still one of them', () => {
    const now = new Chooser().now;
    const listed = (url: string, until: number) => new Chooser().take({ kind: 'listed', urls: ALL, kept: { url, until } });
    expect([listed(OHIO, now + 1).race, listed(OHIO, now + 1).choice.current]).toEqual([null, OHIO]);
    for (const [url, until] of [[OHIO, now], [OHIO, now + KEPT_MS + 1], ['https://gone.example', now + 1]] as const) {
      expect(listed(url, until).race, `${url} until ${until - now}`).toHaveLength(3);
    }
  });

  test('one region, or none, is no choice', () => {
    for (const urls of [[], [SEOUL]]) {
      const chooser = new Chooser().take({ kind: 'listed', urls, kept: null }).faults(100);
      expect([chooser.race, chooser.choice.current, choiceDeadline(chooser.choice)]).toEqual([null, null, null]);
    }
  });

  test('a region is left after some tries in a row, and not before', () => {
    const chooser = inSeoul().faults(REGION_FAULTS_MAX - 1);
    expect(choiceDeadline(chooser.choice)).toBeNull();
    chooser.take({ kind: 'opened' }).faults(REGION_FAULTS_MAX - 1);
    expect(choiceDeadline(chooser.choice)).toBeNull();
    chooser.faults(1);
    expect(choiceDeadline(chooser.choice)).toBe(chooser.now + LEAVE_SPREAD_MS / 2);
    chooser.due();
    expect(chooser.race?.map(({ url }) => url)).toEqual([PARIS, OHIO]);
    chooser.take({ kind: 'raced', winner: OHIO });
    expect(chooser.choice).toMatchObject({ current: OHIO, home: SEOUL, until: chooser.now + HOME_MS });
  });

  test('one that comes back in the meantime is not left', () => {
    const waiting = inSeoul().faults(REGION_FAULTS_MAX).take({ kind: 'opened' });
    expect(choiceDeadline(waiting.choice)).toBeNull();
    const racing = inSeoul().faults(REGION_FAULTS_MAX).due().take({ kind: 'opened' }).take({ kind: 'raced', winner: PARIS });
    expect(racing.choice.current).toBe(SEOUL);
  });

  test('where nobody answers it stays, and goes on trying', () => {
    const chooser = inSeoul().faults(REGION_FAULTS_MAX).due().take({ kind: 'raced', winner: null });
    expect([chooser.choice.current, choiceDeadline(chooser.choice)]).toEqual([SEOUL, null]);
    expect(choiceDeadline(chooser.faults(REGION_FAULTS_MAX).choice)).not.toBeNull();
  });

  test('home is looked for until it answers', () => {
    const chooser = inSeoul().faults(REGION_FAULTS_MAX).due().take({ kind: 'raced', winner: PARIS }, 0).take({ kind: 'opened' });
    expect(choiceDeadline(chooser.choice)).toBe(chooser.now + HOME_MS / 2);
    chooser.due();
    expect(chooser.race).toEqual([{ url: SEOUL, afterMs: 0 }]);
    chooser.take({ kind: 'raced', winner: null }, 0.999);
    expect([chooser.choice.current, choiceDeadline(chooser.choice) ?? 0]).toEqual([PARIS, chooser.now + Math.round(HOME_MS * 1.499)]);
    chooser.due().take({ kind: 'raced', winner: SEOUL });
    expect(chooser.choice).toMatchObject({ current: SEOUL, until: chooser.now + KEPT_MS, returnAt: null });
  });

  test('when a region goes, and when it comes back, 10,000 fans do not move together', () => {
    const most = (times: number[], windowMs: number) => {
      const counts = new Map<number, number>();
      for (const at of times) counts.set(Math.floor(at / windowMs), (counts.get(Math.floor(at / windowMs)) ?? 0) + 1);
      return Math.max(...counts.values());
    };
    const fans = Array.from({ length: 10_000 }, (_, at) => inSeoul().faults(REGION_FAULTS_MAX, at / 10_000));
    expect(most(fans.map(({ choice }) => choiceDeadline(choice) ?? Number.NaN), LEAVE_SPREAD_MS / 20)).toBeLessThanOrEqual(510);
    const away = fans.map((fan, at) => {
      fan.now = 2_000_000;
      return fan.take({ kind: 'timeout' }).take({ kind: 'raced', winner: PARIS }, at / 10_000);
    });
    expect(most(away.map(({ choice }) => choiceDeadline(choice) ?? Number.NaN), HOME_MS / 100)).toBeLessThanOrEqual(110);
  });
});

const url = fc.constantFrom(...ALL, 'https://other.example');
const input: fc.Arbitrary<ChoiceInput> = fc.oneof(
  fc.constantFrom<ChoiceInput>({ kind: 'fault' }, { kind: 'fault' }, { kind: 'opened' }, { kind: 'timeout' }, { kind: 'timeout' }),
  fc.record({ kind: fc.constant('listed' as const), urls: fc.array(url, { maxLength: 12 }), kept: fc.option(fc.record({ url, until: fc.integer({ min: 0, max: 2 * KEPT_MS }) })) }),
  fc.record({ kind: fc.constant('raced' as const), winner: fc.option(url) }),
);

test('whatever happens: one race at a time, only to regions that there are, and none is left without cause', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ input, passes: fc.nat(HOME_MS), random: fc.double({ min: 0, max: 0.999_999, noNaN: true }) }), { maxLength: 80 }), (steps) => {
      const chooser = new Chooser();
      let racing: readonly Runner[] | null = null;
      let faults = 0;
      for (const { input: next, passes, random } of steps) {
        // Who is asked answers, or nobody does: others are not heard.
        if (next.kind === 'raced' && (racing === null || !(next.winner === null || racing.some((runner) => runner.url === next.winner)))) continue;
        chooser.now += passes;
        const before = chooser.choice;
        chooser.take(next, random);
        const { choice, race } = chooser;
        if (next.kind === 'raced') racing = null;
        if (next.kind === 'opened') faults = 0;
        if (next.kind === 'fault') faults += 1;
        if (race !== null) {
          expect(racing, 'one at a time').toBeNull();
          expect(race.every((runner) => choice.ranked.includes(runner.url))).toBe(true);
          expect(race.length).toBeLessThanOrEqual(REGIONS_MAX);
          expect(race.map(({ afterMs }) => afterMs)).toEqual(race.map((_, rank) => rank * HEAD_START_MS));
          if (choice.racing === 'leave') expect(race.some((runner) => runner.url === choice.current)).toBe(false);
          racing = race;
        }
        expect(choice.racing === null, 'waits for a race exactly while there is one').toBe(racing === null);
        if (next.kind === 'fault' && before.leaveAt === null && choice.leaveAt !== null) expect(faults, 'not before').toBeGreaterThanOrEqual(REGION_FAULTS_MAX);
        const deadline = choiceDeadline(choice);
        if (deadline !== null && choice !== before) expect(deadline - chooser.now).toBeLessThanOrEqual(Math.max(LEAVE_SPREAD_MS, HOME_MS * 1.5));
        if (choice.current !== before.current) expect(next.kind === 'raced' || next.kind === 'listed').toBe(true);
      }
    }),
    { numRuns: RUNS },
  );
});

/** A storage that is a map. */
function memory(): { load: (key: string) => string | null; save: (key: string, text: string) => void; kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return { load: (key) => kept.get(key) ?? null, save: (key, text) => void kept.set(key, text), kept };
}

async function inWorld(world: World, storage = memory()) {
  const regions = new Regions({ url: SEOUL, environment: world, storage });
  const client = world.client(async () => 'a.b.c', regions);
  client.room('demo');
  client.connect();
  await world.pass(REGIONS_MAX * HEAD_START_MS);
  return { regions, client, storage };
}

describe('the client', () => {
  test('connects where it was answered first, calls the API there, and remembers it', async () => {
    const world = new World();
    world.regions.set(SEOUL, 'up').set(PARIS, 'up');
    const { client, storage } = await inWorld(world);
    expect([client.state, world.open[0]?.origin, client.api.base]).toEqual(['connected', SEOUL, SEOUL]);
    client.close();

    const again = await inWorld(world, storage);
    expect([again.client.state, world.open[0]?.origin]).toEqual(['connected', SEOUL]);
    again.client.close();
  });

  test('goes to the next when its region is gone, and back when that is there again', async () => {
    const world = new World();
    world.regions.set(SEOUL, 'up').set(PARIS, 'up');
    const { client, regions } = await inWorld(world);
    world.regions.set(SEOUL, 'gone');
    world.open[0]?.end(1006, '');
    await world.pass(20_000);
    expect([client.state, world.open[0]?.origin, client.api.base]).toEqual(['connected', PARIS, PARIS]);
    const tries = world.sockets.filter(({ origin, isOpen }) => origin === SEOUL && !isOpen).length;
    expect(tries, 'the one that was lost, and those after which it counts as gone').toBeGreaterThanOrEqual(1 + REGION_FAULTS_MAX);

    world.regions.set(SEOUL, 'up');
    await world.pass(HOME_MS + VISIBLE_SPREAD_MS);
    expect([client.state, world.open.map(({ origin }) => origin)]).toEqual(['connected', [SEOUL]]);
    client.close();
    regions.close();
  });

  test('a device without a network blames no region', async () => {
    const world = new World();
    world.regions.set(SEOUL, 'up').set(PARIS, 'up');
    const { client } = await inWorld(world);
    world.change('offline');
    world.regions.set(SEOUL, 'gone');
    world.open[0]?.end(1006, '');
    const asked = world.asked.length;
    await world.pass(300_000);
    expect(world.asked.slice(asked)).toEqual([]);
    world.regions.set(SEOUL, 'up');
    world.change('online');
    await world.pass(2_000);
    expect([client.state, world.open[0]?.origin]).toEqual(['connected', SEOUL]);
    client.close();
  });

  test('without a list, the server that it was given is used', async () => {
    const world = new World();
    const { client } = await inWorld(world);
    expect([client.state, world.open[0]?.origin]).toEqual(['connected', SEOUL]);
    client.close();
  });
});
