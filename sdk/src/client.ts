/**
 * The connection of an app to a Fanwave server: a shell around the `centrifuge` client. When to connect is said by `link.ts`,
 * whose rules take the place of the library's own waits; what is shown is said by the rooms.
 */

import { Centrifuge, State, UnauthorizedError } from 'centrifuge';

import { Api } from './api.js';
import { type Backoff, CONNECT_BACKOFF } from './backoff.js';
import { type Environment, systemEnvironment } from './environment.js';
import { BEAT_MS, CALL_TIMEOUT_MS } from './limits.js';
import { type Link, type LinkInput, type Phase, newLink, stepLink } from './link.js';
import { Listeners } from './listeners.js';
import { isRecord } from './message.js';
import { RecordingChat } from './recording.js';
import type { Regions } from './regions.js';
import { Room, type RoomOptions } from './room.js';

/** Why a token is asked for. */
export type TokenReason =
  /** There was none yet. */
  | 'first'
  /** The one there was has expired. */
  | 'expired'
  /** The server did not take it. */
  | 'refused';

export interface ClientOptions {
  /** Address of the server, `https://fans.example`; of the page, if left out. */
  readonly url?: string;
  /**
   * Brings a token. When it throws, it is asked again, later; unless it throws `Unauthorized`: then the client stays away.
   */
  readonly getToken: (reason: TokenReason) => Promise<string>;
  /** Chooses among several regions; in place of `url`. Whoever has made it closes it. */
  readonly regions?: Regions;
  /** What the app is called in the server's log. */
  readonly name?: string;
  readonly backoff?: Backoff;
  /** A WebSocket class, where the platform has none. */
  readonly websocket?: unknown;
  readonly environment?: Environment;
}

/** How the connection stands, for the fan's eyes. */
export type ConnectionState =
  /** Nobody has asked for one. */
  | 'idle'
  /** For the first time. */
  | 'connecting'
  | 'connected'
  /** It was there, and is being tried again. */
  | 'reconnecting'
  /** The server did not take the token; another one is being asked for. */
  | 'refused'
  /** The server, or `Unauthorized`, wants this fan to stay away; `connect` tries anew. */
  | 'closed';

export interface ClientEvents {
  state: [state: ConnectionState];
}

/** Thrown by `getToken`: this fan may not come in, and need not ask again. */
export { UnauthorizedError as Unauthorized };

/** The library's codes for a disconnect that was asked for, and for one that `getToken` has asked for. */
const DISCONNECT_CALLED = 0;
const UNAUTHORIZED = 1;

export class FanwaveClient extends Listeners<ClientEvents> {
  /** The server's HTTP API. */
  readonly api: Api;
  readonly #client: Centrifuge;
  readonly #environment: Environment;
  readonly #rooms = new Map<string, Room>();
  #link: Link;
  #user: string | null = null;
  #state: ConnectionState = 'idle';
  #wasConnected = false;
  #tokenReason: TokenReason = 'first';
  #timer: (() => void) | undefined;
  #beat: (() => void) | undefined;
  #unwatch: (() => void) | undefined;
  readonly #unmove: (() => void) | undefined;
  /** The end of a connection that was ended from here is no news. */
  #hangingUp = false;

