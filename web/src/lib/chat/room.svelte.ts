/**
 * The chat as the views see it: a room of the SDK, the list and the fan's own name, as reactive values.
 *
 * What changes is drawn in an animation frame, and a few lines at a time, so that a burst of messages neither jumps nor stops a slow phone; what
 * the fan does is drawn in the next frame. In a hidden tab nothing is drawn at all; the room itself is bounded and goes on.
 */

import {
  CallError, type ConnectionState as Connection, FanwaveClient, type Mode, type Outgoing, type Pin, type Player, type ReportedEvent, type Room, type Said,
  type Standing,
  type TokenReason,
} from '@fanwave/client';

import { type Api, ApiError, type Channel, here } from '../api';
import { jitteredMs } from '../backoff';
import { language } from '../i18n/current.svelte';
import { recall, remember } from '../keep';
import { HIDDEN_UNDO_MS, HISTORY_PAGE, MESSAGES_DRAWN_EVERY_MS, MESSAGES_SHOWN_MAX, REPORTS_KNOWN_MAX, REPORT_TOLD_MS, SEND_DEADLINE_MS, TRANSLATIONS_MAX } from '../limits';
import { regions } from '../region';
import { Ballot } from './ballot.svelte';
import { roomOf, outgoingText } from './compose';
import { GuestKeeper, NAME_REFUSED } from './guest';
import { type Hidden, hides, nothingHidden, parseHidden, withoutMessage, withoutUser } from './hide';
import { type ChatInput, type Row, emptyList, isHeld, missed, paced, reduce, rows, stageMessage } from './list';
import { friendlyName } from './nickname';
import { afterRefused, afterSent } from './pace';
import { type ReactionKind, type Taps, ofOthers, plus } from './reaction';
import { Shelf } from './shelf.svelte';
import { translated, translator } from './translate';

const HIDDEN_KEPT_AS = 'hidden';
const ALOUD_KEPT_AS = 'aloud';

/** How the connection stands, for the fan's eyes. */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'refused' | 'paused';

/** How long the notice about writing too fast stays. */
const NOTICE_MS = 5_000;

/** How long the count of what was not shown stays after the last of it. */
const MORE_MS = 4_000;

/** How often the number of people in the chat is asked for. */
const WATCHERS_INTERVAL_MS = 20_000;

/** Who was sent away asks again so often: a ban may be over, and nobody has to reload the page. */
const CLOSED_INTERVAL_MS = 60_000;

/** A fan looks at the page and waits: it tries sooner than an app in a pocket would. */
const CONNECT_BACKOFF = { firstMs: 600, factor: 2, maxMs: 5_000 };

/** What is not taken is shown as such, with its button, rather than tried behind the fan's back. */
const PATIENCE = { tooFastMs: 0, unavailableMs: 0, offlineMs: SEND_DEADLINE_MS };

/** What a fan finds wrong with a message. */
export type ReportReason = ReportedEvent['reason'];

/** How a change of the nickname went. */
export type Renaming = 'done' | 'refused' | 'failed';

/** How a fan comes in, where that is not as a guest of the server that the page is from. */
export interface Entrance {
  readonly api: Api;
  /** Brings tokens of an app that knows the fan; null: they are a guest. */
  readonly token: ((reason: TokenReason) => Promise<string>) | null;
  /** What the app calls the fan; null while that is not known. */
  readonly name: () => string | null;
  /** Hears everything said, when it is to be seen. */
  readonly onSaid: (said: Said) => void;
}

