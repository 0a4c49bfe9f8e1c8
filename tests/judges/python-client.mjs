/** The PyPI centrifuge-python client behind the verbs of client.mjs: a process of its own, spoken to in JSON lines. */

import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Child } from "../harness/child.mjs";
import { within } from "../harness/wait.mjs";
import { Refused } from "./client.mjs";

/** How long a verb may take; the client itself waits 5 s for an answer of the server. */
const VERB_MS = 10_000;

const PROGRAM = fileURLToPath(new URL("python_client.py", import.meta.url));

/**
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {number} port
 * @param {"json" | "protobuf"} encoding
 * @returns {Promise<import("./client.mjs").Client>}
 */
export async function pythonClient(scene, port, encoding) {
  const python = process.env.FANWAVE_PYTHON;
  if (!python) throw new Error("FANWAVE_PYTHON is not set: run the tests with `make test` or `make e2e`");
  const address = `ws://127.0.0.1:${port}/connection/websocket`;
  const child = new Child(scene, `python-${encoding}`, python, [PROGRAM, address, encoding], { stdin: "pipe" });
  scene.after(() => child.kill());
  const { stdin, stdout } = child.process;
  if (!stdin || !stdout) throw new Error("the judge has no pipes");
  /** @type {import("./client.mjs").Heard[]} */
  const heard = [];
  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  createInterface({ input: stdout }).on("line", (line) => {
    const message = JSON.parse(line);
    if (message.heard) {
      heard.push(message.heard);
      return;
    }
    const ask = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.refused) ask?.reject(new Refused(message.refused.code, message.refused.message));
    else if (message.error) ask?.reject(new Error(message.error));
    else ask?.resolve(message.result);
  });
  let ids = 0;
  /** @param {string} verb @param {object} args @returns {Promise<any>} */
  const ask = (verb, args) => {
    ids += 1;
    const answer = new Promise((resolve, reject) => waiting.set(ids, { resolve, reject }));
    stdin.write(`${JSON.stringify({ id: ids, verb, args })}\n`);
    return within(`the Python client answers ${verb}`, VERB_MS, answer);
  };
  return {
    heard,
    connect: (tokens) => ask("connect", { tokens }),
    subscribe: (channel) => ask("subscribe", { channel }),
    unsubscribe: (channel) => ask("unsubscribe", { channel }),
    resubscribe: (channel) => ask("resubscribe", { channel }),
    publish: (channel, data) => ask("publish", { channel, data }),
    rpc: (method, data) => ask("rpc", { method, data }),
    history: (channel, query) => ask("history", { channel, ...query }),
    presence: (channel) => ask("presence", { channel }),
    presenceStats: (channel) => ask("presence_stats", { channel }),
    batch: (channel, count) => ask("batch", { channel, count }),
  };
}
