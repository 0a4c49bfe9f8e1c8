/**
 * The chat's connection: a shell around the `centrifuge` client that turns what happens into inputs of the list.
 *
 * It connects with a guest token, subscribes to both lanes, loads history where recovery could not, and carries sends
 * until they are acknowledged or their time is up. It decides nothing about what is shown. The client library does the
 * reconnecting and the recovery by epoch and offset; only what it takes for final (a refused token) is tried again here.
 */

import { Centrifuge, State, type Subscription, SubscriptionState } from 'centrifuge';

import { REFUSED_BACKOFF, SEND_BACKOFF, backoffMs } from '../backoff';
import { HISTORY_PAGE, SEND_DEADLINE_MS } from '../limits';
import type { GuestKeeper } from './guest';
import type { ChatInput } from './list';
import { type Lane, parsePublication, parseSendAck, parseTold } from './message';
import { outcomeOf } from './outcome';
import { returnAfterMs } from './slot';

/** How the connection stands, for the fan's eyes. */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'refused' | 'paused';

/** Whom the session tells. */
export interface SessionEvents {
  readonly input: (input: ChatInput) => void;
  readonly connection: (state: ConnectionState) => void;
  /** The room has had so many more messages than it shows. */
  readonly more: (count: number) => void;
}

/** The channels of one show. */
export type Lanes = Readonly<Record<Lane, string>>;

/** The library's code for a disconnect that we asked for ourselves. */
const DISCONNECT_CALLED = 0;

export class ChatSession {
  readonly #client: Centrifuge;
  readonly #chat: Subscription;
  readonly #closed = new AbortController();
  /** Sends go one after the other, so that a fan's own messages keep their order through a bad network. */
  #sending: Promise<void> = Promise.resolve();
  /** Over when this fan's turn has come to connect to another server; the library calls that disconnected. */
  #returning: Promise<void> = Promise.resolve();
  #wasConnected = false;
  #hadToken = false;
  #refusals = 0;

  constructor(
    private readonly lanes: Lanes,
    private readonly guests: GuestKeeper,
    private readonly events: SessionEvents,
  ) {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.#client = new Centrifuge(`${scheme}://${location.host}/connection/websocket`, {
      getToken: () => this.#token(),
      name: 'fanwave-web',
      minReconnectDelay: 300,
      maxReconnectDelay: 5_000,
    });
    this.#client.on('connecting', ({ code, reason }) => {
      this.events.connection(this.#wasConnected ? 'reconnecting' : 'connecting');
      const wait = returnAfterMs(code, reason);
      if (wait !== null) this.#returning = this.#returnAfter(wait);
    });
    this.#client.on('connected', () => {
      this.#wasConnected = true;
      this.#refusals = 0;
      this.events.connection('connected');
    });
    this.#client.on('disconnected', ({ code }) => {
      if (code !== DISCONNECT_CALLED) this.#onRefused();
    });
    this.#subscribe('room');
    this.#chat = this.#subscribe('chat');
    this.#client.connect();
  }

  /** Sends a message that the list already shows as pending; the list hears how it went. */
  send(id: string, text: string): void {
    const deadline = Date.now() + SEND_DEADLINE_MS;
    this.#sending = this.#sending.then(() => this.#carry(id, text, deadline));
  }

  /** Connects anew under the current token, for a changed name; what is missed meanwhile is recovered. */
  async rename(name: string): Promise<void> {
    const token = await this.guests.rename(name);
    this.#client.setToken(token);
    this.#client.disconnect();
    this.#client.connect();
  }

  /** How many people are in the chat; null when the server does not say. */
  async watchers(): Promise<number | null> {
    if (this.#client.state !== State.Connected) return null;
    try {
      return (await this.#chat.presenceStats()).numUsers;
    } catch {
      return null;
    }
  }

  /** Leaves for good. */
  close(): void {
    this.#closed.abort();
    this.#client.disconnect();
  }

  /** The library asks once for its first token, and again only when that one has expired or is about to. */
  async #token(): Promise<string> {
    const token = await (this.#hadToken ? this.guests.renewed() : this.guests.token());
    this.#hadToken = true;
    return token;
  }

  #subscribe(lane: Lane): Subscription {
    const subscription = this.#client.newSubscription(this.lanes[lane], { recoverable: true, positioned: true });
    subscription.on('publication', (publication) => {
      const message = parsePublication(lane, publication);
      if (message !== null) {
        this.events.input({ kind: 'published', message });
        return;
      }
      const told = parseTold(publication);
      if (told === null) return;
      if (told.kind === 'more') this.events.more(told.count);
      else if (told.kind === 'paused') this.events.connection('paused');
      else if (told.kind === 'resumed') this.events.connection('connected');
      else this.events.input(told);
    });
    subscription.on('subscribed', (context) => {
      const epoch = context.streamPosition?.epoch;
      if (epoch !== undefined) this.events.input({ kind: 'positioned', lane, epoch });
      if (!context.wasRecovering || !context.recovered) void this.#loadHistory(lane, subscription);
    });
    subscription.subscribe();
    return subscription;
  }

  async #loadHistory(lane: Lane, subscription: Subscription): Promise<void> {
    for (let attempt = 0; !this.#closed.signal.aborted; attempt += 1) {
      try {
        const { publications, epoch } = await subscription.history({ limit: HISTORY_PAGE, reverse: true });
        const messages = publications
          .map((publication) => parsePublication(lane, publication))
          .filter((message) => message !== null);
        this.events.input({ kind: 'history', lane, epoch, messages });
        return;
      } catch {
        // A lost connection ends in a new subscription, which loads anew; only a busy server is asked again here.
        if (subscription.state !== SubscriptionState.Subscribed) return;
        await this.#pause(backoffMs(REFUSED_BACKOFF, attempt, Math.random()));
      }
    }
  }

  async #carry(id: string, text: string, deadline: number): Promise<void> {
    for (let attempt = 0; !this.#closed.signal.aborted; attempt += 1) {
      try {
        await this.#returning;
        await this.#client.ready(Math.max(1, deadline - Date.now()));
        const { data } = await this.#client.rpc('send', { channel: this.lanes.chat, id, text });
        const ack = parseSendAck(data);
        // Without its place the message stays pending until its publication comes, which tells the same.
        if (ack !== null) this.events.input({ kind: 'acknowledged', id, ...ack });
        return;
      } catch (error) {
        const outcome = outcomeOf(error);
        const wait = backoffMs(SEND_BACKOFF, attempt, Math.random());
        if (outcome.kind === 'give-up' || Date.now() + wait >= deadline) {
          this.events.input({ kind: 'failed', id, reason: outcome.reason });
          return;
        }
        await this.#pause(wait);
      }
    }
  }

  /** The library gave up: the token was refused or the server forbade to come back. A fan still must not be stuck. */
  #onRefused(): void {
    if (this.#closed.signal.aborted) return;
    this.events.connection('refused');
    const wait = backoffMs(REFUSED_BACKOFF, this.#refusals, Math.random());
    this.#refusals += 1;
    void this.#pause(wait).then(() => this.#connectRenewed());
  }

  /** A server that stops gives everybody a time of their own to come back: the library's own waits are put aside. */
  async #returnAfter(wait: number): Promise<void> {
    this.#client.disconnect();
    await this.#pause(wait);
    if (!this.#closed.signal.aborted) this.#client.connect();
  }

  async #connectRenewed(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    try {
      this.#client.setToken(await this.guests.renewed());
    } catch {
      // The API is away as well; the connection below fails and brings us back here, later.
    }
    this.#client.connect();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#closed.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
    });
  }
}
