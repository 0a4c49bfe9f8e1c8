/** Reports of how a picture plays: what is counted, when it is told, and that an app never hears of it. */

import fc from 'fast-check';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

import { type Around, type QualityOptions, askedOf, reportQuality } from '../src/quality/index.js';
import { LOOK_MS, SPREAD, TOLD_MS_MAX, WAIT_MS_MAX } from '../src/quality/limits.js';
import { type Answer, type Asked, type Beacon, type Look, type Report, type ReportInput, newReport, stepReport } from '../src/quality/machine.js';
import { settled } from './world.js';

const RUNS = Number(process.env['FANWAVE_PROPERTY_RUNS'] ?? 500);
const SESSION = '4f3a0c9d5b7e4a1c8d2f6e0b1a3c5d7e';
const ASKED: Asked = { sample: 1, everyMs: 10_000 };
const TAKEN: Answer = { status: 200, retryAfterMs: null, asked: null };

const playing: Look = { position: 0, wanted: true, waits: false, startupMs: null, latencyMs: null, rung: null, errors: 0 };

/** A page with a player, four looks a second. */
class Page {
  now = 0;
  look: Look = playing;
  report: Report;
  readonly sent: { readonly at: number; readonly beacon: Beacon }[] = [];

  constructor(asked = ASKED, draw = 0, random = 0.5) {
    this.report = newReport(SESSION, draw, asked, 0, random);
  }

  feed(input: ReportInput, random = 0.5): Beacon | null {
    const { report, send } = stepReport(this.report, input, this.now, random);
    this.report = report;
    if (send !== null) this.sent.push({ at: this.now, beacon: send });
    return send;
  }

  /** Time passes, in which the picture moves or not; every beacon is answered at once. */
  pass(ms: number, moves: boolean, answer = TAKEN): void {
    for (const until = this.now + ms; this.now < until; ) {
      this.now += LOOK_MS;
      if (moves) this.look = { ...this.look, position: this.look.position + LOOK_MS / 1_000 };
      if (this.feed({ kind: 'look', look: this.look }) !== null) this.feed({ kind: 'answered', answer });
    }
  }

  total(name: 'played_ms' | 'stalled_ms' | 'stalls' | 'switches' | 'errors'): number {
    return this.sent.reduce((sum, { beacon }) => sum + beacon[name], 0);
  }
}

test('a picture that plays is told of, once in the asked time, and the first time by chance', () => {
  const page = new Page();
  page.look = { ...playing, startupMs: 1_240, latencyMs: 3_000, rung: { height: 720, bitrate: 2_500_000 } };
  page.pass(40_000, true);
  expect(page.sent.map(({ at }) => at)).toEqual([5_000, 16_000, 27_000, 38_000]);
  expect(page.sent.map(({ beacon }) => beacon.sequence)).toEqual([1, 2, 3, 4]);
  expect(page.sent[0]?.beacon).toEqual({
    session: SESSION, sequence: 1, startup_ms: 1_240, played_ms: 4_750, stalls: 0, stalled_ms: 0, latency_ms: 3_000, height: 720,
    bitrate: 2_500_000, switches: 0, errors: 0,
  });
  expect(page.sent[1]?.beacon).toMatchObject({ played_ms: 11_000, latency_ms: 3_000 });
  expect(page.sent[1]?.beacon).not.toHaveProperty('startup_ms');
});

test('a stall counts from its beginning, and only if somebody could see it', () => {
  const page = new Page();
  page.pass(5_000, true);
  page.pass(250, false);
  page.pass(5_000, true);
  page.pass(1_500, false);
  page.pass(250, true);
  page.pass(750, false);
  page.pass(30_000, true);
  expect([page.total('stalls'), page.total('stalled_ms')]).toEqual([2, 2_250]);
});

test('who waits for the first picture, pauses or goes elsewhere does not stall', () => {
  const page = new Page();
  page.pass(10_000, false);
  expect(page.sent, 'nothing has begun').toEqual([]);
  page.pass(1_000, true);
  page.look = { ...page.look, wanted: false };
  page.pass(60_000, false);
  page.look = { ...page.look, wanted: true };
  page.pass(20_000, true);
  expect(page.total('stalls')).toBe(0);
  expect(page.total('played_ms')).toBeLessThanOrEqual(21_000);
  expect(page.sent.length, 'a pause is not told of').toBeLessThanOrEqual(4);
});

