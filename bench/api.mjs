/**
 * `make bench-api`: how many requests of back ends a second of the processor answers, beside a NestJS app on Fastify and a Go Fiber app
 * that do the same. One core for the server, one for wrk. ROUNDS=3 of ROUND_S=4 are what the documentation speaks of. Fails when a
 * promise is broken; keeps everything in artifacts/api-performance-checks.json.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { inScene } from "../tests/harness/scene.mjs";
import { CONNECTIONS, FILLED, OLD_PAGES, OPERATIONS, SPEAKERS, load } from "./api/load.mjs";
import { ROOM, ask, claims, startServers } from "./api/servers.mjs";
import { groupedBarChart } from "./chart.mjs";
import { DISTURBED, atLeast, atMost, count, disturbance, median, ms, percent, ratio } from "./chat/part.mjs";
import { conclude } from "./cluster/outcome.mjs";

const ROUNDS = Number(process.env.ROUNDS || 3);
const SECONDS = Number(process.env.ROUND_S || 4);
/** What is compiled while it runs has to have run: before the first round of each operation, and before every other one. */
const WARM_UP_S = { first: 3, again: 1 };
/** Of requests per CPU-second, against each peer. */
const RATIO_MIN = 1;
const CHART = "img/api-performance.svg";

const operations = /** @type {import("./api/load.mjs").Operation[]} */ (Object.keys(OPERATIONS));

/** @typedef {{ operation: string, server: string, round: number, perCpuS: number, seen: import("./api/load.mjs").Round }} Measured */

const { measured, stored } = await inScene("bench-api", async (scene) => {
  const servers = await startServers(scene);
  await theSameAnswers(servers);
  for (const server of servers) await fill(scene, server);
  /** @type {Measured[]} */
  const measured = [];
  /** @type {Record<string, number>} */
  const stored = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const operation of operations) {
      // Nobody is always the first or the last.
      for (const i of servers.keys()) {
        const server = /** @type {import("./api/servers.mjs").Running} */ (servers[(i + round) % servers.length]);
        await load(scene, server, operation, round === 0 ? WARM_UP_S.first : WARM_UP_S.again);
        const before = await head(server);
        const seen = await load(scene, server, operation, SECONDS);
        measured.push({ operation, server: server.name, round, perCpuS: seen.answers / seen.cpu_s, seen });
        if (operation === "publish") {
          // What was acknowledged is there; what was on its way when wrk began to count or ended may be.
          const kept = (await head(server)) - before;
          assert.ok(kept >= seen.answers && kept <= seen.answers + 4 * CONNECTIONS, `${server.name} acknowledged ${seen.answers} and has ${kept}`);
          stored[server.name] = await head(server);
        }
      }
    }
  }
  return { measured, stored };
});

/** @param {string} operation @param {string} server */
const rounds = (operation, server) => measured.filter((run) => run.operation === operation && run.server === server);
/** @param {string} operation @param {string} server */
const perCpuS = (operation, server) => median(rounds(operation, server).map((run) => run.perCpuS));
/** @param {string} operation @param {string} server */
const toPeer = (operation, server) => median(rounds(operation, server).map((theirs) => {
  const ours = rounds(operation, "Fanwave").find(({ round }) => round === theirs.round);
  return (ours?.perCpuS ?? NaN) / theirs.perCpuS;
}));
const names = [...new Set(measured.map(({ server }) => server))];
const peers = names.filter((name) => name !== "Fanwave");
const waited = disturbance(measured);
const wrong = measured.reduce((sum, { seen }) => sum + seen.refused + seen.failed, 0);

