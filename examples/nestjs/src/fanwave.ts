/** What this back end asks of Fanwave: docs/server-api.md. */

import { HttpException, Injectable } from "@nestjs/common";

/** How long a server may take to answer; after that nothing is known, and whoever asked asks again. */
const ANSWER_MS = 5_000;

/** Somebody of ours, as Fanwave is told of them. */
export interface Person {
  id: string;
  name: string;
}

@Injectable()
export class Fanwave {
  readonly #url = required("FANWAVE_URL");
  readonly #key = required("FANWAVE_KEY");

  /** A token with which a user's client connects, and is in the room at once. */
  token(user: Person, room: string): Promise<{ token: string; expires_at: number }> {
    return this.#ask("POST", "/tokens", { user: user.id, name: user.name, rooms: [room], ttl_seconds: 600 });
  }

  /** Says something in the room's own lane. The same id is one message, however often it is said. */
  announce(room: string, id: string, text: string): Promise<{ offset: number; duplicate: boolean }> {
    return this.#ask("POST", `/channels/${room}/publish`, { id, text, lane: "room" });
  }

  /** Sends a user out of the room. What it answers with is how it is undone. */
  ban(room: string, user: string, by: Person, seconds?: number): Promise<{ act: string }> {
    return this.#ask("POST", `/channels/${room}/users/${encodeURIComponent(user)}/ban${actor(by)}`, seconds ? { seconds } : {});
  }

  undo(room: string, act: string, by: Person): Promise<{ act: string }> {
    return this.#ask("POST", `/channels/${room}/audit/${act}/undo${actor(by)}`);
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, "content-type": "application/json" },
      body: JSON.stringify(body ?? {}),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const answer: unknown = await response.json();
    if (!response.ok) {
      // A problem's code and words are fit to be passed on: no secret is in them.
      const { code, detail } = answer as { code: string; detail: string };
      throw new HttpException({ code, detail }, response.status);
    }
    return answer as T;
  }
}

/** In whose name it is done: this is in the audit log, and fans see it. */
function actor({ id, name }: Person): string {
  return `?${new URLSearchParams({ actor: id, actor_name: name })}`;
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see README.md`);
  return value;
}
