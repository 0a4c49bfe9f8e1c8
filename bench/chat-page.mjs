/**
 * `make bench-chat-page`: what a chat of 50 shown messages a second costs a phone over MINUTES=10, beside the show: the heap after each
 * collection, every long task, the frames, and the elements of the list. The processor is slowed down four times, or until it is a mid-range
 * phone's, whichever is slower. Writes artifacts/chat-page-checks.json, and docs/page-performance.md when it is played for ten minutes.
 */

import { writeFile } from "node:fs/promises";
import { openPage, PHONE, startBrowser } from "../tests/harness/browser.mjs";
import { untilPlaying } from "../tests/harness/player.mjs";
import { LOW_END, MID_RANGE, pointsOf, slowdownOf } from "../tests/harness/phone.mjs";
import { publish, underWay } from "../tests/harness/publisher.mjs";
import { inScene } from "../tests/harness/scene.mjs";
import { Server } from "../tests/harness/server.mjs";
import { newSecret, sign } from "../tests/harness/tokens.mjs";
import { npmClient } from "../tests/judges/npm-client.mjs";
import { atLeast, atMost, count, median, percent } from "./chat/part.mjs";
import { lineChart } from "./chart.mjs";
import { conclude } from "./cluster/outcome.mjs";
import { giveWay, inOwnSession } from "./give-way.mjs";
import { CHAT_CHART, pagePage, SLOWDOWN } from "./page/outcome.mjs";

const minutes = Number(process.env.MINUTES ?? 10);
if (!(minutes >= 1)) throw new Error(`MINUTES must be a number of at least one, not ${process.env.MINUTES}`);

/** Messages a second, and how many say them: nobody is held back for writing too much. */
const RATE = 50;
const SPEAKERS = 10;
/** A little more than is wanted, because what is sent does not come at an even pace. */
const SHOWN_PER_S = 60;
/** What is said in it does not count: the page loads, compiles and fills, and so does the minute of the show that it knows. */
const WARM_UP_S = 90;
const SAMPLE_EVERY_S = 30;
/** What asking for a collection costs is ours and not the page's. */
const COLLECTION_MS = 60;

const LONG_TASK_MAX_MS = 100;
/** The heap of the last third of the run against that of the first. */
const GROWTH_MAX = 1.05;
const ELEMENTS_MAX = 200;
/** Of what was said: the rest is on its way when somebody looks. */
const SHOWN_MIN = 0.98;
/** Of the show: what waits for the machine is not a phone with little to do. */
const PLAYED_MIN = 0.98;

/** What fans say, in the languages of the page. */
const SAID = ["와 화질 진짜 좋다", "omg it's starting!!", "鳥肌立った", "¿alguien más de Argentina?", "เพลงนี้เพราะมาก", "this bridge gets me every single time", "앵콜! 앵콜! 앵콜!",
  "今の見た？やばい！", "who else stayed up for this 😅", "โอ๊ยยย น่ารักมากกกก 🥰🥰", "😭😭😭", "se ve increíble desde aquí, saludos a todas"];

/**
 * Says so many things a second, whatever the page does, until it is told to stop; counts what was taken.
 *
 * @param {import("../tests/harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {string} secret
 */
async function talk(scene, server, secret) {
  const speakers = await Promise.all(Array.from({ length: SPEAKERS }, async (_, n) => {
    const client = await npmClient(scene, server.httpPort, "websocket-json");
    await client.connect([sign(secret, { user: `speaker-${n}`, name: `Fan ${n}`, seconds: 7_200 })]);
    return client;
  }));
  const began = performance.now();
  const state = { said: 0, refused: 0 };
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1000) * RATE);
    for (; state.said < due; state.said += 1) {
      const text = `${SAID[state.said % SAID.length]} ${state.said}`;
      speakers[state.said % SPEAKERS]?.rpc("send", { channel: server.chatChannel, id: `m${state.said}`, text })
        .catch(() => void (state.refused += 1));
    }
  }, 10);
  scene.after(() => clearInterval(timer));
  return state;
}

/** Runs in the page: watches tasks, frames, and what the list gets and has. */
function watch() {
  const seen = { tasks: /** @type {{ at: number, ms: number }[]} */ ([]), frames: 0, late: 0, shown: 0, elements: 0 };
  Object.assign(window, { seen });
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) seen.tasks.push({ at: startTime, ms: duration });
  }).observe({ type: "longtask" });
  let last = performance.now();
  const frame = (/** @type {number} */ now) => {
    seen.frames += 1;
    if (now - last > 50) seen.late += 1;
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const list = /** @type {Element} */ (document.querySelector("[data-testid=chat-log] ol"));
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) if (node.nodeName === "LI") seen.shown += 1;
    seen.elements = Math.max(seen.elements, list.querySelectorAll("*").length);
  }).observe(list, { childList: true });
}