test('a source that is looked for is a stall, although its element is paused', () => {
  const page = new Page();
  page.pass(2_000, true);
  page.look = { ...page.look, wanted: false, waits: true, errors: 1, position: 0 };
  page.pass(4_000, false);
  page.look = { ...page.look, wanted: true, waits: false };
  page.pass(20_000, true);
  expect([page.total('stalls'), page.total('stalled_ms'), page.total('errors')]).toEqual([1, 4_000, 1]);
});

test('changes of the quality are counted, and not what is unknown meanwhile', () => {
  const page = new Page();
  for (const rung of [{ height: 360, bitrate: 600_000 }, { height: 720, bitrate: 2_500_000 }, null, { height: 720, bitrate: 2_500_000 }, { height: 720, bitrate: 3_000_000 }]) {
    page.look = { ...page.look, rung };
    page.pass(1_000, true);
  }
  page.pass(20_000, true);
  expect(page.total('switches')).toBe(2);
  expect(page.sent.at(-1)?.beacon).toMatchObject({ height: 720, bitrate: 3_000_000 });
});

test('a page that was asleep tells what was played, and calls nothing a stall', () => {
  const page = new Page();
  page.pass(2_000, true);
  page.now += 3_600_000;
  page.pass(2_000, true);
  page.pass(20_000, true);
  expect(page.total('stalls')).toBe(0);
  expect(page.total('played_ms')).toBeLessThanOrEqual(24_000);
});

test('when the page is hidden all that there is is told, and nothing of a blink', () => {
  const page = new Page();
  page.pass(2_000, true);
  expect(page.feed({ kind: 'hidden' })).toMatchObject({ sequence: 1, played_ms: 1_750 });
  expect(page.feed({ kind: 'hidden' })).toBeNull();
  page.feed({ kind: 'answered', answer: TAKEN });
  page.pass(500, true);
  expect(page.feed({ kind: 'hidden' })).toBeNull();
});

test('a beacon without an answer is sent again under its number, and given up when it is old', () => {
  const page = new Page();
  page.pass(5_000, true, { status: null, retryAfterMs: null, asked: null });
  page.pass(18_000, true, { status: null, retryAfterMs: null, asked: null });
  expect(page.sent.map(({ beacon }) => beacon.sequence)).toEqual([1, 1]);
  expect(page.sent[1]?.beacon).toEqual(page.sent[0]?.beacon);
  page.pass(300_000, true);
  expect(page.sent[2]?.beacon.sequence).toBe(2);
  expect(page.report.failures).toBe(0);
});

