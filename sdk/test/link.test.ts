import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { CONNECT_BACKOFF, REFUSED_BACKOFF, waitMs } from '../src/backoff.js';
import { BEAT_MS, OFFLINE_PROBE_MS, ONLINE_SPREAD_MS, SLEPT_MS, SLOT_MAX_MS, STEADY_MS, VISIBLE_SPREAD_MS } from '../src/limits.js';
import { type Link, type LinkCommand, type LinkInput, newLink, stepLink } from '../src/link.js';
import { returnAfterMs } from '../src/slot.js';

const RUNS = Number(process.env['FANWAVE_PROPERTY_RUNS'] ?? 2_000);

/** A link at a time that the test says. */
class Wire {
  link: Link = newLink(CONNECT_BACKOFF, true, true);
  now = 1_000_000;
  commands: LinkCommand[] = [];

  take(input: LinkInput, random = 0.5): LinkCommand {
    const { link, command } = stepLink(this.link, input, this.now, random);
    this.link = link;
    this.commands.push(command);
    return command;
  }

  /** How long until the next try, ms. */
  get wait(): number | null {
    return this.link.deadline === null ? null : this.link.deadline - this.now;
  }
}

const lost: LinkInput = { kind: 'lost', code: 1, reason: 'transport closed' };

function connected(): Wire {
  const wire = new Wire();
  wire.take({ kind: 'start' });
  wire.take({ kind: 'opened' });
  return wire;
}

describe('backoff', () => {
  test('full jitter: from nothing to the whole, and never more than the cap', () => {
    expect([0, 1, 2, 9, 500].map((attempt) => waitMs(CONNECT_BACKOFF, attempt, 0.999_999))).toEqual([1_000, 2_000, 4_000, 20_000, 20_000]);
    expect(waitMs(CONNECT_BACKOFF, 9, 0)).toBe(0);
    expect(waitMs(CONNECT_BACKOFF, 9, 0.5)).toBe(10_000);
  });

  test('grows with every fault, and is forgotten after a good connection', () => {
    const wire = connected();
    for (const most of [500, 1_000, 2_000, 4_000]) {
      wire.take(lost);
      expect(wire.wait).toBe(most);
      wire.now += most;
      expect(wire.take({ kind: 'timeout' })).toBe('connect');
    }
    wire.take({ kind: 'opened' });
    wire.now += STEADY_MS;
    wire.take(lost);
    expect(wire.wait).toBe(500);
  });

  test('a server that accepts and drops gets no hammering', () => {
    const wire = connected();
    for (let at = 0; at < 6; at += 1) {
      wire.take(lost);
      wire.now += wire.wait ?? 0;
      wire.take({ kind: 'timeout' });
      wire.take({ kind: 'opened' });
      wire.now += STEADY_MS - 1;
    }
    wire.take(lost);
    expect(wire.wait).toBe(10_000);
  });
});

describe('what the server says', () => {
  const slot: LinkInput = { kind: 'lost', code: 3001, reason: 'shutdown; after=740; prefer=wss://b.example' };

  test('its time is kept to, whatever else happens', () => {
    const wire = connected();
    wire.take(slot);
    expect(wire.wait).toBe(740);
    for (const kind of ['offline', 'online', 'hidden', 'visible', 'start', 'beat'] as const) wire.take({ kind });
    expect(wire.wait).toBe(740);
    wire.now += 739;
    expect(wire.take({ kind: 'timeout' })).toBe('none');
    wire.now += 1;
    expect(wire.take({ kind: 'timeout' })).toBe('connect');
  });

  test('a slot is read as the wire crate writes it, and is bounded', () => {
    expect(returnAfterMs(3001, 'shutdown; after=0; prefer=wss://b.example')).toBe(0);
    expect(returnAfterMs(3001, 'shutdown; room=demo; after=5; and more')).toBe(5);
    expect(returnAfterMs(3001, 'shutdown; after=999999999')).toBe(SLOT_MAX_MS);
    for (const reason of ['', '; ', 'shutdown', 'shutdown; after=', 'shutdown; after=-1', 'after=x']) expect(returnAfterMs(3001, reason)).toBeNull();
    expect(returnAfterMs(3008, 'slow; after=5')).toBeNull();
  });

  test('whoever is sent away stays away, and may ask again', () => {
    for (const code of [3503, 3507]) {
      const wire = connected();
      expect(wire.take({ kind: 'refused', code, final: false })).toBe('hang-up');
      expect(wire.link.phase).toBe('closed');
      for (const kind of ['online', 'visible', 'beat', 'timeout'] as const) expect(wire.take({ kind })).toBe('none');
      expect(wire.take({ kind: 'start' })).toBe('connect');
    }
  });

  test('a token that is refused is renewed, with growing waits', () => {
    const wire = connected();
    const waits = [1, 2, 3].map(() => {
      wire.take({ kind: 'refused', code: 3500, final: false });
      const { wait } = wire;
      expect(wire.link.renew).toBe(true);
      wire.now += wait ?? 0;
      expect(wire.take({ kind: 'timeout' })).toBe('connect');
      return wait;
    });
    expect(waits).toEqual([REFUSED_BACKOFF.firstMs / 2, REFUSED_BACKOFF.firstMs, REFUSED_BACKOFF.firstMs * 2]);
    wire.take({ kind: 'opened' });
    expect(wire.link.renew).toBe(false);
  });
});

