/**
 * Who is signed in: an account's session, from which short tokens are made, or a token that was pasted.
 *
 * Either is a secret. It is kept for this tab alone (`sessionStorage`), so that a reload goes on and a closed tab forgets;
 * it is handed to the connection and to the API, and never to a view, an address or a log.
 */

import { Refusal, call, member } from '../call';
import { TOKEN_LEFT_MS_MIN } from '../limits';
import { type Claims, claimsOf, roleOf } from './claims';

const KEPT_AS = 'fanwave.studio';

/** A token of a session is good for 5 minutes; whatever our clock says, it is asked for anew after this. */
const SESSION_TOKEN_MS = 5 * 60_000 - TOKEN_LEFT_MS_MIN;

/** Why somebody is not signed in, where there is something to say about it. */
export type SignProblem = 'wrong' | 'noAccounts' | 'tooMany' | 'badToken' | 'ended' | 'refused' | 'unavailable' | { readonly detail: string };

type Secret = { readonly kind: 'session' | 'token'; readonly value: string };

export class Identity {
  /** Null while nobody is signed in. */
  who = $state.raw<Claims | null>(null);
  problem = $state.raw<SignProblem | null>(null);
  /** Whether this installation keeps accounts, as far as it has said. */
  accounts = $state(true);
  /** Where else one can sign in, as far as this installation has said. */
  elsewhere = $state.raw<{ readonly name: string; readonly path: string } | null>(null);
  /** What the browser remembers is being looked at. */
  waking = $state(true);

  #secret: Secret | null = null;
  #token: { readonly value: string; readonly freshUntil: number } | null = null;
  #asking: Promise<string> | null = null;

  /** Goes on where this tab was before, or comes back from where somebody has signed in elsewhere. */
  async wake(): Promise<void> {
    const ways = this.#learnWays();
    const word = returned();
    const kept = recalled();
    try {
      if (word === 'done') await this.#fetchSession();
      else if (kept !== null) await this.#enter(kept, 'ended');
      else if (word !== null) this.problem = word;
      // Nobody is shown a way that is none.
      if (this.who === null) await ways;
    } finally {
      this.waking = false;
    }
  }

