/** The chat of a recording as an app sees it: attach a player, and it is told when it was. */

import type { Api, RecordedEntry } from './api.js';
import type { Environment } from './environment.js';
import { PLAYER_SAMPLE_MS } from './limits.js';
import { Listeners } from './listeners.js';
import { type Replay, type ReplayInput, emptyReplay, replayed, stepReplay } from './replay.js';

/** What says where the fan is in the recording, seconds: a video element. */
export interface RecordingPlayer {
  readonly currentTime: number;
}

export interface RecordingEvents {
  /** Was said at this time of the recording. */
  entry: [entry: RecordedEntry];
  /** Are not to be seen any more: the fan went elsewhere. */
  hidden: [entries: readonly RecordedEntry[]];
  /** Something that is drawn has changed. */
  change: [];
}

export class RecordingChat extends Listeners<RecordingEvents> {
  #replay: Replay = emptyReplay;
  #cancel: (() => void) | undefined;

  constructor(
    readonly id: string,
    readonly lane: 'chat' | 'room',
    private readonly api: Pick<Api, 'replay'>,
    private readonly environment: Environment,
  ) {
    super();
  }

  /** What is to be seen now, in order. */
  get entries(): readonly RecordedEntry[] {
    return replayed(this.#replay);
  }

  /** Follows a player; returns what lets go of it. */
  attachPlayer(player: RecordingPlayer): () => void {
    this.#cancel?.();
    const sample = () => {
      const position = Math.round(player.currentTime * 1_000);
      if (Number.isFinite(position)) this.#take({ kind: 'moved', position });
      this.#cancel = this.environment.after(PLAYER_SAMPLE_MS, sample);
    };
    sample();
    return () => {
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  #take(input: ReplayInput): void {
    const { replay, shown, hidden, fetch } = stepReplay(this.#replay, input);
    this.#replay = replay;
    if (fetch !== null) void this.#fetch(fetch);
    if (hidden.length > 0) this.emit('hidden', hidden);
    for (const entry of shown) this.emit('entry', entry);
    if (hidden.length > 0 || shown.length > 0) this.emit('change');
  }

  async #fetch({ ticket, ...where }: { ticket: number } & ({ after: number } | { from_ms: number })): Promise<void> {
    try {
      const { entries, next } = await this.api.replay(this.id, this.lane, { ...where, limit: 200 });
      this.#take({ kind: 'page', ticket, entries, next });
    } catch {
      // What is not there is asked for again as the player goes on.
      this.#take({ kind: 'failed', ticket });
    }
  }
}
