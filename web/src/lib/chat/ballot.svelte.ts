/** The poll that a fan is shown, and what they have chosen: kept between visits, because a vote is one vote. */

import { CallError, type Poll } from '@fanwave/client';

import { recall, remember } from '../keep';
import { POLL_RESULT_MS } from '../limits';
import { type Votes, isOpenPoll, parseVotes, pollToShow, voteOf, withVote } from './poll';

const VOTES_KEPT_AS = 'votes';

/** A poll ends by the clock a moment before the room says so: that is waited for. */
const CLOSES_MS = 2_000;

export class Ballot {
  /** The poll; null for none. */
  poll = $state.raw<Poll | null>(null);
  /** It takes votes. */
  open = $state(false);
  /** A vote was not taken; it may be tried again. */
  failed = $state(false);
  #votes = $state.raw<Votes>(parseVotes(recall(VOTES_KEPT_AS)));
  /** What the fan has chosen; null for nothing yet. */
  readonly choice = $derived(this.poll === null ? null : voteOf(this.#votes, this.poll.poll));

  #polls: readonly Poll[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #putAway: string | null = null;

  /** @param cast tells the room; throws `CallError` */
  constructor(private readonly cast: (poll: string, choice: number) => Promise<void>) {}

  /** The polls of the room have changed. */
  stands(polls: readonly Poll[]): void {
    this.#polls = polls;
    const now = Date.now();
    const next = pollToShow(polls, this.poll?.poll ?? null, now);
    const shown = next?.poll === this.#putAway ? null : next;
    if (shown?.poll !== this.poll?.poll) this.failed = false;
    this.poll = shown;
    this.open = shown !== null && isOpenPoll(shown, now);
    clearTimeout(this.#timer);
    if (shown === null) return;
    if (!this.open) this.#timer = setTimeout(() => this.hide(), POLL_RESULT_MS);
    else if (shown.until !== undefined) this.#timer = setTimeout(() => this.stands(this.#polls), Math.min(shown.until - now, 0x7fff_ffff - CLOSES_MS) + CLOSES_MS);
  }

  /** The fan chooses. It counts at once here; the room's own count comes with the next tally. */
  async vote(choice: number): Promise<void> {
    const id = this.poll?.poll;
    if (id === undefined || this.choice !== null) return;
    const before = this.#votes;
    this.failed = false;
    this.#keep(withVote(before, id, choice));
    try {
      await this.cast(id, choice);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      // Refused for good: they have voted on another device, or it is over. Then the result is all there is to see.
      if (!error.temporary) return;
      this.#keep(before);
      this.failed = true;
    }
  }

  /** Puts the poll away. */
  hide(): void {
    clearTimeout(this.#timer);
    this.#putAway = this.poll?.poll ?? null;
    this.poll = null;
  }

  /** Leaves. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #keep(votes: Votes): void {
    this.#votes = votes;
    remember(VOTES_KEPT_AS, votes);
  }
}
