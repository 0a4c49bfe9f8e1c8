/**
 * A moderator's desk in one room: what its lanes tell, the rules as they stand, and every act.
 *
 * What happens comes over the chat's own connection, all three lanes of it. Acts go over HTTP, where they have a name and can
 * be undone; a review alone is a call of the chat. The rules are read anew whenever the room's lane says that something
 * happened, so that what another moderator does is seen here without asking.
 */

import { ApiError, CallError, type Entry, FanwaveClient, type HistoryPage, type Notice, type Room, type TokenReason, Unauthorized } from '@fanwave/client';

import { Refusal, call, member } from '../call';
import { FIGURES_MS, FIRST_PAGE, LINES_MAX, SETTLE_MS, TOAST_MS } from '../limits';
import type { Notice as Toast } from '../parts/Toast.svelte';
import type { Identity } from '../people/identity.svelte';
import { type Backlog, type BacklogInput, type Reported, type Shown, emptyBacklog, reduce, shown } from './backlog';
import { type Verdict, counts, known, noRaid, says, verdict } from './raid';
import { type Rules, type Settings, rulesOf } from './rules';
import { type Line, toldBy } from './told';

/** A moderator looks at the page and waits: it tries soon. */
const CONNECT_BACKOFF = { firstMs: 600, factor: 2, maxMs: 5_000 };

/** A message that was reported, with what it says. */
export interface ReportedLine extends Reported {
  readonly line: Line;
}

export type DeskState = 'connecting' | 'connected' | 'reconnecting' | 'paused';

/** What is to be changed of the rules; null is off. */
export type RulesChange = Partial<Omit<Settings, 'followers_minutes'>> & { readonly followers_minutes?: number | null };

export class Desk {
  state = $state<DeskState>('connecting');
  lines = $state.raw<readonly Shown[]>([]);
  missed = $state(0);
  held = $state.raw<Backlog['held']>([]);
  /** What was reported and is still to be read, the oldest first. */
  reported = $state.raw<readonly ReportedLine[]>([]);
  rules = $state.raw<Rules | null>(null);
  /** Grows with everything that happened in the room: whoever shows a log or a list reads it again. */
  version = $state(0);
  people = $state<number | null>(null);
  raid = $state.raw<Verdict>(verdict(noRaid, 0));
  unshown = $state(0);
  toast = $state.raw<Toast | null>(null);

  #backlog = emptyBacklog;
  /** What reported messages say that are not among the lines; null while that is asked for, or where they are gone. */
  #read = new Map<number, Line | null>();
  #raid = noRaid;
  #frame: number | null = null;
  #settling: ReturnType<typeof setTimeout> | undefined;
  #counting: ReturnType<typeof setTimeout> | undefined;
  #toasting: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** The last change of the rules, once it is done. */
  #changing: Promise<unknown> = Promise.resolve();
  /** What was said before is no sign of a raid. */
  readonly #openedAt = Date.now();
  readonly #client: FanwaveClient;
  readonly #room: Room;

