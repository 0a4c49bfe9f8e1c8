/**
 * The messages of a lane: in SQLite, flushed to the disk before they are acknowledged, and the newest in memory, too. What is asked for
 * while others are written is written together, in one transaction.
 */

import { randomBytes } from "node:crypto";
import Database from "better-sqlite3";

/** As many as Fanwave remembers of a lane. */
const WINDOW = 500;

export interface Message {
  offset: number;
  id: string;
  user: string;
  name: string;
  role: string;
  badge?: string;
  text: string;
  at: number;
}

export interface Ack {
  offset: number;
  at: number;
  duplicate: boolean;
}

interface Waiting {
  message: Omit<Message, "offset" | "at">;
  done: (ack: Ack) => void;
  failed: (error: unknown) => void;
}

export class Log {
  readonly epoch = randomBytes(8).toString("hex");
  head = 0;
  readonly #window: Message[] = [];
  #waiting: Waiting[] = [];
  readonly #write: (waiting: Waiting[]) => Ack[];
  readonly #read: Database.Statement;

  constructor(file: string) {
    const database = new Database(file);
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.exec(`CREATE TABLE messages (
      message_offset INTEGER PRIMARY KEY, at INTEGER NOT NULL, user_id TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, badge TEXT,
      client_id TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (user_id, client_id)) STRICT`);
    const insert = database.prepare(
      "INSERT INTO messages VALUES (@offset, @at, @user, @name, @role, @badge, @id, @text) ON CONFLICT (user_id, client_id) DO NOTHING");
    const find = database.prepare("SELECT message_offset, at FROM messages WHERE user_id = ? AND client_id = ?");
    this.#write = database.transaction((waiting: Waiting[]) => {
      let head = this.head;
      const at = Date.now();
      return waiting.map(({ message }) => {
        if (insert.run({ badge: null, ...message, offset: head + 1, at }).changes === 1) return { offset: ++head, at, duplicate: false };
        const { message_offset, at: then } = find.get(message.user, message.id) as { message_offset: number; at: number };
        return { offset: message_offset, at: then, duplicate: true };
      });
    });
    this.#read = database.prepare(
      `SELECT message_offset AS offset, client_id AS id, user_id AS user, name, role, badge, text, at FROM messages
       WHERE message_offset < ? ORDER BY message_offset DESC LIMIT ?`);
  }

  /** Resolves when it is on the disk. */
  add(message: Omit<Message, "offset" | "at">): Promise<Ack> {
    return new Promise((done, failed) => {
      // Once all that has arrived is read: SQLite is called from the one thread there is.
      if (this.#waiting.push({ message, done, failed }) === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      const acks = this.#write(waiting);
      waiting.forEach(({ message, done }, i) => {
        const ack = acks[i]!;
        if (!ack.duplicate) {
          this.#window.push({ offset: ack.offset, ...message, at: ack.at });
          this.head = ack.offset;
        }
        done(ack);
      });
      if (this.#window.length > 2 * WINDOW) this.#window.splice(0, this.#window.length - WINDOW);
    } catch (error) {
      for (const { failed } of waiting) failed(error);
    }
  }

  /** Newest first: from memory what is there, the rest from the file. */
  page(before: number | undefined, limit: number): Message[] {
    const end = before === undefined ? this.#window.length : this.#window.findIndex(({ offset }) => offset >= before);
    if (end >= limit) return this.#window.slice(end - limit, end).reverse();
    const rows = this.#read.all(before ?? this.head + 1, limit) as (Message & { badge: string | null })[];
    return rows.map(({ badge, ...row }) => (badge === null ? row : { ...row, badge }));
  }
}