  constructor(private readonly options: ClientOptions) {
    super();
    this.#environment = options.environment ?? systemEnvironment();
    const { regions } = options;
    const base = regions?.url ?? (options.url ?? globalThis.location?.origin ?? '').replace(/\/+$/, '');
    if (!/^https?:\/\/[^/]/.test(base)) throw new TypeError('url has to be the address of a server, like https://fans.example');
    this.api = new Api(regions === undefined ? base : () => regions.url, this.#environment);
    this.#link = newLink(options.backoff ?? CONNECT_BACKOFF, this.#environment.online(), this.#environment.visible());
    this.#client = this.#makeClient(base);
    this.#unmove = regions?.on('moved', () => this.#feed({ kind: 'moved' }));
  }

  /** Who the fan is to the chat, as the token says; null before there is one. */
  get user(): string | null {
    return this.#user;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Opens a connection, and keeps it until `disconnect`. */
  connect(): void {
    this.#unwatch ??= this.#environment.watch((change) => this.#onSurrounding(change));
    if (this.#beat === undefined) this.#scheduleBeat();
    this.#feed({ kind: 'start' });
  }

  /** Ends it. Rooms stay, and go on where they were when `connect` is called. */
  disconnect(): void {
    this.#unwatch?.();
    this.#beat?.();
    this.#unwatch = undefined;
    this.#beat = undefined;
    this.#feed({ kind: 'stop' });
  }

  /** Comes back under another token, for a changed name; what is missed meanwhile is recovered. */
  renew(token: string): void {
    const wasWanted = this.#link.phase !== 'idle';
    this.#feed({ kind: 'stop' });
    this.#user = subjectOf(token);
    this.#client.setToken(token);
    if (wasWanted) this.#feed({ kind: 'start' });
  }

  /** The room of a channel; the same one for the same id, with the options of the first call. */
  room(id: string, options?: RoomOptions): Room {
    const known = this.#rooms.get(id);
    if (known !== undefined) return known;
    const room = new Room(
      id,
      {
        environment: this.#environment,
        user: () => this.#user,
        subscribe: (channel, data) =>
          this.#client.newSubscription(channel, { recoverable: true, positioned: true, ...(data === undefined ? {} : { data }) }),
        rpc: (method, data) => this.#client.rpc(method, data),
        history: (channel, lane, page) => this.api.history(channel, lane, page),
      },
      options,
    );
    this.#rooms.set(id, room);
    room.connected(this.#state === 'connected');
    return room;
  }

  /** Leaves a room. */
  leave(id: string): void {
    const room = this.#rooms.get(id);
    if (room === undefined) return;
    this.#rooms.delete(id);
    room.close();
    for (const lane of ['room', 'chat', 'staff']) {
      const subscription = this.#client.getSubscription(`${lane}:${id}`);
      if (subscription !== null) this.#client.removeSubscription(subscription);
    }
  }

  /** The chat beside a recording. It needs no connection and no token. */
  recording(id: string, lane: 'chat' | 'room' = 'chat'): RecordingChat {
    return new RecordingChat(id, lane, this.api, this.#environment);
  }

  /** Leaves everything, for good. */
  close(): void {
    this.#unmove?.();
    for (const id of [...this.#rooms.keys()]) this.leave(id);
    this.disconnect();
  }

  #makeClient(base: string): Centrifuge {
    const websocket = this.#socketClass();
    const client = new Centrifuge(socketOf(base), {
      getToken: () => this.#token(),
      name: this.options.name ?? 'fanwave-client',
      timeout: CALL_TIMEOUT_MS,
      // The network's events are ours to spread.
      networkEventTarget: new EventTarget(),
      ...(websocket === undefined ? {} : { websocket }),
    });
    client.on('connecting', ({ code, reason }) => {
      if (code !== DISCONNECT_CALLED) this.#feed({ kind: 'lost', code, reason });
    });
    client.on('connected', () => this.#feed({ kind: 'opened' }));
    client.on('disconnected', ({ code }) => {
      if (this.#hangingUp || code === DISCONNECT_CALLED) return;
      this.#feed({ kind: 'refused', code, final: code === UNAUTHORIZED });
    });
    client.on('error', ({ error }) => {
      // While it connects, an error is the end of the try; the library's own next one would not be spread.
      if (client.state === State.Connecting) this.#feed({ kind: 'lost', code: error.code, reason: error.message });
    });
    return client;
  }

  /** The library keeps to one address: where that may change, its sockets are opened here. */
  #socketClass(): unknown {
    const { regions, websocket = globalThis.WebSocket } = this.options;
    if (regions === undefined) return this.options.websocket;
    return function open() {
      return new (websocket as typeof WebSocket)(socketOf(regions.url));
    };
  }

  async #token(): Promise<string> {
    await this.options.regions?.ready;
    const reason = this.#tokenReason;
    const token = await this.options.getToken(reason);
    this.#tokenReason = 'expired';
    this.#user = subjectOf(token);
    return token;
  }

  #onSurrounding(change: 'online' | 'offline' | 'visible' | 'hidden'): void {
    // A page that is looked at again may have slept since the last beat.
    if (change === 'visible') this.#feed({ kind: 'beat' });
    this.#feed({ kind: change });
  }

  #scheduleBeat(): void {
    this.#beat = this.#environment.after(BEAT_MS, () => {
      this.#scheduleBeat();
      this.#feed({ kind: 'beat' });
    });
  }

  #feed(input: LinkInput): void {
    const before = this.#link;
    const { link, command } = stepLink(before, input, this.#environment.now(), this.#environment.random());
    this.#link = link;
    this.#tellRegions(before.phase);
    if (command === 'hang-up') this.#hangUp();
    if (command === 'connect') {
      if (link.renew) {
        this.#tokenReason = 'refused';
        this.#client.setToken('');
      }
      this.#client.connect();
    }
    this.#schedule();
    if (link.phase !== before.phase || link.renew !== before.renew) this.#tell();
  }

  /** A slot, a refusal and a device without a network are no faults of a region. */
  #tellRegions(before: Phase): void {
    const { phase, slot, renew, online } = this.#link;
    if (phase === 'connected' && before !== phase) this.options.regions?.opened();
    if (phase === 'waiting' && before === 'connecting' && !slot && !renew && online) this.options.regions?.fault();
  }

  #hangUp(): void {
    this.#hangingUp = true;
    this.#client.disconnect();
    this.#hangingUp = false;
  }

  #schedule(): void {
    this.#timer?.();
    this.#timer = undefined;
    const { deadline } = this.#link;
    if (deadline === null) return;
    const wait = Math.max(0, deadline - this.#environment.now());
    this.#timer = this.#environment.after(wait, () => this.#feed({ kind: 'timeout' }));
  }

  #tell(): void {
    const { phase, renew } = this.#link;
    const isConnected = phase === 'connected';
    this.#wasConnected ||= isConnected;
    const trying = renew ? 'refused' : this.#wasConnected ? 'reconnecting' : 'connecting';
    const state = phase === 'connecting' || phase === 'waiting' ? trying : phase;
    if (state === this.#state) return;
    const had = this.#state === 'connected';
    this.#state = state;
    if (had !== isConnected) for (const room of this.#rooms.values()) room.connected(isConnected);
    this.emit('state', state);
  }
}

/** Where the chat of a server is. */
function socketOf(base: string): string {
  return `${base.replace(/^http/, 'ws')}/connection/websocket`;
}

/** Whom a token is for; null where it cannot be read, which is the server's business and not ours. */
function subjectOf(token: string): string | null {
  try {
    const body = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    return isRecord(claims) && typeof claims['sub'] === 'string' ? claims['sub'] : null;
  } catch {
    return null;
  }
}