await inOwnSession();
const result = await inScene("chat page", async (scene) => {
  const secret = newSecret();
  const browser = await startBrowser(scene);
  await giveWay();
  // Of a longer window, its player knows more with every second, for as long as the window is.
  const server = await Server.start(scene, { secret, sendRate: "unlimited", shownPerSecond: SHOWN_PER_S, extra: '[dvr]\nwindow = "0s"\n' });
  await publish(scene, server);
  await underWay(server);
  const points = await pointsOf(browser);
  const slowdown = Math.max(SLOWDOWN, slowdownOf(points));
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "phone", viewport: PHONE, mobile: true });
  await untilPlaying(page);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  const talked = await talk(scene, server, secret);
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_S * 1000));

  await page.evaluate(watch);
  const began = performance.now();
  const clock = () => page.evaluate(() => performance.now());
  const playhead = () => page.evaluate(() => /** @type {HTMLVideoElement} */ (document.querySelector("video")).currentTime);
  const saidBefore = talked.said;
  const playedBefore = await playhead();
  /** @type {{ atS: number, heapMb: number, nodes: number, shown: number }[]} */
  const samples = [];
  /** @type {{ from: number, until: number }[]} */
  const ours = [];
  for (let n = 0; n <= (minutes * 60) / SAMPLE_EVERY_S; n += 1) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + n * SAMPLE_EVERY_S * 1000 - performance.now())));
    const from = await clock();
    await cdp.send("HeapProfiler.collectGarbage");
    const { usedSize } = await cdp.send("Runtime.getHeapUsage");
    const { nodes } = await cdp.send("Memory.getDOMCounters");
    ours.push({ from: from - COLLECTION_MS, until: (await clock()) + COLLECTION_MS });
    const shown = await page.evaluate(() => /** @type {any} */ (window).seen.shown);
    samples.push({ atS: (performance.now() - began) / 1000, heapMb: usedSize / 1e6, nodes, shown });
    console.log(`${((performance.now() - began) / 60_000).toFixed(1)} min: heap ${(usedSize / 1e6).toFixed(2)} MB, ${nodes} nodes, ${shown} shown`);
  }
  const seconds = (performance.now() - began) / 1000;
  const played = (await playhead()) - playedBefore;
  const said = talked.said - saidBefore;
  /** @type {{ tasks: { at: number, ms: number }[], frames: number, late: number, shown: number, elements: number }} */
  const seen = await page.evaluate(() => /** @type {any} */ (window).seen);
  const tasks = seen.tasks.filter(({ at, ms }) => !ours.some(({ from, until }) => at < until && at + ms > from));

  return { points, slowdown, seconds, played, said, refused: talked.refused, samples, ...seen, tasks, tasksOfCollections: seen.tasks.length - tasks.length };
});

const heaps = result.samples.map(({ heapMb }) => heapMb);
const third = Math.max(1, Math.floor(heaps.length / 3));
const growth = median(heaps.slice(-third)) / median(heaps.slice(0, third));
const longest = Math.max(0, ...result.tasks.map(({ ms }) => ms));
const whole = minutes >= 10;
if (whole) {
  await writeFile(`docs/${CHAT_CHART}`, lineChart({
    title: "The heap of the page after each collection, at 50 shown messages a second",
    unit: "MB",
    series: [{ name: `heap, last third against first: ${growth.toFixed(2)} times`, points: result.samples.map(({ atS, heapMb }) => ({ atS, value: heapMb })) }],
  }));
}
await conclude("chat-page", {
  title: "A chat of 50 shown messages a second on a phone",
  command: `make bench-chat-page MINUTES=${minutes}`,
  checks: [
    atLeast("messages shown a second, of those said", result.shown / result.said, SHOWN_MIN, percent),
    atLeast("the show's time that was played, of the time that passed", result.played / result.seconds, PLAYED_MIN, percent),
    atMost("heap of the last third of the run against the first", growth, GROWTH_MAX, (times) => `${times.toFixed(3)} times`),
    atMost("longest task", longest, LONG_TASK_MAX_MS, (ms) => `${ms.toFixed(0)} ms`),
    atMost("elements in the list of messages", result.elements, ELEMENTS_MAX),
  ],
  figures: [
    ["processor", `${count(result.points)} points of Lighthouse's benchmark beside the show, slowed down ${result.slowdown.toFixed(2)} times, to ${count(Math.round(result.points / result.slowdown))}: a mid-range phone has ${count(MID_RANGE)}, a low-end one ${count(LOW_END)}`],
    [`length, after a warm-up of ${WARM_UP_S} s`, `${(result.seconds / 60).toFixed(1)} min`],
    ["said, and shown", `${count(result.said)}, ${count(result.shown)}`],
    ["heap at the beginning and at the end, after a collection", `${heaps[0]?.toFixed(1)} MB, ${heaps.at(-1)?.toFixed(1)} MB`],
    ["nodes of the whole page at the beginning and at the end", `${count(result.samples[0]?.nodes ?? NaN)}, ${count(result.samples.at(-1)?.nodes ?? NaN)}`],
    ["tasks of more than 50 ms", count(result.tasks.length)],
    ["frames a second; later than 50 ms after the one before", `${(result.frames / result.seconds).toFixed(1)}; ${percent(result.late / result.frames)}`],
  ],
}, { whole, raw: result, page: pagePage() });
