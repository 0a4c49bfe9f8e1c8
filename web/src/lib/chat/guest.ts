/**
 * Keeps the fan's guest identity: the token between visits, its renewal, the nickname.
 *
 * The token is a secret: it is handed to the connection and to the API, and never to a view or a log.
 */

import { type Api, ApiError, type Guest, guest, here, parseGuest } from '../api';
import { recall, remember } from '../keep';
import { TOKEN_LEFT_MS_MIN } from '../limits';

const KEPT_AS = 'guest';

/** The status with which the API refuses a name. */
export const NAME_REFUSED = 422;

export class GuestKeeper {
  #guest: Guest | null;

  /**
   * @param freshName draws a name for a fan who has none yet
   * @param onChange hears of every change of identity, with what may be shown of it
   */
  constructor(
    private readonly freshName: () => string,
    private readonly onChange: (who: { user: string; name: string }) => void,
    private readonly api: Api = here,
  ) {
    this.#guest = recalledGuest(keptAs(api));
    if (this.#guest !== null) onChange({ user: this.#guest.user, name: this.#guest.name });
  }

  /** A token that is valid now; becomes a guest, or renews, when there is none. Throws `ApiError`. */
  async token(): Promise<string> {
    const known = this.#guest;
    if (known !== null && known.expires_at - Date.now() > TOKEN_LEFT_MS_MIN) return known.token;
    return this.renewed();
  }

  /** A new token under the same identity, where the server still knows it. Throws `ApiError`. */
  async renewed(): Promise<string> {
    const known = this.#guest?.name ?? null;
    try {
      return (await this.#ask(known ?? this.freshName())).token;
    } catch (error) {
      // The rules for names may have become stricter since this one was taken.
      const isRefused = error instanceof ApiError && error.status === NAME_REFUSED;
      if (known === null || !isRefused) throw error;
      return (await this.#ask(this.freshName())).token;
    }
  }

  /** Changes the nickname and keeps the identity. Throws `ApiError`. */
  async rename(name: string): Promise<string> {
    return (await this.#ask(name)).token;
  }

  async #ask(name: string): Promise<Guest> {
    // A token that the server does not know any more (it got a new key) makes us a new guest, without an error.
    const next = await guest(name, this.#guest?.token ?? null, this.api);
    this.#guest = next;
    remember(keptAs(this.api), next);
    this.onChange({ user: next.user, name: next.name });
    return next;
  }
}

/** A page may be a guest of several servers; all regions of its own are one. */
function keptAs(api: Api): string {
  return api === here ? KEPT_AS : `${KEPT_AS} ${api.base}`;
}

function recalledGuest(name: string): Guest | null {
  try {
    return parseGuest(recall(name));
  } catch {
    return null;
  }
}
