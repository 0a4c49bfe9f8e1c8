/** A room as an app sees it: its lanes, what the fan writes, what stands, who is there. */

import type { Subscription } from 'centrifuge';

import type { HistoryPage } from './api.js';
import { type Call, CallError, type Moderation, type PresencePage, follow, gift, moderation, presencePage, vote } from './calls.js';
import { Channel } from './channel.js';
import { type Environment, newId } from './environment.js';
import { LANE_FIRST_PAGE, LANE_KEPT, REACTION_TRIES_MAX, REACTION_WINDOW_MS } from './limits.js';
import { LIMITS } from './generated/wire.js';
import { Listeners } from './listeners.js';
import { type Entry, type LaneName, type Notice, type ReplyTo, type ReportedEvent, isSaid, isRecord, parseAcknowledgement } from './message.js';
import { type OutboxInput, type Outgoing, type Patience, PATIENCE, emptyOutbox, hasRoom, isOpen, outboxDeadline, stepOutbox } from './outbox.js';
import { type Clock, type PlayerSource, followPlayer } from './player.js';
import { type Standing, nothingStands, withEntry, withNotice } from './standing.js';

/** Where own messages are kept that were not answered, so that they are not lost with the page. */
export interface OutboxStorage {
  load(key: string): string | null | Promise<string | null>;
  save(key: string, text: string): void | Promise<void>;
}

export interface RoomOptions {
  /** Also follow the moderators' lane; the server lets roles from `moderator` on. */
  readonly staff?: boolean;
  /** Languages of the chat to be shown; all, if left out. */
  readonly languages?: readonly string[];
  /** Entries of a lane that are kept to be shown. */
  readonly kept?: number;
  /** The newest entries that a lane is loaded with. */
  readonly firstPage?: number;
  /** For how long own messages go on being tried. */
  readonly patience?: Patience;
  readonly storage?: OutboxStorage;
}

export interface RoomEvents {
  /** The next entry of a lane: in order, each once. */
  entry: [entry: Entry];
  /** Are not to be seen any more: deleted, or the fan went back in the show. */
  hidden: [entries: readonly Entry[], lane: LaneName];
  /** The lane's log is another one: everything of it is gone. */
  reset: [lane: LaneName];
  /** Entries between two offsets are missing and cannot be had. */
  gap: [gap: { lane: LaneName; after: number; before: number }];
  /** True for a moment. */
  notice: [notice: Notice, lane: LaneName];
  /** The state of an own message has changed. */
  outgoing: [message: Outgoing];
  /** Mode, pins or polls have changed. */
  standing: [standing: Standing];
  /** A lane cannot be followed. */
  closed: [lane: LaneName, code: number, reason: string];
  /** Something that is drawn has changed. */
  change: [];
}

/** What a room needs of its client. */
export interface RoomPort {
  readonly environment: Environment;
  /** Who the fan is to the chat; null while it is not known. */
  user(): string | null;
  subscribe(channel: string, data?: unknown): Subscription;
  rpc(method: string, data: unknown): Promise<{ data: unknown }>;
  history(channel: string, lane: 'chat' | 'room', page: { before?: number; limit?: number }): Promise<HistoryPage>;
}

/** An own message on its way. */
export interface Sending {
  readonly id: string;
  /** When it is decided: sent, held or given up. Never rejects. */
  readonly settled: Promise<Outgoing>;
}

export class Room extends Listeners<RoomEvents> {
  /** What moderators do. */
  readonly moderate: Moderation;

  readonly #channels = new Map<LaneName, Channel>();
  readonly #waiting = new Map<string, ((message: Outgoing) => void)[]>();
  #outbox;
  #outboxTimer: (() => void) | undefined;
  #standing = nothingStands;
  #taps = new Map<string, number>();
  #tapTimer: (() => void) | undefined;
  #clock: Clock | undefined;
  #closed = false;