describe('networks and pages', () => {
  test('when the network comes back, 10,000 phones do not come back together', () => {
    const deadlines = Array.from({ length: 10_000 }, (_, at) => {
      const wire = connected();
      for (let faults = 0; faults < 6; faults += 1) {
        wire.take(lost, 0.999);
        wire.now = wire.link.deadline ?? 0;
        wire.take({ kind: 'timeout' });
      }
      wire.take(lost, 0.999);
      wire.take({ kind: 'online' }, at / 10_000);
      return wire.wait ?? Number.NaN;
    });
    const most = Math.max(...Array.from({ length: ONLINE_SPREAD_MS / 100 }, (_, at) => deadlines.filter((d) => d >= at * 100 && d < at * 100 + 100).length));
    expect(Math.max(...deadlines)).toBeLessThanOrEqual(ONLINE_SPREAD_MS);
    expect(most, 'in any 100 ms').toBeLessThanOrEqual(510);
  });

  test('from Wi-Fi to cellular: the old socket is let go, within a second', () => {
    const wire = connected();
    expect(wire.take({ kind: 'offline' })).toBe('none');
    expect(wire.take({ kind: 'online' }, 0.7)).toBe('hang-up');
    expect(wire.wait).toBe(VISIBLE_SPREAD_MS * 0.7);
  });

  test('a network that only says that it is there changes nothing', () => {
    const wire = connected();
    expect(wire.take({ kind: 'online' })).toBe('none');
    expect(wire.link.phase).toBe('connected');
  });

  test('without a network it is tried now and then all the same', () => {
    const wire = connected();
    wire.take({ kind: 'offline' });
    wire.take(lost, 0);
    expect(wire.wait).toBe(OFFLINE_PROBE_MS / 2);
    wire.now += OFFLINE_PROBE_MS / 2;
    expect(wire.take({ kind: 'timeout' })).toBe('connect');
  });

  test('a phone that slept does not believe its socket', () => {
    const wire = connected();
    wire.take({ kind: 'beat' });
    wire.now += BEAT_MS + SLEPT_MS;
    expect(wire.take({ kind: 'beat' })).toBe('none');
    wire.now += BEAT_MS + SLEPT_MS + 1;
    expect(wire.take({ kind: 'beat' })).toBe('hang-up');
    expect(wire.wait).toBeLessThanOrEqual(VISIBLE_SPREAD_MS);
  });

  test('a hidden page that is let look once a minute has not slept', () => {
    const wire = connected();
    wire.take({ kind: 'hidden' });
    wire.take({ kind: 'beat' });
    wire.now += 60_000;
    expect(wire.take({ kind: 'beat' })).toBe('none');
  });

  test('whoever looks at the page again waits a second at most', () => {
    const wire = connected();
    wire.take({ kind: 'hidden' });
    for (let faults = 0; faults < 8; faults += 1) {
      wire.take(lost, 0.999);
      wire.now = wire.link.deadline ?? 0;
      wire.take({ kind: 'timeout' });
    }
    wire.take(lost, 0.999);
    expect(wire.wait).toBeGreaterThan(10_000);
    wire.take({ kind: 'visible' }, 0.5);
    expect(wire.wait).toBe(VISIBLE_SPREAD_MS / 2);
  });
});

const input: fc.Arbitrary<LinkInput> = fc.oneof(
  fc.constantFrom<LinkInput>(
    { kind: 'start' }, { kind: 'stop' }, { kind: 'opened' }, { kind: 'online' }, { kind: 'offline' }, { kind: 'visible' }, { kind: 'hidden' },
    { kind: 'beat' }, { kind: 'timeout' }, lost,
  ),
  fc.nat(100_000).map((after): LinkInput => ({ kind: 'lost', code: 3001, reason: `shutdown; after=${after}` })),
  fc.constantFrom(101, 3500, 3502, 3503, 3507, 3509).map((code): LinkInput => ({ kind: 'refused', code, final: false })),
);

test('whatever happens: one connection at a time, no try before a slot, and never stuck', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ input, passes: fc.nat(40_000), random: fc.double({ min: 0, max: 0.999_999, noNaN: true }) }), { maxLength: 80 }), (steps) => {
      const wire = new Wire();
      let open = false;
      let slotUntil = 0;
      for (const { input: next, passes, random } of steps) {
        wire.now += passes;
        const before = wire.link;
        const command = wire.take(next, random);
        if (command === 'connect') {
          expect(open, 'one at a time').toBe(false);
          expect(wire.now, 'not before the slot').toBeGreaterThanOrEqual(slotUntil);
          open = true;
        }
        if (command === 'hang-up') open = false;
        const { link } = wire;
        if (next.kind === 'stop') slotUntil = 0;
        else if (link.slot && !before.slot) slotUntil = link.deadline ?? 0;
        expect(link.deadline !== null, 'waits exactly while it is waiting').toBe(link.phase === 'waiting');
        expect(open).toBe(link.phase === 'connecting' || link.phase === 'connected');
        if (link.deadline !== null) expect(link.deadline - wire.now).toBeLessThanOrEqual(SLOT_MAX_MS);
      }
    }),
    { numRuns: RUNS },
  );
});