  /** Signs in with an account. */
  async logIn(login: string, password: string): Promise<void> {
    this.problem = null;
    try {
      const answer = await call('POST', '/api/v1/sessions', null, { login, password });
      await this.#enter({ kind: 'session', value: String(member(answer, 'session')) }, 'ended');
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 403) this.problem = 'wrong';
      else if (error.code === 'no_accounts') {
        this.accounts = false;
        this.problem = 'noAccounts';
      }
      else this.problem = error.status === 429 ? 'tooMany' : { detail: error.detail };
    }
  }

  async #fetchSession(): Promise<void> {
    try {
      const answer = await call('POST', '/api/v1/oidc/session', null);
      await this.#enter({ kind: 'session', value: String(member(answer, 'session')) }, 'ended');
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.problem = error.status === 403 ? 'refused' : 'unavailable';
    }
  }

  async #learnWays(): Promise<void> {
    const ways = await call('GET', '/api/v1/sessions', null).catch(() => null);
    if (member(ways, 'passwords') === false) this.accounts = false;
    const oidc = member(ways, 'oidc');
    const [name, path] = [member(oidc, 'name'), member(oidc, 'path')];
    if (typeof name === 'string' && typeof path === 'string') this.elsewhere = { name, path };
  }

  /** Signs in with a token. */
  async useToken(token: string): Promise<void> {
    this.problem = null;
    await this.#enter({ kind: 'token', value: token.trim() }, 'badToken');
  }

  /** Leaves; a session ends everywhere it was used in this tab. */
  async leave(): Promise<void> {
    const secret = this.#secret;
    this.#forget(null);
    // Whether the server hears it or not: here it is forgotten.
    if (secret?.kind === 'session') await call('DELETE', '/api/v1/session', secret.value).catch(() => null);
  }

  /** A token that is good now. Throws `Refusal`. */
  async token(): Promise<string> {
    const secret = this.#secret;
    if (secret === null) throw new Refusal(401, 'session_missing', 'nobody is signed in');
    if (secret.kind === 'token') return secret.value;
    if (this.#token !== null && this.#token.freshUntil > performance.now()) return this.#token.value;
    this.#asking ??= this.#renewed(secret.value).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** Signed in with an account: this installation keeps some. */
  get hasAccount(): boolean {
    return this.who !== null && this.#secret?.kind === 'session';
  }

  /** Another token than the one before, which was refused; throws `Refusal` where there is no other. */
  async fresh(): Promise<string> {
    if (this.#secret?.kind === 'token') throw new Refusal(401, 'token_refused', 'the token was refused');
    this.#token = null;
    return this.token();
  }

  /** The server does not take what we have shown any more. */
  refused(): void {
    this.#forget('ended');
  }

  async #renewed(session: string): Promise<string> {
    try {
      const value = String(member(await call('POST', '/api/v1/session/token', session), 'token'));
      this.#token = { value, freshUntil: performance.now() + SESSION_TOKEN_MS };
      // A role may have been given or taken since.
      const claims = claimsOf(value);
      if (claims !== null && (claims.role !== this.who?.role || claims.user !== this.who.user)) this.who = claims;
      return value;
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) this.#forget('ended');
      throw error;
    }
  }

  async #enter(secret: Secret, otherwise: SignProblem): Promise<void> {
    this.#secret = secret;
    this.#token = null;
    try {
      const token = await this.token();
      const claims = claimsOf(token);
      if (claims === null || claims.expiresAt <= Date.now() || !(await this.#isTaken(token, claims))) {
        this.#forget(otherwise);
        return;
      }
      this.who = { ...claims, role: roleOf(claims.role) };
      keep(secret);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (this.problem === null) this.problem = error.status === 401 ? otherwise : { detail: error.detail };
      this.who = null;
    }
  }

  /** Only the server can tell a token of its own; one question that is open to every role of the studio does. */
  async #isTaken(token: string, { role }: Claims): Promise<boolean> {
    if (role === 'fan' || role === 'member') return true;
    const channels = member(await call('GET', '/api/v1/channels', null), 'channels');
    const first: unknown = Array.isArray(channels) ? member(channels[0], 'id') : undefined;
    if (typeof first !== 'string') return true;
    try {
      await call('GET', `/api/v1/channels/${encodeURIComponent(first)}/settings`, token);
      return true;
    } catch (error) {
      if (error instanceof Refusal && (error.status === 401 || error.status === 403)) return false;
      throw error;
    }
  }

  #forget(problem: SignProblem | null): void {
    this.#secret = null;
    this.#token = null;
    this.who = null;
    this.problem = problem;
    keep(null);
  }
}

/** What has become of signing in elsewhere, as the address says it behind its `#`; it is said once. */
function returned(): 'done' | 'refused' | 'unavailable' | null {
  const word = /^#login=(done|refused|unavailable)$/.exec(location.hash)?.[1] ?? null;
  if (word === null) return null;
  history.replaceState(null, '', location.pathname + location.search);
  window.dispatchEvent(new Event('hashchange'));
  return word as 'done' | 'refused' | 'unavailable';
}

/** A browser may refuse storage altogether; then a reload signs out, and nothing else is lost. */
function keep(secret: Secret | null): void {
  try {
    if (secret === null) sessionStorage.removeItem(KEPT_AS);
    else sessionStorage.setItem(KEPT_AS, JSON.stringify(secret));
  } catch {
    return;
  }
}

function recalled(): Secret | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT_AS) ?? 'null') as Secret | null;
    return kept !== null && typeof kept.value === 'string' && (kept.kind === 'session' || kept.kind === 'token') ? kept : null;
  } catch {
    return null;
  }
}
