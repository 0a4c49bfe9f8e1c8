import { describe, expect, test } from 'vitest';

import { LOAD_DEADLINE_MS, RETURN_GRACE_MS, STALL_DEADLINE_MS, STEADY_MS } from '../limits';
import { type Command, type Supervisor, type SupervisorInput, initialSupervisor, isTroubled, step } from './supervisor';

/** Drives the machine on a clock of its own, and remembers what it was told to do. */
class Drive {
  state: Supervisor = initialSupervisor;
  now = 1_000_000;
  commands: Command[] = [];

  feed(...inputs: SupervisorInput[]): this {
    for (const input of inputs) {
      const next = step(this.state, input, this.now, 0.5);
      this.state = next.state;
      if (next.command !== 'none') this.commands.push(next.command);
    }
    return this;
  }

  /** Lets time pass, obeying every deadline on the way. */
  pass(ms: number, answer: (drive: Drive) => SupervisorInput | null = () => null): this {
    const end = this.now + ms;
    for (let { deadline } = this.state; deadline !== null && deadline.at <= end; { deadline } = this.state) {
      this.now = deadline.at;
      const told = this.commands.length;
      this.feed({ kind: 'timeout' });
      const reply = this.commands.length > told ? answer(this) : null;
      if (reply !== null) this.feed(reply);
    }
    this.now = end;
    return this;
  }
}

const live = { kind: 'show', status: 'live' } as const;
const offline = { kind: 'show', status: 'offline' } as const;
const unreachable = { kind: 'show', status: 'unreachable' } as const;
const flowing = { kind: 'flowing' } as const;
const stalled = { kind: 'stalled' } as const;
const silent = { kind: 'silent' } as const;
const failed = { kind: 'failed' } as const;
const ended = { kind: 'ended' } as const;

function playing(): Drive {
  const drive = new Drive().feed(live, flowing);
  drive.now += STEADY_MS;
  drive.commands = [];
  return drive.feed(flowing);
}

describe('the start', () => {
  test('loads as soon as the show is known to be live', () => {
    const drive = new Drive().feed(live);
    expect(drive.commands).toEqual(['load']);
    expect(drive.state.phase).toBe('loading');
    expect(drive.feed(flowing).state.phase).toBe('playing');
    expect(isTroubled(drive.state)).toBe(false);
  });

  test('loads nothing before the show, and loads when it begins', () => {
    const drive = new Drive().feed(offline, offline);
    expect(drive.commands).toEqual([]);
    expect(drive.state.phase).toBe('offline');
    expect(drive.feed(live, live).commands).toEqual(['load']);
  });

  test('without an answer it keeps asking, and loads after the first one', () => {
    const drive = new Drive().feed(unreachable);
    expect(drive.state.phase).toBe('reconnecting');
    expect(drive.feed(live).commands).toEqual(['load']);
  });

  test('a load that brings no picture is given up and tried again', () => {
    const drive = new Drive().feed(live).pass(LOAD_DEADLINE_MS);
    expect(drive.commands).toEqual(['load', 'unload']);
    expect(drive.pass(1_000).commands).toEqual(['load', 'unload', 'load']);
  });
});