  constructor(
    readonly identity: Identity,
    readonly channel: string,
  ) {
    this.#client = new FanwaveClient({ getToken: (reason) => this.#token(reason), name: 'fanwave-studio', backoff: CONNECT_BACKOFF });
    this.#client.on('state', (state) => {
      if (state === 'connected' || state === 'connecting' || state === 'reconnecting') this.state = state;
      else if (state === 'refused') this.state = 'reconnecting';
      // Signed out elsewhere, suspended, sent out: there is no other token.
      else if (state === 'closed' && !this.#closed) identity.refused();
      if (state === 'connected') this.#settle();
    });
    this.#room = this.#client.room(channel, { staff: true, kept: LINES_MAX, firstPage: FIRST_PAGE });
    this.#room.on('entry', (entry) => this.#onEntry(entry));
    this.#room.on('reset', (lane) => this.#apply({ kind: 'told', told: { kind: 'reset', lane } }));
    this.#room.on('notice', (notice) => this.#onNotice(notice));
    this.#client.connect();
    void this.#count();
  }

  /** What somebody was called when they said something; their id where they have not. */
  nameOf(user: string): string {
    return this.lines.findLast((line) => line.user === user)?.name ?? this.held.find((one) => one.user === user)?.name ?? user;
  }

  /** Keeps the lines where they are, because somebody looks at one of them. */
  still(): void {
    this.#apply({ kind: 'stilled' });
  }

  /** Follows the newest again. */
  follow(): void {
    this.#apply({ kind: 'released' });
  }

  /** Reads from the API in this moderator's name; throws `Refusal`. */
  async ask(path: string): Promise<unknown> {
    return this.#call('GET', path);
  }

  /** Does something in the room, and says so; false when it was refused, and the refusal is shown. */
  async act(what: string, method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<boolean> {
    try {
      const done = await this.#call(method, `/channels/${encodeURIComponent(this.channel)}${path}`, body);
      const act = member(done, 'act');
      this.#say({ what, act: typeof act === 'string' && method !== 'DELETE' ? act : null, failed: false });
      this.#settle();
      return true;
    } catch (error) {
      this.#sayRefusal(error);
      return false;
    }
  }

  /** Takes an act back. */
  async undo(act: string, what: string): Promise<boolean> {
    const isUndone = await this.act(what, 'POST', `/audit/${encodeURIComponent(act)}/undo`);
    // Taking back what takes back is a new act, and has its own button.
    if (isUndone) this.#say({ what, act: null, failed: false });
    return isUndone;
  }

  /** Changes what the room asks of writers; whatever somebody else has changed a moment ago stays. */
  async setRules(what: string, change: RulesChange): Promise<boolean> {
    // One change after the other: what is put is the whole of it, and would take back what is still on its way.
    const turn = this.#changing.then(() => this.#putRules(what, change));
    this.#changing = turn.catch(() => undefined);
    return turn;
  }

  async #putRules(what: string, change: RulesChange): Promise<boolean> {
    let settings: Settings;
    try {
      settings = rulesOf({ settings: await this.ask(`/channels/${encodeURIComponent(this.channel)}/settings`) }).settings;
    } catch (error) {
      this.#sayRefusal(error);
      return false;
    }
    return this.act(what, 'PUT', '/settings', { ...settings, ...change });
  }

  /** Older messages of the chat; throws `Refusal`. */
  async history(page: { before?: number; limit: number }): Promise<HistoryPage> {
    try {
      return await this.#room.history(page);
    } catch (error) {
      if (error instanceof ApiError) throw new Refusal(error.status, '', error.message);
      throw error;
    }
  }

  /** Lets what waits in, or turns it away. */
  async review(held: number, approve: boolean, what: string): Promise<void> {
    try {
      await this.#room.moderate.review(held, approve);
      this.#say({ what, act: null, failed: false });
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#say({ what: error.message, act: null, failed: true });
    }
  }

  /** Leaves a message that was reported. */
  async leave(offset: number, what: string): Promise<void> {
    try {
      await this.#room.moderate.dismissReports(offset);
      this.#say({ what, act: null, failed: false });
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#say({ what: error.message, act: null, failed: true });
    }
  }

  /** Closes the sockets of somebody. */
  async disconnect(user: string, what: string): Promise<void> {
    try {
      await this.#call('POST', `/users/${encodeURIComponent(user)}/disconnect`, {});
      this.#say({ what, act: null, failed: false });
    } catch (error) {
      this.#sayRefusal(error);
    }
  }

  dismissToast(): void {
    clearTimeout(this.#toasting);
    this.toast = null;
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
    clearTimeout(this.#settling);
    clearTimeout(this.#counting);
    clearTimeout(this.#toasting);
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
  }

  async #call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    try {
      return await call(method, `/api/v1${path}`, await this.identity.token(), body);
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) this.identity.refused();
      throw error;
    }
  }

  async #token(reason: TokenReason): Promise<string> {
    try {
      return await (reason === 'first' ? this.identity.token() : this.identity.fresh());
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) throw new Unauthorized(error.code);
      throw error;
    }
  }

  #onEntry(entry: Entry): void {
    const told = toldBy(entry);
    if (told.kind === 'cleared') this.#forget(told);
    if (told.kind !== 'said') this.#settle();
    else if (told.line.lane === 'chat') {
      const { user, at } = told.line;
      this.#raid = at < this.#openedAt ? known(this.#raid, user) : says(this.#raid, Date.now(), user);
    }
    this.#apply({ kind: 'told', told });
  }

  /** Nothing of what somebody has said so far is to be read any more. */
  #forget({ user, through }: { user: string; through: number }): void {
    for (const [offset, line] of this.#read) if (line?.user === user && offset <= through) this.#read.set(offset, null);
  }

  #onNotice(notice: Notice): void {
    if (notice.type === 'paused') this.state = 'paused';
    else if (notice.type === 'resumed') this.state = 'connected';
    else if (notice.type === 'more') this.unshown += notice.count;
    else if (notice.type === 'tally') this.#tally(notice.poll, notice.counts);
  }

  #apply(input: BacklogInput): void {
    this.#backlog = reduce(this.#backlog, input);
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = null;
    this.lines = shown(this.#backlog);
    this.missed = this.#backlog.still?.missed ?? 0;
    this.held = this.#backlog.held;
    const asked = new Set(this.#backlog.reported.map(({ offset }) => offset));
    for (const offset of this.#read.keys()) if (!asked.has(offset)) this.#read.delete(offset);
    this.reported = this.#backlog.reported.flatMap((one) => {
      const line = this.#lineOf(one.offset);
      return line === null ? [] : [{ ...one, line }];
    });
    this.raid = verdict(this.#raid, Date.now());
  }

  /** What a reported message says: null where it is gone, or has to be read first. */
  #lineOf(offset: number): Line | null {
    const line = this.#backlog.lines.find((other) => other.lane === 'chat' && other.offset === offset);
    if (line !== undefined) return line.gone ? null : line;
    const read = this.#read.get(offset);
    if (read === undefined) void this.#readLine(offset);
    return read ?? null;
  }

  async #readLine(offset: number): Promise<void> {
    this.#read.set(offset, null);
    try {
      const { entries } = await this.#room.history({ before: offset + 1, limit: 1 });
      const told = entries.filter((entry) => entry.offset === offset).map(toldBy).find(({ kind }) => kind === 'said');
      if (told?.kind !== 'said') return;
      if (this.#read.has(offset)) this.#read.set(offset, told.line);
      this.#frame ??= requestAnimationFrame(() => this.#draw());
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // It is asked for again when something else is told.
      this.#read.delete(offset);
    }
  }

  #tally(poll: string, counts: readonly number[]): void {
    if (this.rules === null) return;
    this.rules = { ...this.rules, polls: this.rules.polls.map((one) => (one.poll === poll ? { ...one, counts } : one)) };
  }

  /** Something happened: when it has calmed down, the rules are read again. */
  #settle(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => void this.#readRules(), SETTLE_MS);
  }

  async #readRules(): Promise<void> {
    try {
      this.rules = rulesOf(await this.ask(`/channels/${encodeURIComponent(this.channel)}/moderation`));
      this.version += 1;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status !== null && error.status < 500) return;
      if (!this.#closed) this.#settling = setTimeout(() => void this.#readRules(), FIGURES_MS);
    }
  }

  /** People of all servers, as everybody in the chat may ask. */
  async #count(): Promise<void> {
    if (this.#client.state === 'connected') {
      // A server that does not say, or not now, is asked again; the detector goes by the messages meanwhile.
      const there = await this.#room.watchers().catch(() => null);
      if (there !== null) {
        this.people = there.users;
        this.#raid = counts(this.#raid, Date.now(), there.users);
      }
    }
    this.raid = verdict(this.#raid, Date.now());
    if (!this.#closed) this.#counting = setTimeout(() => void this.#count(), FIGURES_MS);
  }

  #sayRefusal(error: unknown): void {
    if (!(error instanceof Refusal)) throw error;
    this.#say({ what: error.detail, act: null, failed: true });
  }

  #say(toast: Toast): void {
    clearTimeout(this.#toasting);
    this.toast = toast;
    this.#toasting = setTimeout(() => {
      this.toast = null;
    }, TOAST_MS);
  }
}