test('what the server refuses ends the report; what it cannot take makes every wait longer', () => {
  for (const status of [400, 404, 413, 415, 301]) {
    const page = new Page();
    page.pass(60_000, true, { status, retryAfterMs: null, asked: null });
    expect(page.sent, String(status)).toHaveLength(1);
    expect(page.report.ended).toBe(true);
  }
  for (const answer of [{ status: 429, retryAfterMs: 60_000, asked: null }, { status: 503, retryAfterMs: null, asked: null }]) {
    const page = new Page();
    page.pass(3_600_000, true, answer);
    const waits = page.sent.slice(1).map(({ at }, index) => at - (page.sent[index]?.at ?? 0));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(answer.retryAfterMs ?? 10_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(WAIT_MS_MAX + LOOK_MS);
    expect(page.sent.length).toBeLessThan(20);
  }
});

test('the share that is asked for can change: who is not of it says nothing', () => {
  const page = new Page(ASKED, 0.5);
  page.pass(5_000, true, { status: 200, retryAfterMs: null, asked: { sample: 0.4, everyMs: 10_000 } });
  page.pass(60_000, true);
  expect(page.sent).toHaveLength(1);
  const other = new Page({ sample: 0.5, everyMs: 10_000 }, 0.5);
  other.pass(60_000, true);
  expect(other.feed({ kind: 'hidden' })).toBeNull();
  expect(other.sent).toEqual([]);
});

/** Anything that may happen to a page. */
const happening = fc.oneof(
  fc.record({
    kind: fc.constant('look' as const),
    afterMs: fc.oneof({ weight: 8, arbitrary: fc.constant(LOOK_MS) }, fc.integer({ min: 0, max: 200_000 })),
    moves: fc.boolean(),
    look: fc.record({
      wanted: fc.boolean(),
      waits: fc.boolean(),
      startupMs: fc.option(fc.double({ min: -1, max: 1e7 })),
      latencyMs: fc.option(fc.double({ min: -1e4, max: 1e9 })),
      rung: fc.option(fc.record({ height: fc.option(fc.double()), bitrate: fc.option(fc.double()) })),
      errors: fc.nat(5),
    }),
  }),
  fc.record({ kind: fc.constant('hidden' as const) }),
  fc.record({
    kind: fc.constant('answered' as const),
    answer: fc.record({
      status: fc.option(fc.constantFrom(200, 200, 200, 204, 404, 408, 429, 500, 503)),
      retryAfterMs: fc.option(fc.double({ min: 0, max: 1e9 })),
      asked: fc.option(fc.record({ sample: fc.double(), everyMs: fc.double() })),
    }),
  }),
);

interface Bounds {
  readonly [name: string]: { readonly minimum?: number; readonly maximum?: number; readonly pattern?: string };
}

test('whatever happens, each beacon is one that the server takes, there are no more than was asked for, and no time is counted twice', async () => {
  const described = JSON.parse(await readFile(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as {
    readonly components: { readonly schemas: { readonly NewBeacon: { readonly properties: Bounds; readonly required: readonly string[] } } };
  };
  const { properties, required } = described.components.schemas.NewBeacon;
  const takes = (beacon: Beacon) => {
    for (const name of required) expect(beacon).toHaveProperty(name);
    for (const [name, value] of Object.entries(beacon)) {
      const { minimum = 0, maximum = 0, pattern } = properties[name] ?? {};
      if (pattern !== undefined) expect(value).toMatch(new RegExp(pattern));
      else expect(Number.isInteger(value) && value >= minimum && value <= maximum, `${name}: ${value}`).toBe(true);
    }
  };
  fc.assert(
    fc.property(fc.array(fc.tuple(happening, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), { maxLength: 200 }), fc.double(), (all, draw) => {
      const page = new Page(ASKED, draw);
      let [elapsedMs, lastAt, everyMs] = [0, Number.NEGATIVE_INFINITY, 0];
      for (const [happened, random] of all) {
        const { ended } = page.report;
        if (happened.kind === 'look') {
          page.now += happened.afterMs;
          elapsedMs += happened.afterMs;
          page.look = { ...happened.look, position: page.look.position + (happened.moves ? happened.afterMs / 1_000 : 0) };
        }
        const input: ReportInput = happened.kind === 'look' ? { kind: 'look', look: page.look } : happened;
        const sent = page.feed(input, random);
        if (ended) expect(sent).toBeNull();
        if (sent === null) continue;
        takes(sent);
        if (happened.kind === 'look') expect(page.now - lastAt).toBeGreaterThanOrEqual(everyMs);
        lastAt = page.now;
        everyMs = page.report.asked.everyMs;
        expect(page.report.due - page.now).toBeLessThanOrEqual(everyMs * (1 + SPREAD) + 1);
      }
      const once = new Map(page.sent.map(({ beacon }) => [beacon.sequence, beacon]));
      const toldMs = [...once.values()].reduce((sum, beacon) => sum + beacon.played_ms + beacon.stalled_ms, 0);
      expect(toldMs).toBeLessThanOrEqual(elapsedMs + once.size);
      const sequences = page.sent.map(({ beacon }) => beacon.sequence);
      expect(sequences).toEqual([...sequences].sort((one, other) => one - other));
    }),
    { numRuns: RUNS },
  );
});

test('what is told of one time is never older than the server takes it for', () => {
  const page = new Page();
  page.pass(2 * TOLD_MS_MAX, true, { status: 503, retryAfterMs: null, asked: null });
  page.pass(WAIT_MS_MAX, true);
  for (const { beacon } of page.sent) expect(beacon.played_ms).toBeLessThanOrEqual(TOLD_MS_MAX + LOOK_MS);
});

/** A browser's surroundings, and a video element that plays in them. */
function stage(answers: (path: string, body: unknown) => Response | Promise<Response>) {
  let time = 0;
  let looks: (() => void) | null = null;
  let hide: (() => void) | null = null;
  const video = { currentTime: 0, paused: false, ended: false, seeking: false, readyState: 0, videoWidth: 1280, videoHeight: 720 };
  const asked: { readonly path: string; readonly body: unknown; readonly init: RequestInit | undefined }[] = [];
  const around: Around = {
    now: () => 1_800_000_000_000 + time,
    clock: () => time,
    random: () => 0,
    every: (_ms, callback) => {
      looks = callback;
      return () => {
        looks = null;
      };
    },
    onHidden: (callback) => {
      hide = callback;
      return () => {
        hide = null;
      };
    },
    hidden: () => false,
    fetch: async (address, init) => {
      const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : null;
      asked.push({ path: String(address), body, init });
      return answers(String(address), body);
    },
  };
  const report = (options: Partial<QualityOptions> = {}) => reportQuality(video as unknown as HTMLVideoElement, { channel: 'demo', around, ...options });
  const pass = async (ms: number) => {
    for (const until = time + ms; time < until; ) {
      time += LOOK_MS;
      if (video.readyState > 1 && !video.paused) video.currentTime += LOOK_MS / 1_000;
      looks?.();
      await settled();
    }
  };
  return { video, asked, report, pass, hide: () => hide?.(), isOver: () => looks === null && hide === null };
}

const ok = (asked: object) => new Response(JSON.stringify(asked), { headers: { 'content-type': 'application/json' } });

test('a page asks whether to report, says how it started, and that it is left', async () => {
  const seen = stage((path) => ok(path.endsWith('/quality') ? { sample: 1, every_ms: 2_000 } : { quality: { sample: 1, every_ms: 2_000 } }));
  const report = seen.report({ url: 'https://fans.example/', hls: { playingDate: new Date(1_799_999_998_000), levels: [{ width: 720, height: 1280, bitrate: 9 }], currentLevel: 0 } });
  await seen.pass(1_000);
  seen.video.readyState = 4;
  await seen.pass(4_000);
  expect(seen.asked[0]?.path).toBe('https://fans.example/api/v1/channels/demo');
  const [, first, second] = seen.asked;
  expect(first?.path).toBe('https://fans.example/api/v1/channels/demo/quality');
  expect(first?.init).toMatchObject({ method: 'POST', keepalive: true, credentials: 'omit' });
  const beacons = [first?.body, second?.body] as Beacon[];
  expect(beacons.find(({ startup_ms }) => startup_ms !== undefined)?.startup_ms).toBe(1_250);
  expect(beacons.at(-1)).toMatchObject({ height: 720, bitrate: 9, sequence: 2 });
  expect(beacons.at(-1)?.session).toMatch(/^[0-9a-f]{32}$/);
  await seen.pass(2_500);
  const before = seen.asked.length;
  seen.hide();
  expect(seen.asked.length, 'while it is hidden there may be no later').toBe(before + 1);
  report.stop();
  expect(seen.isOver()).toBe(true);
});

test('where nothing is asked for, nobody is told anything', async () => {
  for (const answer of [ok({}), ok({ quality: null }), new Response('<html>log in</html>'), new Response('', { status: 404 })]) {
    const seen = stage(() => answer);
    seen.report();
    seen.video.readyState = 4;
    await seen.pass(30_000);
    expect(seen.asked).toHaveLength(1);
    expect(seen.isOver()).toBe(true);
  }
});

test('nothing that fails is heard of by the app', async () => {
  const asked = { sample: 1, everyMs: 1_000 };
  const broken = () => {
    throw new Error('the app is broken here');
  };
  const failing = stage(() => Promise.reject(new TypeError('no network')));
  failing.video.readyState = 4;
  failing.report({ asked });
  await failing.pass(30_000);
  expect(failing.asked.length).toBeGreaterThan(0);
  const unknown = stage(() => ok({}));
  unknown.video.readyState = 4;
  unknown.report({ asked, rung: broken, errors: broken });
  await unknown.pass(30_000);
  expect(unknown.asked, 'what is not known is not told').toEqual([]);
  const refused = stage(() => new Response('{}', { status: 400 }));
  refused.video.readyState = 4;
  refused.report({ asked });
  await refused.pass(30_000);
  expect(refused.asked).toHaveLength(1);
  expect(refused.isOver()).toBe(true);
  const gated = stage(() => new Response('<html>log in</html>'));
  gated.video.readyState = 4;
  gated.report({ asked });
  await gated.pass(30_000);
  expect(gated.asked.length, "a network's log-in page is no answer").toBeLessThan(8);
  expect(gated.isOver()).toBe(false);
});

test('what a channel says is asked for', () => {
  expect(askedOf({ id: 'demo', quality: { sample: 0.25, every_ms: 10_000 } })).toEqual({ sample: 0.25, everyMs: 10_000 });
  for (const channel of [null, 7, {}, { quality: { sample: '1', every_ms: 1 } }]) expect(askedOf(channel)).toBeNull();
});