await conclude("api-performance", {
  title: "What a request costs",
  command: "make bench-api",
  checks: [
    ...operations.flatMap((operation) => peers.map((peer) =>
      atLeast(`requests per CPU-second against ${peer}: ${OPERATIONS[operation].title}`, toPeer(operation, peer), RATIO_MIN, ratio))),
    atMost("requests that were not answered as they should", wrong, 0, count),
  ],
  figures: [
    ["rounds", `${ROUNDS} of ${SECONDS} s for each, in turn`],
    ["messages in each store at the end", names.map((name) => `${name} ${count(stored[name] ?? NaN)}`).join(", ")],
    ["the servers waited for their core", `${percent(waited)} of the time${waited > DISTURBED ? ": times mean little, ratios and CPU-seconds hold" : ""}`],
  ],
  table: {
    head: ["", "server", "requests a CPU-second", "lowest", "highest", "Fanwave's are so many times as many", "a second", "p50", "p99"],
    rows: operations.flatMap((operation) => names.map((name) => {
      const of = rounds(operation, name);
      const all = of.map((run) => run.perCpuS);
      /** @param {(seen: import("./api/load.mjs").Round) => number} what */
      const typical = (what) => median(of.map(({ seen }) => what(seen)));
      return [OPERATIONS[operation].title, name, count(perCpuS(operation, name)), count(Math.min(...all)), count(Math.max(...all)),
        name === "Fanwave" ? "" : ratio(toPeer(operation, name)), count(typical((seen) => seen.answers / seen.seconds)),
        ms(typical((seen) => seen.p50Ms)), ms(typical((seen) => seen.p99Ms))];
    })),
  },
}, {
  whole: ROUNDS >= 3 && SECONDS >= 4,
  raw: measured,
  page: {
    path: "docs/api-performance.md",
    names: ["api-performance"],
    introduction: `# The API: measured

Generated by \`make bench-api\` when it is played at its full size; change \`bench/\`, not this page. How many requests of back ends a second of
the processor answers, beside two apps that a team might write for the same: one in NestJS on Fastify, one in Go with Fiber
(\`bench/peers/nestjs\` and \`bench/peers/fiber\`, with their versions pinned). Each server has one core, and wrk the other, with
${CONNECTIONS} connections that are kept and ask again when they are answered. A CPU-second is a second of the server's process, all its threads,
as the kernel counts it, with the kernel's own work for its sockets and files; waiting for the disk is none. The servers are asked
in turn, round by round, and figures are medians of the rounds. A ratio is the median of each round's.

![Requests a CPU-second](${CHART})

What all three do, with the same requests and, but for random ids and times, the same answers, which are compared before anything is measured:

* **A token is issued**: the API key is compared by its SHA-256 in constant time, the body is checked and what is unknown in it refused, and a JWT is
  signed (HS256) with the same claims: who, name, role, two channels, two times.
* **A message is published**: the same key and checks; whether the sender is banned is looked up; the message is written to SQLite (WAL,
  \`synchronous=FULL\`), unique by sender and id, and answered when it is on the disk. What arrives meanwhile is written together in one transaction, by
  all three. Each request is one message, of ${SPEAKERS} senders in turn.
* **The newest 50 messages are read**: by anybody, without a key. All three have the newest 500 in memory, and make the JSON anew for each request.
* **50 older messages are read**: a page that ends somewhere between the ${count(OLD_PAGES.from)}th and the ${count(OLD_PAGES.to)}th message, from SQLite.

What differs:

* Fanwave also has its room judge each message (mutes, slow mode, word lists in many languages), tells its language, hands it to the gateway for whoever
  is connected (here nobody), writes what is deleted over (\`secure_delete\`), and normalises names. The peers do none of that.
* NestJS checks bodies with its \`ValidationPipe\` (class-validator) and signs with \`@nestjs/jwt\` (given the secret as a
  key object: a string it would try to read as a private key at each signature); better-sqlite3 writes on the one thread that also answers.
  Fiber checks with go-playground/validator, reads and writes JSON with encoding/json and signs with golang-jwt; its SQLite is mattn/go-sqlite3, behind
  database/sql, with one writer. These are what the documentation of each has, with no other tuning.
* Who is faster has more messages in its store at the end of the same time.
`,
  },
});

if (ROUNDS >= 3 && SECONDS >= 4) {
  const groups = operations.map((operation) => ({ name: OPERATIONS[operation].title, bars: names.map((name) => ({ name, value: perCpuS(operation, name) })) }));
  await writeFile(`docs/${CHART}`, groupedBarChart({ title: "Requests a CPU-second", unit: "", groups }));
}

/** @param {import("./api/servers.mjs").Running} server @returns {Promise<number>} */
async function head(server) {
  return (await ask(server, `/channels/${ROOM}/messages?limit=1`)).body.head;
}

/**
 * So many messages that older pages are outside of everybody's memory.
 *
 * @param {import("../tests/harness/scene.mjs").Scene} scene
 * @param {import("./api/servers.mjs").Running} server
 */
async function fill(scene, server) {
  while ((await head(server)) < FILLED) await load(scene, server, "publish", 1);
}

/**
 * Before anything is measured: all answer the same, and refuse the same.
 *
 * @param {import("./api/servers.mjs").Running[]} servers
 */
async function theSameAnswers(servers) {
  for (const server of servers) {
    const token = await ask(server, "/tokens", { user: "u-42", name: "Mina", rooms: [ROOM], ttl_seconds: 600 });
    assert.equal(token.status, 201, server.name);
    const { iat, exp, ...said } = claims(token.body.token);
    assert.deepEqual(said, { sub: "u-42", name: "Mina", role: "fan", channels: [`room:${ROOM}`, `chat:${ROOM}`] }, server.name);
    assert.equal(exp - iat, 600, server.name);
    assert.deepEqual(token.body, { token: token.body.token, user: "u-42", role: "fan", expires_at: exp * 1_000 }, server.name);

    const message = { id: "m1", text: "hello", sender: { user: "u-42", name: "Mina" } };
    const first = await ask(server, `/channels/${ROOM}/publish`, message);
    const { epoch, at } = first.body;
    assert.deepEqual(first, { status: 201, body: { id: "m1", offset: 1, epoch, at, duplicate: false, held: false } }, server.name);
    const again = await ask(server, `/channels/${ROOM}/publish`, message);
    assert.deepEqual(again.body, { ...first.body, duplicate: true }, server.name);
    const page = await ask(server, `/channels/${ROOM}/messages?lane=chat&limit=50`);
    const read = { offset: 1, id: "m1", user: "u-42", name: "Mina", role: "fan", text: "hello", at };
    for (const message of page.body.messages) delete message.lang;
    assert.deepEqual(page, { status: 200, body: { channel: `chat:${ROOM}`, epoch, head: 1, messages: [read], next_before: null } }, server.name);

    assert.equal((await ask(server, "/tokens", { user: "u-42", nickname: "Mina" })).status, 400, server.name);
    assert.equal((await ask(server, "/channels/nowhere/publish", message)).status, 404, server.name);
  }
}
