/**
 * The users of this back end: Fanwave knows none of them. They are in memory here; yours are in your database.
 */

import { randomBytes, randomUUID, scryptSync, timingSafeEqual } from "node:crypto";
import { ConflictException, Injectable, NotFoundException, UnauthorizedException } from "@nestjs/common";

export interface User {
  id: string;
  name: string;
  isModerator: boolean;
  /** Under which act of Fanwave's audit log they are suspended, if they are. */
  suspension?: string;
}

interface Account extends User {
  salt: Buffer;
  hash: Buffer;
}

@Injectable()
export class Users {
  readonly #accounts = new Map<string, Account>();
  readonly #sessions = new Map<string, string>();
  readonly #moderators = new Set((process.env["MODERATORS"] ?? "").split(",").filter(Boolean));

  register(name: string, password: string): User {
    if ([...this.#accounts.values()].some((account) => account.name === name)) throw new ConflictException("this name is taken");
    const salt = randomBytes(16);
    const id = randomUUID();
    const account = { id, name, isModerator: this.#moderators.has(name), salt, hash: scryptSync(password, salt, 32) };
    this.#accounts.set(id, account);
    return account;
  }

  /** A new session, for the right password. */
  login(name: string, password: string): string {
    const account = [...this.#accounts.values()].find((known) => known.name === name);
    if (!account || !timingSafeEqual(scryptSync(password, account.salt, 32), account.hash)) {
      throw new UnauthorizedException("no such name and password");
    }
    const session = randomBytes(24).toString("base64url");
    this.#sessions.set(session, account.id);
    return session;
  }

  /** Whose session it is. */
  bySession(session: string): User {
    const id = this.#sessions.get(session);
    const user = id === undefined ? undefined : this.#accounts.get(id);
    if (!user) throw new UnauthorizedException("log in first");
    return user;
  }

  get(id: string): User {
    const user = this.#accounts.get(id);
    if (!user) throw new NotFoundException("no such user");
    return user;
  }
}