  constructor(
    readonly id: string,
    private readonly port: RoomPort,
    private readonly options: RoomOptions = {},
  ) {
    super();
    this.moderate = moderation(this.#call, id);
    this.#outbox = emptyOutbox(options.patience ?? PATIENCE);
    const lanes: LaneName[] = options.staff === true ? ['room', 'chat', 'staff'] : ['room', 'chat'];
    for (const lane of lanes) this.#channels.set(lane, this.#follow(lane));
    void this.#recall();
  }

  /** What is to be seen of a lane, in its order. */
  entries(lane: LaneName = 'chat'): readonly Entry[] {
    return this.#channels.get(lane)?.entries ?? [];
  }

  /** Own messages that are not in their lane yet, in the order of writing. */
  get outgoing(): readonly Outgoing[] {
    return this.#outbox.items;
  }

  /** Mode, pins and polls. */
  get standing(): Standing {
    return this.#standing;
  }

  /** Whether one more message may be written. */
  get hasRoom(): boolean {
    return hasRoom(this.#outbox);
  }

  /**
   * Says something. It is sent once there is a connection, and again until the server has said where it stands.
   *
   * Throws a `RangeError` when too many are waiting.
   */
  send(text: string, options: { lane?: 'chat' | 'room'; reply_to?: ReplyTo; id?: string } = {}): Sending {
    if (!this.hasRoom) throw new RangeError('too many messages are waiting: let them go first');
    const { lane = 'chat', id = newId(), reply_to } = options;
    const settled = new Promise<Outgoing>((resolve) => this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), resolve]));
    this.#take({ kind: 'written', message: { id, lane, text, ...(reply_to === undefined ? {} : { reply_to }) } });
    return { id, settled };
  }

  /** Sends a message again that was given up, under its id: taken twice it is still one message. */
  retry(id: string): void {
    this.#take({ kind: 'retried', id });
  }

  /** Forgets a message that was given up. */
  dismiss(id: string): void {
    this.#take({ kind: 'dismissed', id });
  }

  /** Taps. They are gathered, and counted once. */
  react(kind: string, count = 1): void {
    if (this.#taps.size >= LIMITS.REACTION_KINDS_MAX && !this.#taps.has(kind)) return;
    this.#taps.set(kind, Math.min(LIMITS.REACTION_TAPS_MAX, (this.#taps.get(kind) ?? 0) + count));
    this.#tapTimer ??= this.port.environment.after(REACTION_WINDOW_MS, () => void this.#sendTaps());
  }

  /** Answers a poll. Throws `CallError`. */
  vote(poll: string, choice: number): Promise<void> {
    return vote(this.#call, this.id, poll, choice);
  }

  /** Tells the moderators of a message of the chat; one report a fan and message, however often it is sent. Throws `CallError`. */
  async report(offset: number, reason: ReportedEvent['reason']): Promise<void> {
    await this.#call('report', { room: this.id, offset, reason });
  }

  /** Gives something. Throws `CallError`. */
  gift(given: { gift: string; count?: number; text?: string; id?: string }): Promise<void> {
    return gift(this.#call, this.id, given);
  }

  /** Which languages of the chat to be shown. Throws `CallError`. */
  follow(languages: readonly string[] | 'all'): Promise<void> {
    return follow(this.#call, this.id, languages);
  }

  /** Who is there, page by page. Throws `CallError`. */
  presence(page: { after?: string; limit?: number } = {}): Promise<PresencePage> {
    return presencePage(this.#call, this.id, page);
  }

  /** How many are there, on all servers. Throws `CallError`. */
  async watchers(): Promise<{ connections: number; users: number }> {
    try {
      const chat = this.#channels.get('chat');
      if (chat === undefined) throw new CallError(0, 'the room was left', false);
      return await chat.presenceStats();
    } catch (error) {
      throw CallError.of(error);
    }
  }

  /** Older entries, newest first, for whoever scrolls up; nothing of it is kept here. Throws `ApiError`. */
  history(page: { lane?: 'chat' | 'room'; before?: number; limit?: number } = {}): Promise<HistoryPage> {
    const { lane = 'chat', ...rest } = page;
    return this.port.history(this.id, lane, rest);
  }

  /**
   * Shows the room at the fan's own playhead: nothing is to be seen before its moment in the picture. Own messages are.
   *
   * Returns what lets go of the player.
   */
  attachPlayer(source: PlayerSource): () => void {
    this.#clock?.detach();
    const clock = followPlayer(source, this.port.environment, (playhead) => {
      for (const channel of this.#channels.values()) channel.move(playhead);
    }, (notice) => this.#tell(notice, 'chat'));
    this.#clock = clock;
    return () => {
      if (this.#clock === clock) this.#clock = undefined;
      clock.detach();
    };
  }

  /** For the client: there is a connection, or there is none. */
  connected(connected: boolean): void {
    this.#take({ kind: connected ? 'connected' : 'disconnected' });
  }

  /** For the client: leaves. */
  close(): void {
    this.#closed = true;
    this.#clock?.detach();
    this.#outboxTimer?.();
    this.#tapTimer?.();
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #follow(lane: LaneName): Channel {
    const { kept = LANE_KEPT, firstPage = LANE_FIRST_PAGE, languages } = this.options;
    const data = lane === 'chat' && languages !== undefined ? { languages } : undefined;
    return new Channel(
      lane,
      this.port.subscribe(`${lane}:${this.id}`, data),
      this.port.environment,
      {
        heard: (entry, epoch) => this.#onHeard(entry, epoch),
        shown: (entry) => this.#onShown(entry),
        hidden: (entries) => this.#onHidden(entries, lane),
        reset: (epoch) => {
          this.#take({ kind: 'gone', lane, isGone: (place) => place.epoch !== epoch });
          if (lane === 'room') this.#stands(nothingStands);
          this.emit('reset', lane);
          this.emit('change');
        },
        gap: (after, before) => this.emit('gap', { lane, after, before }),
        notice: (notice) => this.#onNotice(notice, lane),
        closed: (code, reason) => this.emit('closed', lane, code, reason),
      },
      { kept, firstPage },
    );
  }

  /** Acts of moderation count at once, whatever the fan sees of the show. */
  #onHeard(entry: Entry, epoch: string): void {
    if (isSaid(entry)) {
      if (this.#isOwn(entry)) this.#take({ kind: 'seen', entry, epoch });
      return;
    }
    const { event } = entry;
    const chat = this.#channels.get('chat');
    if (event.type === 'deleted') {
      this.#take({ kind: 'gone', lane: 'chat', isGone: ({ offset }) => offset === event.offset });
      chat?.take({ kind: 'deleted', offset: event.offset });
    } else if (event.type === 'cleared') {
      if (event.user === this.port.user()) this.#take({ kind: 'gone', lane: 'chat', isGone: ({ offset }) => offset <= event.through });
      chat?.take({ kind: 'cleared', user: event.user, through: event.through });
    } else if (event.type === 'mode') this.#stands(withEntry(this.#standing, entry));
  }

  /** The same id is the same message only of the same sender: others may use it, too. */
  #isOwn({ id, user }: Entry): boolean {
    const me = this.port.user();
    return (me === null || me === user) && this.#outbox.items.some((item) => item.id === id);
  }

  #onShown(entry: Entry): void {
    if (isSaid(entry) && this.#isOwn(entry)) this.#take({ kind: 'shown', entry });
    if (entry.lane === 'room' && !isSaid(entry) && entry.event.type !== 'mode') this.#stands(withEntry(this.#standing, entry));
    this.emit('entry', entry);
    this.emit('change');
  }

  #onHidden(entries: readonly Entry[], lane: LaneName): void {
    if (lane === 'room') {
      const { mode } = this.#standing;
      this.#stands({ ...this.entries('room').reduce(withEntry, nothingStands), mode });
    }
    this.emit('hidden', entries, lane);
    this.emit('change');
  }

  #onNotice(notice: Notice, lane: LaneName): void {
    if (this.#clock === undefined || !this.#clock.delays(notice)) this.#tell(notice, lane);
  }

  #tell(notice: Notice, lane: LaneName): void {
    if (notice.type === 'tally') this.#stands(withNotice(this.#standing, notice));
    this.emit('notice', notice, lane);
  }

  #stands(standing: Standing): void {
    if (standing === this.#standing) return;
    this.#standing = standing;
    this.emit('standing', standing);
    this.emit('change');
  }

  #take(input: OutboxInput): void {
    const { environment } = this.port;
    const before = this.#outbox;
    const { outbox, send, changed } = stepOutbox(before, input, environment.now(), environment.random());
    this.#outbox = outbox;
    if (send !== null) void this.#carry(send);
    for (const message of changed) {
      this.emit('outgoing', message);
      if (!isOpen(message)) this.#settled(message);
    }
    if (outbox.items !== before.items) this.emit('change');
    if (changed.length > 0) void this.#remember();
    this.#outboxTimer?.();
    this.#outboxTimer = undefined;
    const deadline = this.#closed ? null : outboxDeadline(outbox);
    if (deadline !== null) {
      this.#outboxTimer = environment.after(Math.max(0, deadline - environment.now()), () => this.#take({ kind: 'timeout' }));
    }
  }

  async #carry({ id, lane, text, reply_to }: Outgoing): Promise<void> {
    try {
      const { data } = await this.port.rpc('send', { channel: `${lane}:${this.id}`, id, text, ...(reply_to === undefined ? {} : { reply_to }) });
      this.#take({ kind: 'answered', id, answer: parseAcknowledgement(data) });
    } catch (error) {
      this.#take({ kind: 'failed', id, error });
    }
  }

  #settled(message: Outgoing): void {
    for (const resolve of this.#waiting.get(message.id) ?? []) resolve(message);
    this.#waiting.delete(message.id);
  }

  async #sendTaps(): Promise<void> {
    this.#tapTimer = undefined;
    const taps = Object.fromEntries(this.#taps);
    this.#taps = new Map();
    const batch = newId();
    for (let tries = 0; tries < REACTION_TRIES_MAX; tries += 1) {
      try {
        await this.#call('react', { room: this.id, batch, taps });
        return;
      } catch (error) {
        // Refused is refused; without an answer the same batch may be sent again, and counts once.
        if (CallError.of(error).code >= 100) return;
      }
    }
  }

  readonly #call: Call = async (method, data) => {
    try {
      return (await this.port.rpc(method, data)).data;
    } catch (error) {
      throw CallError.of(error);
    }
  };

  get #storageKey(): string {
    return `fanwave.outbox.${this.id}`;
  }

  async #remember(): Promise<void> {
    const open = this.#outbox.items.filter(isOpen).map(({ id, lane, text, reply_to, at, state }) => ({ id, lane, text, reply_to, at, state }));
    try {
      await this.options.storage?.save(this.#storageKey, JSON.stringify(open));
    } catch {
      // Without storage, what was not answered is lost with the page; nothing else is.
    }
  }

  async #recall(): Promise<void> {
    try {
      const text = (await this.options.storage?.load(this.#storageKey)) ?? '[]';
      const kept = JSON.parse(text) as unknown;
      const messages = Array.isArray(kept) ? kept.filter(isOutgoing) : [];
      if (messages.length > 0 && !this.#closed) this.#take({ kind: 'remembered', messages });
    } catch {
      // What cannot be read is as good as nothing.
    }
  }
}

function isOutgoing(value: unknown): value is Outgoing {
  if (!isRecord(value)) return false;
  const { id, lane, text, at, state } = value;
  return (
    typeof id === 'string' && (lane === 'chat' || lane === 'room') && typeof text === 'string' && typeof at === 'number' &&
    (state === 'pending' || state === 'unknown')
  );
}
