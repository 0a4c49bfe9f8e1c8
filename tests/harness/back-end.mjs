/** A back end that sends its commands to Redis, and reads what became of those that could not be done. */

import { connect } from "node:net";
import { within } from "./wait.mjs";

/** How long Redis may take to answer. */
const REDIS_MS = 10_000;

/** What the queue is called by default. */
const STREAM = "fanwave:commands";

/** @typedef {{ id: string, method?: string, path: string, body?: object }} Command */

/** A back end with a connection to Redis. */
export class BackEnd {
  /** @param {number} port Where Redis listens. */
  constructor(port) {
    this.port = port;
  }

  /**
   * Sends commands, in this order.
   *
   * @param {...(Command | string)} commands
   */
  async send(...commands) {
    const texts = commands.map((command) => (typeof command === "string" ? command : JSON.stringify({ ...command, path: `/api/v1${command.path}` })));
    await this.#ask(texts.map((text) => ["XADD", STREAM, "*", "command", text]));
  }

  /** How many commands are not done. */
  async waiting() {
    const answer = await this.#ask([["XLEN", STREAM]]);
    return Number(/:(\d+)/.exec(answer)?.[1]);
  }

  /**
   * What became of those that could not be done.
   *
   * @returns {Promise<any[]>}
   */
  async letters() {
    const answer = await this.#ask([["XRANGE", `${STREAM}:dead`, "-", "+"]]);
    return [...answer.matchAll(/^(\{.*\})\r?$/gm)].map(([, letter]) => JSON.parse(/** @type {string} */ (letter)));
  }

  /**
   * The answers to several commands of Redis, as it writes them.
   *
   * @param {string[][]} lines
   * @returns {Promise<string>}
   */
  #ask(lines) {
    const written = [...lines, ["QUIT"]].map((words) => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`);
    /** @type {Promise<string>} */
    const answered = new Promise((resolve, reject) => {
      const socket = connect(this.port, "127.0.0.1", () => socket.write(written.join("")));
      let text = "";
      socket.setEncoding("utf8");
      socket.on("data", (data) => (text += data));
      socket.on("error", reject);
      socket.on("close", () => (/^-/m.test(text) ? reject(new Error(text)) : resolve(text)));
    });
    return within("Redis answers", REDIS_MS, answered);
  }
}
