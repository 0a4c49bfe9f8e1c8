/**
 * The chat as the views see it: the list, the connection and the fan's own name, as reactive values.
 *
 * Inputs are applied to the list at once and drawn once per animation frame, so that a burst of messages costs one
 * rendering. In a hidden tab nothing is drawn at all; the list itself is bounded and goes on.
 */

import { ApiError, type Channel } from '../api';
import { jitteredMs } from '../backoff';
import { language } from '../i18n/current.svelte';
import { roomOf, outgoingText } from './compose';
import { GuestKeeper, NAME_REFUSED } from './guest';
import { type ChatInput, type Row, emptyList, missed, outboxHasRoom, reduce, rows, stageMessage } from './list';
import type { Published } from './message';
import { friendlyName } from './nickname';
import { ChatSession, type ConnectionState } from './session';

/** How long the notice about writing too fast stays. */
const NOTICE_MS = 5_000;

/** How long the count of what was not shown stays after the last of it. */
const MORE_MS = 4_000;

/** How often the number of people in the chat is asked for. */
const WATCHERS_INTERVAL_MS = 20_000;

/** How a change of the nickname went. */
export type Renaming = 'done' | 'refused' | 'failed';

export class ChatRoom {
  /** What is drawn. */
  view = $state.raw<readonly Row[]>([]);
  /** Messages that came while the fan reads further up. */
  missed = $state(0);
  /** The newest message from the stage. */
  stage = $state.raw<Published | null>(null);
  connection = $state<ConnectionState>('connecting');
  /** The fan's nickname; null until there is one. */
  name = $state<string | null>(null);
  /** The room asked the fan to write more slowly. */
  slowDown = $state(false);
  /** Messages of the last seconds that were said and not shown, because nobody could have read them. */
  more = $state(0);
  /** People in the chat; null while unknown. */
  watchers = $state<number | null>(null);

  #list = emptyList;
  #frame: number | null = null;
  #moreTimer: ReturnType<typeof setTimeout> | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;
  #watchersTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #session: ChatSession;

  constructor(lanes: Channel['lanes']) {
    const guests = new GuestKeeper(
      () => friendlyName(language(), Math.random),
      ({ user, name }) => {
        this.name = name;
        this.#apply({ kind: 'identified', user });
      },
    );
    this.#session = new ChatSession(lanes, guests, {
      input: (input) => this.#apply(input),
      connection: (state) => this.#onConnection(state),
      more: (count) => this.#countMore(count),
    });
  }

  /** Sends a draft; false when it cannot be sent now, and the draft should stay. */
  send(draft: string): boolean {
    if (!roomOf(draft).sendable || !outboxHasRoom(this.#list)) return false;
    const id = newMessageId();
    const text = outgoingText(draft);
    this.#apply({ kind: 'submitted', id, text, name: this.name ?? '', at: Date.now() });
    this.#session.send(id, text);
    return true;
  }

  /** Sends a failed message again, under the id it had: taken twice it is still one message. */
  retry(row: Row): void {
    this.#apply({ kind: 'retried', id: row.id });
    this.#session.send(row.id, row.text);
  }

  /** Drops a failed message. */
  dismiss(row: Row): void {
    this.#apply({ kind: 'dismissed', id: row.id });
  }

  /** The fan scrolled away from the newest message, or came back to it. */
  reading(furtherUp: boolean): void {
    this.#apply({ kind: furtherUp ? 'held' : 'released' });
  }

  /** Changes the nickname. */
  async rename(name: string): Promise<Renaming> {
    try {
      await this.#session.rename(name);
      return 'done';
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return error.status === NAME_REFUSED ? 'refused' : 'failed';
    }
  }

  /** Leaves. */
  close(): void {
    this.#session.close();
    clearTimeout(this.#moreTimer);
    clearTimeout(this.#noticeTimer);
    clearTimeout(this.#watchersTimer);
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
  }

  #apply(input: ChatInput): void {
    this.#list = reduce(this.#list, input);
    if (input.kind === 'failed' && input.reason === 'slow-down') this.#showSlowDown();
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = null;
    this.view = rows(this.#list);
    this.missed = missed(this.#list);
    this.stage = stageMessage(this.#list);
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

  #onConnection(state: ConnectionState): void {
    this.connection = state;
    clearTimeout(this.#watchersTimer);
    if (state === 'connected') void this.#countWatchers();
  }

  async #countWatchers(): Promise<void> {
    if (document.visibilityState === 'visible') this.watchers = await this.#session.watchers();
    this.#watchersTimer = setTimeout(() => void this.#countWatchers(), jitteredMs(WATCHERS_INTERVAL_MS, Math.random()));
  }
}

/** 128 random bits; `crypto.randomUUID` would need a secure context, and a phone on the same network has none. */
function newMessageId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
