/**
 * One lane on the wire: a shell that joins a subscription of the client library, the order of the lane and its timeline. It
 * decides nothing: what is handed over when is said by `lane.ts`, what is visible when by `timeline.ts`.
 */

import { type Subscription, SubscriptionState } from 'centrifuge';

import { CALL_BACKOFF, waitMs } from './backoff.js';
import { CallError } from './calls.js';
import type { Environment } from './environment.js';
import { ERROR } from './generated/wire.js';
import { type Lane, type LaneEffect, type LaneInput, emptyLane, isCleared, isGone, stepLane } from './lane.js';
import { FILL_PAGE, REWIND_PAGES_MAX } from './limits.js';
import { type Entry, type LaneName, type Notice, parseEntry, parseNotice } from './message.js';
import { type Timeline, type TimelineStep, append, emptyTimeline, move, needsOlder, prepend, remove, startOver, visible } from './timeline.js';

/** Whom a lane tells. */
export interface ChannelEvents {
  /** Handed over by the lane, in order; not necessarily visible yet. */
  readonly heard: (entry: Entry, epoch: string) => void;
  readonly shown: (entry: Entry) => void;
  readonly hidden: (entries: readonly Entry[]) => void;
  readonly reset: (epoch: string) => void;
  readonly gap: (after: number, before: number) => void;
  readonly notice: (notice: Notice) => void;
  /** The lane cannot be followed; the reason for people. */
  readonly closed: (code: number, reason: string) => void;
}

export class Channel {
  #lane: Lane;
  #timeline: Timeline;
  #rewinding = false;
  #closed = false;

  constructor(
    readonly name: LaneName,
    private readonly subscription: Subscription,
    private readonly environment: Environment,
    private readonly events: ChannelEvents,
    options: { kept: number; firstPage: number },
  ) {
    this.#lane = emptyLane({ lossless: name !== 'chat', firstPage: Math.max(1, options.firstPage) });
    this.#timeline = emptyTimeline(Math.max(1, options.kept));
    subscription.on('publication', (publication) => {
      const entry = parseEntry(name, publication);
      const notice = entry === null ? parseNotice(publication) : null;
      if (entry !== null) this.#take({ kind: 'published', entry });
      else if (notice !== null) this.events.notice(notice);
    });
    subscription.on('subscribed', ({ streamPosition, wasRecovering, recovered }) => {
      if (streamPosition === undefined) return;
      const { epoch, offset } = streamPosition;
      this.#take({ kind: 'subscribed', epoch, head: offset, recovered: wasRecovering && recovered });
    });
    subscription.on('unsubscribed', ({ code, reason }) => {
      if (!this.#closed) this.events.closed(code, reason);
    });
    subscription.subscribe();
  }

  get entries(): readonly Entry[] {
    return visible(this.#timeline);
  }

  /** Takes away what a moderator has taken away, at once. */
  take(act: Extract<LaneInput, { kind: 'deleted' | 'cleared' }>): void {
    this.#take(act);
    const gone = act.kind === 'deleted' ? (entry: Entry) => entry.offset === act.offset : (entry: Entry) => isCleared(act, entry);
    this.#settle(remove(this.#timeline, gone));
  }

  /** The player is there; null: everything is to be seen. */
  move(playhead: number | null): void {
    if (playhead === this.#timeline.playhead) return;
    this.#settle(move(this.#timeline, playhead));
    if (needsOlder(this.#timeline) && !this.#rewinding) void this.#rewind();
  }

  close(): void {
    this.#closed = true;
    this.subscription.unsubscribe();
  }

  async presenceStats(): Promise<{ connections: number; users: number }> {
    const { numClients, numUsers } = await this.subscription.presenceStats();
    return { connections: numClients, users: numUsers };
  }

  #take(input: LaneInput): void {
    const { lane, effects } = stepLane(this.#lane, input);
    this.#lane = lane;
    for (const effect of effects) this.#obey(effect);
  }

  #obey(effect: LaneEffect): void {
    switch (effect.kind) {
      case 'entry':
        this.events.heard(effect.entry, this.#lane.epoch ?? '');
        this.#settle(append(this.#timeline, effect.entry));
        return;
      case 'reset':
        this.#settle(startOver(this.#timeline));
        this.events.reset(effect.epoch);
        return;
      case 'gap':
        this.events.gap(effect.after, effect.before);
        return;
      case 'fetch':
        void this.#fetch(effect);
    }
  }

  #settle({ timeline, shown, hidden, lost }: TimelineStep): void {
    this.#timeline = timeline;
    if (hidden.length > 0) this.events.hidden(hidden);
    const first = timeline.items[timeline.visible]?.entry.offset;
    if (lost > 0 && first !== undefined) this.events.gap(first - 1, first);
    for (const entry of shown) this.events.shown(entry);
  }

  /** Reads a page, until it is there or nobody waits for it any more. */
  async #fetch({ ticket, epoch, since, limit }: Extract<LaneEffect, { kind: 'fetch' }>): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt += 1) {
      try {
        const from = since === null ? { reverse: true } : { since: { offset: since, epoch } };
        const page = await this.subscription.history({ limit, ...from });
        const entries = page.publications.flatMap((publication) => parseEntry(this.name, publication) ?? []);
        this.#take({ kind: 'page', ticket, epoch: page.epoch, entries });
        return;
      } catch (error) {
        if (CallError.of(error).code === ERROR.UnrecoverablePosition) {
          this.#take({ kind: 'unreachable', ticket });
          return;
        }
        // A lost connection ends in a new subscription, which asks anew; only a busy server is asked again here.
        if (this.subscription.state !== SubscriptionState.Subscribed || this.#lane.hole?.ticket !== ticket) return;
        await this.#wait(waitMs(CALL_BACKOFF, attempt, this.environment.random()));
      }
    }
  }

  /** The fan went back further than what is kept: reads older pages until there is something to see. */
  async #rewind(): Promise<void> {
    this.#rewinding = true;
    try {
      for (let pages = 0; pages < REWIND_PAGES_MAX && needsOlder(this.#timeline) && !this.#closed; pages += 1) {
        const first = this.#timeline.items[0]?.entry.offset;
        const { epoch } = this.#lane;
        if (first === undefined || epoch === null) return;
        const page = await this.subscription.history({ limit: FILL_PAGE, reverse: true, since: { offset: first, epoch } });
        if (page.epoch !== this.#lane.epoch) return;
        const entries = page.publications.flatMap((publication) => parseEntry(this.name, publication) ?? []);
        this.#settle(prepend(this.#timeline, entries.filter((entry) => !isGone(this.#lane, entry))));
      }
    } catch {
      // What is older is not shown; the next move of the player asks again.
    } finally {
      this.#rewinding = false;
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.environment.after(ms, resolve));
  }
}
