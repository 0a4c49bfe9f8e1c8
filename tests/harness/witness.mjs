/**
 * One fan among many who keeps an account of its own: the npm `centrifuge` client as its authors ship it, with a token signed by
 * the test. It writes down every publication and notice with the time, and what became of everything it said.
 */

import assert from "node:assert/strict";
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";
import { inForm } from "./faults.mjs";
import { SECRET } from "./nodes.mjs";
import { sign } from "./tokens.mjs";
import { until, within } from "./wait.mjs";

/** A busy machine answers late, and a broker that hangs is waited for; far above both. */
const ANSWER_MS = 20_000;

/**
 * From one message of a witness to its next: faster than people, slower than a connection may be. In the long form fewer come in
 * a minute than a server reads back (500 of a lane): whoever missed more is told so, which a case of the engines proves.
 */
const SPEAK_EVERY_MS = inForm({ short: 40, long: 200 });

/**
 * @typedef {{ id: string, ok: true, offset: number, epoch: string, duplicate: boolean, ms: number } | { id: string, ok: false, code: number, temporary: boolean, ms: number }} Said
 * @typedef {{ at: number, offset: number | undefined, data: any }} Heard
 */

/** See the module. */
export class Witness {
  /** @type {Heard[]} */
  heard = [];
  /** @type {Said[]} */
  said = [];
  /** Codes with which its connection ended. @type {number[]} */
  ends = [];

  /**
   * A fan at a node, who follows a channel.
   *
   * @param {import("./scene.mjs").Scene} scene
   * @param {import("./nodes.mjs").Node} node
   * @param {string} channel
   * @param {{ user: string, role?: import("./tokens.mjs").Claims["role"], token?: string }} who
   */
  static async follow(scene, node, channel, { user, role = "fan", token = sign(SECRET, { user, role }) }) {
    const client = new Centrifuge(`ws://${node.address}/connection/websocket`, {
      websocket: WebSocket, token, timeout: ANSWER_MS, minReconnectDelay: 100, maxReconnectDelay: 1_000,
    });
    const witness = new Witness(client, channel, user);
    scene.after(() => client.disconnect());
    const subscribed = new Promise((resolve, reject) => {
      witness.subscription.once("subscribed", resolve);
      client.once("disconnected", ({ code, reason }) => reject(new Error(`disconnected with ${code}: ${reason}`)));
      client.once("error", ({ error }) => error.code === 109 && reject(new Error(`refused with ${error.code}: ${error.message}`)));
    });
    witness.subscription.subscribe();
    client.connect();
    await within(`${user} follows ${channel} at ${node.name}`, ANSWER_MS, subscribed);
    return witness;
  }

  /**
   * @param {Centrifuge} client
   * @param {string} channel
   * @param {string} user
   */
  constructor(client, channel, user) {
    this.client = client;
    this.channel = channel;
    this.user = user;
    client.on("connecting", ({ code }) => this.ends.push(code));
    client.on("disconnected", ({ code }) => this.ends.push(code));
    // The first is its own connect.
    client.once("connected", () => this.ends.splice(0));
    this.subscription = client.newSubscription(channel, { recoverable: true, positioned: true });
    this.subscription.on("publication", ({ data, offset }) => this.heard.push({ at: performance.now(), offset, data }));
  }

  /**
   * Says something and writes down what became of it.
   *
   * @param {string} id
   * @returns {Promise<Said>}
   */
  async say(id) {
    const began = performance.now();
    const ms = () => Math.round(performance.now() - began);
    /** @type {Said} */
    let said;
    try {
      const { data } = await this.client.rpc("send", { channel: this.channel, id, text: id });
      said = { id, ok: true, offset: Number(data.offset), epoch: data.epoch, duplicate: data.duplicate ?? false, ms: ms() };
    } catch (error) {
      const { code, temporary } = /** @type {{ code: number, temporary?: boolean }} */ (error);
      said = { id, ok: false, code, temporary: temporary ?? false, ms: ms() };
    }
    this.said.push(said);
    return said;
  }

  /**
   * Says one thing after the other until it is told to stop.
   *
   * @returns {() => Promise<void>} Ends it, and waits for the last answer.
   */
  keepSaying() {
    let going = true;
    const speaking = (async () => {
      for (let number = 0; going; number += 1) {
        await Promise.all([this.say(`${this.user}-${number}`), new Promise((resolve) => setTimeout(resolve, SPEAK_EVERY_MS))]);
      }
    })();
    return async () => {
      going = false;
      await speaking;
    };
  }

  /** @param {string} text */
  async hears(text) {
    await until(`${this.user} hears "${text}"`, ANSWER_MS, () => this.heard.some(({ data }) => data.text === text));
  }

  /**
   * When a notice of a type came first after a time.
   *
   * @param {string} type
   * @param {number} since
   * @param {number} deadlineMs From now on.
   */
  async notice(type, since, deadlineMs) {
    const found = await until(`${this.user} is told ${type}`, deadlineMs, () => this.heard.find(({ at, data }) => at >= since && data.type === type));
    return found.at;
  }

  /** Everything the channel's log holds, read through the node that it is at. */
  async history() {
    /** @type {{ offset: number, id: string }[]} */
    const all = [];
    let epoch = "";
    /** @type {import("centrifuge").StreamPosition | undefined} */
    let since;
    for (;;) {
      const page = await this.subscription.history(since ? { limit: 200, since } : { limit: 200 });
      epoch = page.epoch;
      all.push(...page.publications.map(({ offset, data }) => ({ offset: Number(offset), id: /** @type {string} */ (data.id) })));
      const last = all.at(-1);
      if (page.publications.length === 0 || !last) return { epoch, all };
      since = { offset: last.offset, epoch };
    }
  }

  /** What it heard was in order and once. */
  assertInOrder() {
    const offsets = this.heard.flatMap(({ offset }) => (offset ? [offset] : []));
    for (const [index, offset] of offsets.entries()) {
      assert.ok(index === 0 || offset > /** @type {number} */ (offsets[index - 1]), `${this.user} heard ${offset} after ${offsets[index - 1]}`);
    }
  }
}

/**
 * The log, as witnesses at several nodes read it, is one; and everything that was acknowledged to anybody is in it, where it was said
 * to be.
 *
 * @param {Witness[]} readers
 * @param {Witness[]} speakers
 */
export async function assertOneLog(readers, speakers) {
  const [first, ...others] = await Promise.all(readers.map((reader) => reader.history()));
  assert.ok(first);
  for (const other of others) assert.deepEqual(other, first, "every node reads the same log");
  const held = new Map(first.all.map(({ offset, id }) => [offset, id]));
  assert.equal(held.size, first.all.length, "an offset is one message");
  assert.equal(new Set(held.values()).size, held.size, "a message has one offset");
  const acknowledged = speakers.flatMap(({ said }) => said.flatMap((one) => (one.ok ? [one] : [])));
  for (const { id, offset, epoch } of acknowledged) {
    assert.equal(epoch, first.epoch, "one run of offsets");
    assert.equal(held.get(offset), id, `${id} is where it was acknowledged`);
  }
  for (const { said } of speakers) {
    for (const one of said) assert.ok(one.ok || one.temporary, `a send that failed may be tried again: ${JSON.stringify(one)}`);
  }
  return { acknowledged: acknowledged.length, failed: speakers.reduce((sum, { said }) => sum + said.filter(({ ok }) => !ok).length, 0), held: held.size };
}