describe('a lost source', () => {
  test('is looked for again within half a second', () => {
    const drive = playing().feed(failed);
    expect(drive.state.phase).toBe('reconnecting');
    expect(drive.pass(400).commands).toEqual(['unload', 'load']);
  });

  test('is tried at least four times in the first five seconds', () => {
    const drive = playing().feed(failed).pass(5_000, () => failed);
    expect(drive.commands.filter((command) => command === 'load').length).toBeGreaterThanOrEqual(4);
  });

  test('is looked for even while the restarted server does not know yet that the show is on', () => {
    const drive = playing().feed(failed, unreachable, offline);
    expect(drive.state.phase).toBe('reconnecting');
    expect(drive.pass(400).commands).toEqual(['unload', 'load']);
  });

  test('is given up when the show stays off', () => {
    const drive = playing().feed(failed, offline).pass(RETURN_GRACE_MS + 5_000, () => failed);
    expect(drive.state.phase).toBe('ended');
    expect(drive.state.deadline).toBeNull();
    expect(drive.feed(live).commands.at(-1)).toBe('load');
  });

  test('waits longer after each fault in a row, and starts quick again after steady playback', () => {
    const drive = playing();
    const waits: number[] = [];
    for (let fault = 0; fault < 4; fault += 1) {
      drive.feed(failed);
      waits.push((drive.state.deadline?.at ?? 0) - drive.now);
      drive.pass(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    drive.feed(flowing);
    drive.now += STEADY_MS;
    drive.feed(failed);
    expect((drive.state.deadline?.at ?? 0) - drive.now).toBe(waits[0]);
  });

  test('does not start quick again after a picture that lasted a moment only', () => {
    const drive = playing().feed(failed).pass(400).feed(flowing, failed);
    expect(drive.state.attempt).toBe(2);
  });

  test('is tried at once when the network comes back', () => {
    const drive = playing().feed(failed).pass(6_000, () => failed);
    const waiting = drive.state.deadline?.at ?? 0;
    drive.feed({ kind: 'nudged' });
    expect(drive.state.deadline?.at).toBeLessThanOrEqual(Math.min(waiting, drive.now + 300));
  });
});

describe('a stall', () => {
  test('is left to the source at first', () => {
    const drive = playing().feed(stalled).pass(STALL_DEADLINE_MS - 1);
    expect(drive.state.phase).toBe('buffering');
    expect(drive.commands).toEqual([]);
    expect(drive.feed(flowing).state.phase).toBe('playing');
  });

  test('that lasts ends in a fresh start', () => {
    const drive = playing().feed(stalled).pass(STALL_DEADLINE_MS);
    expect(drive.commands).toEqual(['unload']);
    expect(drive.state.phase).toBe('reconnecting');
  });

  test('is cut short when the show is off', () => {
    const drive = playing().feed(stalled, offline).pass(STALL_DEADLINE_MS / 2);
    expect(drive.commands[0]).toBe('unload');
  });

  test('of a stream whose publisher has vanished is waited out, and the last seconds are not played again', () => {
    const drive = playing().feed(stalled);
    for (let waited = 0; waited < 30_000; waited += 500) drive.feed(silent).pass(500);
    expect(drive.commands).toEqual([]);
    expect(drive.feed(flowing).state.phase).toBe('playing');
  });

  test('of a silent stream is not waited out for ever', () => {
    const drive = playing().feed(stalled);
    for (let waited = 0; waited < RETURN_GRACE_MS + 10_000; waited += 500) drive.feed(silent).pass(500);
    expect(drive.commands[0]).toBe('unload');
  });

  test('is none while the fan has paused', () => {
    const drive = playing().feed(stalled, { kind: 'paused' }).pass(STALL_DEADLINE_MS * 3);
    expect(drive.commands).toEqual([]);
    expect(drive.state.phase).toBe('playing');
  });
});

describe('the end of the stream', () => {
  test('shows that it is over, and goes on with the next stream', () => {
    const drive = playing().feed(ended, offline);
    expect(drive.state.phase).toBe('ended');
    expect(drive.feed(live).commands).toEqual(['unload', 'load']);
    expect(drive.feed(flowing).state.phase).toBe('playing');
  });

  test('looks for the next stream while the API still, or again, says live', () => {
    const drive = playing().feed(ended).pass(2_000, () => ended);
    expect(drive.state.phase).toBe('ended');
    expect(drive.commands.filter((command) => command === 'load').length).toBeGreaterThanOrEqual(2);
  });
});

test('inputs of a source that was dropped change nothing', () => {
  const drive = playing().feed(failed);
  const { state } = drive;
  expect(drive.feed(flowing, stalled, failed, ended).state).toEqual(state);
});

test('whatever happens in whatever order, there is always a way on', () => {
  const inputs: SupervisorInput[] = [
    live, offline, unreachable, flowing, stalled, silent, failed, ended, { kind: 'paused' }, { kind: 'nudged' }, { kind: 'timeout' },
  ];
  let seed = 7;
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  const drive = new Drive();
  for (let n = 0; n < 20_000; n += 1) {
    drive.now += Math.floor(random() * 3_000);
    drive.feed(inputs[Math.floor(random() * inputs.length)] as SupervisorInput);
    const { phase, loaded, deadline, show } = drive.state;
    // Either a source is attached, or a deadline is set, or the next answer of the API may start a load.
    expect(loaded || deadline !== null || show !== 'live').toBe(true);
    if (phase === 'playing' || phase === 'buffering') expect(loaded).toBe(true);
    if (phase === 'buffering') expect(deadline?.reason).toBe('stall');
  }
});
