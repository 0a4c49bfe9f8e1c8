/** A made-up world for the client: its sockets, its networks and its time. */

import { FanwaveClient } from '../src/client.js';
import type { Environment, Surrounding } from '../src/environment.js';
import type { Regions } from '../src/regions.js';

/** A world whose time passes when the test says so. */
export class World implements Environment {
  time = 1_000_000;
  readonly sockets: FakeSocket[] = [];
  #timers: { at: number; callback: () => void }[] = [];
  #listener: (change: Surrounding) => void = () => {};
  answers: (() => Response)[] = [];

  now = () => this.time;
  random = () => 0.5;
  online = () => true;
  visible = () => true;
  /** What there is at an address that is no part of `answers`: the region there, up or gone. */
  readonly regions = new Map<string, 'up' | 'gone'>();
  readonly asked: string[] = [];
  fetch = async (address: unknown) => {
    const { origin, pathname } = new URL(String(address), 'http://fans.example');
    this.asked.push(origin + pathname);
    if (pathname !== '/api/v1/regions') return (this.answers.length > 1 ? this.answers.shift() : this.answers[0])?.() ?? Response.error();
    if (this.regions.get(origin) !== 'up') throw new TypeError('no answer');
    const ranked = [...this.regions.keys()].map((url, rank) => ({ name: `r${rank}`, url }));
    return new Response(JSON.stringify({ here: null, ranked }));
  };

  after = (ms: number, callback: () => void) => {
    const timer = { at: this.time + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  watch = (listener: (change: Surrounding) => void) => {
    this.#listener = listener;
    return () => {};
  };

  get open(): FakeSocket[] {
    return this.sockets.filter(({ isOpen }) => isOpen);
  }

  /** Time passes, with everything that is due in it. */
  async pass(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      await settled();
      const due = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = until;
  }

  /** The device sleeps: time passes, and nobody is called meanwhile. */
  sleep(ms: number): void {
    this.time += ms;
  }

  change(what: Surrounding): void {
    this.#listener(what);
  }

  client(getToken: () => Promise<string>, regions?: Regions): FanwaveClient {
    const world = this;
    const websocket = class extends FakeSocket {
      constructor(url: string) {
        const { origin } = new URL(url.replace(/^ws/, 'http'));
        super(origin, world.regions.get(origin) !== 'gone');
        world.sockets.push(this);
      }
    };
    return new FanwaveClient({ url: 'http://fans.example', getToken, websocket, environment: this, ...(regions === undefined ? {} : { regions }) });
  }
}

/** A socket whose other end answers at once. */
export class FakeSocket {
  isOpen = true;
  readonly heard: Record<string, unknown>[] = [];
  onopen: () => void = () => {};
  onmessage: (event: { data: string }) => void = () => {};
  onclose: (event: { code: number; reason: string }) => void = () => {};
  onerror: () => void = () => {};

  /** @param origin whose it is @param up whether anybody is there */
  constructor(
    readonly origin: string,
    up: boolean,
  ) {
    queueMicrotask(() => (up ? this.onopen() : this.end(1006, '')));
  }

  send(frame: string): void {
    for (const line of frame.split('\n').filter(Boolean)) {
      const command = JSON.parse(line) as Record<string, unknown> & { id?: number };
      this.heard.push(command);
      const reply = answerTo(command);
      if (reply !== null) queueMicrotask(() => this.onmessage({ data: JSON.stringify({ id: command.id, ...reply }) }));
    }
  }

  close(): void {
    this.isOpen = false;
  }

  /** The other end ends it. */
  end(code: number, reason: string): void {
    this.isOpen = false;
    this.onclose({ code, reason });
  }
}

function answerTo(command: Record<string, unknown>): Record<string, unknown> | null {
  if ('connect' in command) return { connect: { client: 'c', version: '0', ping: 25, pong: true } };
  if ('subscribe' in command) return { subscribe: { recoverable: true, positioned: true, epoch: 'e', offset: 0 } };
  if ('history' in command) return { history: { publications: [], epoch: 'e', offset: 0 } };
  return null;
}

/** Everything that is ready to happen has happened. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}