export class ChatRoom {
  /** What is drawn. */
  view = $state.raw<readonly Row[]>([]);
  /** Messages that came while the fan reads further up. */
  missed = $state(0);
  /** The newest message from the stage. */
  stage = $state.raw<Said | null>(null);
  connection = $state<ConnectionState>('connecting');
  /** The fan's nickname; null until there is one. */
  name = $state<string | null>(null);
  /** The room asked the fan to write more slowly. */
  slowDown = $state(false);
  /** Messages of the last seconds that were said and not shown, because nobody could have read them. */
  more = $state(0);
  /** People in the chat; null while unknown. */
  watchers = $state<number | null>(null);
  /** What the room asks of writers; null until it was said. */
  mode = $state.raw<Mode | null>(null);
  /** What is held up; null for nothing. */
  pin = $state.raw<Pin | null>(null);
  /** Until when the fan may not write, Unix ms; null for now. */
  pausedUntil = $state<number | null>(null);
  /** What the next message answers. */
  replyTo = $state.raw<Row | null>(null);
  /** Whom and what the fan does not want to see. */
  hidden = $state.raw<Hidden>(parseHidden(recall(HIDDEN_KEPT_AS)));
  /** Who was hidden just now, and what was before: for the way back. */
  justHidden = $state.raw<{ readonly name: string; readonly before: Hidden } | null>(null);
  /** What became of the last report; null when that was said long enough. */
  justReported = $state<'done' | 'failed' | null>(null);
  /** Screen readers are told of what is new; whoever wants silence ends it. */
  aloud = $state(recall(ALOUD_KEPT_AS) !== false);
  /** Translations by the key of their message. */
  translations = $state.raw<ReadonlyMap<string, string>>(new Map());
  /** What the channel has of its own to be put into a message. */
  readonly shelf: Shelf;
  /** The poll, and the fan's votes. */
  readonly ballot = new Ballot((poll, choice) => this.#room.vote(poll, choice));

  #list = emptyList;
  #isHidden = hides(this.hidden);
  #ownTaps: Taps = {};
  readonly #tapListeners = new Set<(taps: Taps) => void>();
  /** Offsets of what this fan has reported, oldest first. */
  #reported: readonly number[] = [];
  #reportTimer: ReturnType<typeof setTimeout> | undefined;
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  #me: string | null = null;
  #frame: number | null = null;
  #drawTimer: ReturnType<typeof setTimeout> | undefined;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #moreTimer: ReturnType<typeof setTimeout> | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;
  #watchersTimer: ReturnType<typeof setTimeout> | undefined;
  #closedTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the fan may call themselves something else: an app's users may not. */
  readonly renames: boolean;
  readonly #guests: GuestKeeper;
  readonly #client: FanwaveClient;
  readonly #room: Room;

  /** @param player where the fan is in the show: nothing is to be read before its moment in the picture */
  constructor(channel: Channel, player: Player, entrance?: Entrance) {
    const api = entrance?.api ?? here;
    const token = entrance?.token ?? null;
    this.shelf = new Shelf(channel.id, api);
    const choice = api === here ? regions() : null;
    this.renames = token === null;
    this.#guests = new GuestKeeper(
      () => friendlyName(language(), Math.random),
      ({ user, name }) => {
        // A guest of an earlier visit is not who the app says.
        if (token !== null) return;
        this.name = name;
        this.#me = user;
        this.#draws();
      },
      api,
    );
    this.#client = new FanwaveClient({
      ...(choice === null ? (api === here ? {} : { url: api.base }) : { regions: choice }),
      getToken: async (reason) => {
        if (token === null) return reason === 'first' ? this.#guests.token() : this.#guests.renewed();
        const brought = await token(reason);
        this.name = entrance?.name() ?? null;
        return brought;
      },
      name: 'fanwave-web',
      backoff: CONNECT_BACKOFF,
    });
    this.#room = this.#client.room(channel.id, { kept: MESSAGES_SHOWN_MAX, firstPage: HISTORY_PAGE, patience: PATIENCE });
    if (entrance !== undefined) this.#room.on('entry', (entry) => 'text' in entry && entrance.onSaid(entry));
    this.#listen();
    this.#room.attachPlayer(player);
    this.#client.connect();
  }

  /** Sends a draft; false when it cannot be sent now, and the draft should stay. */
  send(draft: string): boolean {
    if (!roomOf(draft).sendable || !this.#room.hasRoom || (this.pausedUntil ?? 0) > Date.now()) return false;
    // Whoever writes wants to see it: the list lets go of what was being read.
    this.#apply({ kind: 'released' });
    const { offset, user } = this.replyTo ?? { offset: null, user: '' };
    this.#room.send(outgoingText(draft), offset === null ? {} : { reply_to: { offset, user } });
    this.replyTo = null;
    return true;
  }

  /** Taps once. It is drawn at once; the room is told with the taps around it. */
  react(kind: ReactionKind): void {
    this.#ownTaps = plus(this.#ownTaps, kind, 1);
    this.#room.react(kind);
    for (const hear of this.#tapListeners) hear({ [kind]: 1 });
  }

  /** Hears of taps, own ones and others'; returns what ends it. */
  onTaps(hear: (taps: Taps) => void): () => void {
    this.#tapListeners.add(hear);
    return () => this.#tapListeners.delete(hear);
  }

  /** Takes one message off this fan's screen. */
  hideMessage(row: Row): void {
    this.#hide(withoutMessage(this.hidden, row), row.name);
  }

  /** Takes somebody off this fan's screen, with all they say. */
  hidePerson(row: Row): void {
    this.#hide(withoutUser(this.hidden, row.user), row.name);
  }

  /** Whether a message can be reported: somebody else has said it, and this fan has not reported it. */
  canReport({ own, lane, user, offset }: Row): boolean {
    return !own && lane === 'chat' && user !== '' && offset !== null && !this.#reported.includes(offset);
  }

  /** Tells the moderators of a message. */
  async report({ offset }: Row, reason: ReportReason): Promise<void> {
    if (offset === null) return;
    try {
      await this.#room.report(offset, reason);
      this.#reported = [...this.#reported, offset].slice(-REPORTS_KNOWN_MAX);
      this.justReported = 'done';
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.justReported = 'failed';
    }
    clearTimeout(this.#reportTimer);
    this.#reportTimer = setTimeout(() => {
      this.justReported = null;
    }, REPORT_TOLD_MS);
  }

  /** Takes back what was hidden just now. */
  unhide(): void {
    if (this.justHidden !== null) this.#keepHidden(this.justHidden.before);
    this.justHidden = null;
  }

  /** Takes back everything that was ever hidden. */
  unhideAll(): void {
    this.#keepHidden(nothingHidden);
    this.justHidden = null;
  }

  /** Screen readers are told of what is new, or not any more; it is kept. */
  readAloud(aloud: boolean): void {
    this.aloud = aloud;
    remember(ALOUD_KEPT_AS, aloud);
  }

  /** Has the host of the page translate a message; without a host that does, there is nothing to ask. */
  async translate(row: Row): Promise<void> {
    const translate = translator();
    if (translate === null) return;
    const text = await translated(translate, { text: row.text, from: row.lang, to: language() });
    if (text === null) return;
    const kept = [...this.translations].filter(([key]) => key !== row.key).slice(1 - TRANSLATIONS_MAX);
    this.translations = new Map([...kept, [row.key, text]]);
  }

  /** Sends a failed message again, under the id it had: taken twice it is still one message. */
  retry(row: Row): void {
    this.#room.retry(row.id);
  }

  /** Drops a failed message. */
  dismiss(row: Row): void {
    this.#room.dismiss(row.id);
  }

  /** The fan scrolled away from the newest message, or came back to it. */
  reading(furtherUp: boolean): void {
    this.#apply({ kind: furtherUp ? 'held' : 'released' });
  }

  /** Changes the nickname. */
  async rename(name: string): Promise<Renaming> {
    try {
      this.#client.renew(await this.#guests.rename(name));
      return 'done';
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return error.status === NAME_REFUSED ? 'refused' : 'failed';
    }
  }

  /** Leaves. */
  close(): void {
    this.#client.close();
    this.ballot.close();
    clearTimeout(this.#moreTimer);
    clearTimeout(this.#noticeTimer);
    clearTimeout(this.#watchersTimer);
    clearTimeout(this.#closedTimer);
    clearTimeout(this.#hiddenTimer);
    clearTimeout(this.#reportTimer);
    clearTimeout(this.#drawTimer);
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
  }

  #listen(): void {
    const room = this.#room;
    this.#client.on('state', (state) => this.#onConnection(state));
    room.on('entry', (entry) => {
      if ('text' in entry && entry.user !== this.#me && !this.#isHidden(entry)) this.#apply({ kind: 'arrived' });
    });
    room.on('hidden', (entries) => this.#apply({ kind: 'hidden', entries }));
    room.on('reset', (lane) => this.#apply({ kind: 'reset', lane }));
    room.on('change', () => this.#draws());
    room.on('outgoing', (message) => {
      this.#onOutgoing(message);
      this.#drawsNow();
    });
    room.on('standing', (standing) => this.#onStanding(standing));
    room.on('notice', (notice) => {
      if (notice.type === 'more') this.#countMore(notice.count);
      else if (notice.type === 'reactions') this.#onTaps(notice.counts);
      else if (notice.type === 'paused') this.connection = 'paused';
      else if (notice.type === 'resumed') this.connection = 'connected';
    });
  }

  #apply(input: ChatInput): void {
    // What is held is what was to be seen just now, drawn or not.
    this.#list = reduce(reduce(this.#list, this.#present()), input);
    if (input.kind === 'arrived') this.#draws();
    else this.#drawsNow();
  }

  #present(): ChatInput {
    const room = this.#room;
    const present = { me: this.#me, name: this.name ?? '', chat: room.entries('chat'), room: room.entries('room'), outgoing: room.outgoing, isHidden: this.#isHidden };
    return { kind: 'present', present };
  }

  #draws(): void {
    if (this.#drawTimer !== undefined || this.#frame !== null) return;
    this.#drawsIn(Math.max(0, this.#drawnAt + MESSAGES_DRAWN_EVERY_MS - performance.now()));
  }

  #drawsNow(): void {
    if (this.#frame !== null) return;
    clearTimeout(this.#drawTimer);
    this.#drawsIn(0);
  }

  /** Not in a frame's own task, which lays out and paints what was drawn: on a slow phone the two together would take long. */
  #drawsIn(waitMs: number): void {
    this.#drawTimer = setTimeout(() => {
      this.#drawTimer = undefined;
      // There are no frames while nobody sees the page.
      if (document.visibilityState === 'hidden') this.#frame = requestAnimationFrame(() => this.#draw());
      else this.#draw();
    }, waitMs);
  }

  #draw(): void {
    this.#frame = null;
    this.#drawnAt = performance.now();
    this.#list = reduce(this.#list, this.#present());
    const next = rows(this.#list);
    this.view = isHeld(this.#list) ? next : paced(this.view, next);
    if (this.view !== next) this.#draws();
    this.missed = missed(this.#list);
    this.stage = stageMessage(this.#list);
  }

  #onOutgoing({ state, refusal, message }: Outgoing): void {
    const now = Date.now();
    if (state === 'sent') this.pausedUntil = afterSent(now, this.mode?.slow_seconds ?? 0);
    if (refusal !== 'too-fast') return;
    const until = afterRefused(now, message);
    // A countdown says it better than a notice.
    if (until === null) this.#showSlowDown();
    else this.pausedUntil = until;
  }

  #onStanding({ mode, pins, polls }: Standing): void {
    if (mode?.slow_seconds === 0) this.pausedUntil = null;
    this.mode = mode;
    this.pin = pins.at(-1) ?? null;
    this.ballot.stands(polls);
  }

  #onTaps(counts: Taps): void {
    const { others, own } = ofOthers(counts, this.#ownTaps);
    this.#ownTaps = own;
    // Nobody sees a hidden tab, and what was tapped meanwhile is not worth catching up with.
    if (document.visibilityState === 'hidden' || Object.keys(others).length === 0) return;
    for (const hear of this.#tapListeners) hear(others);
  }

  #hide(hidden: Hidden, name: string): void {
    this.justHidden = { name, before: this.hidden };
    this.#keepHidden(hidden);
    clearTimeout(this.#hiddenTimer);
    this.#hiddenTimer = setTimeout(() => {
      this.justHidden = null;
    }, HIDDEN_UNDO_MS);
  }

  #keepHidden(hidden: Hidden): void {
    this.hidden = hidden;
    this.#isHidden = hides(hidden);
    remember(HIDDEN_KEPT_AS, hidden);
    this.#drawsNow();
  }

  #countMore(count: number): void {
    this.more += count;
    clearTimeout(this.#moreTimer);
    this.#moreTimer = setTimeout(() => {
      this.more = 0;
    }, MORE_MS);
  }

  #showSlowDown(): void {
    this.slowDown = true;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => {
      this.slowDown = false;
    }, NOTICE_MS);
  }

  #onConnection(state: Connection): void {
    this.connection = state === 'idle' ? 'reconnecting' : state === 'closed' ? 'refused' : state;
    clearTimeout(this.#watchersTimer);
    clearTimeout(this.#closedTimer);
    if (state === 'connected') {
      this.#me = this.#client.user ?? this.#me;
      this.#draws();
      void this.#countWatchers();
    }
    if (state === 'closed') this.#closedTimer = setTimeout(() => this.#client.connect(), jitteredMs(CLOSED_INTERVAL_MS, Math.random()));
  }

  async #countWatchers(): Promise<void> {
    if (document.visibilityState === 'visible') this.watchers = await this.#room.watchers().then(({ users }) => users, () => null);
    this.#watchersTimer = setTimeout(() => void this.#countWatchers(), jitteredMs(WATCHERS_INTERVAL_MS, Math.random()));
  }
}
