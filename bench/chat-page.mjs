/**
 * `make bench-chat-page`: what a chat of 50 shown messages a second costs a phone over MINUTES=10, beside the show: what it
 * keeps after each collection, how long each task takes, the frames, and the elements of the list. The processor is slowed down four times, or until it
 * is a mid-range phone's, whichever is slower. Writes artifacts/chat-page-checks.json, and docs/page-performance.md when it is played for ten minutes.
 */

import { writeFile } from "node:fs/promises";
import { openPage, PHONE, startBrowser } from "../tests/harness/browser.mjs";
import { dataOf } from "../tests/harness/inside.mjs";
import { untilPlaying } from "../tests/harness/player.mjs";
import { LOW_END, MID_RANGE, goesFirst, pointsOf, slowdownOf, slowedPoints } from "../tests/harness/phone.mjs";
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
if (!Number.isInteger(minutes) || minutes < 1) throw new Error(`MINUTES must be a whole number of at least one, not ${process.env.MINUTES}`);

/** Messages a second, and how many say them: nobody is held back for writing too much. */
const RATE = 50;
const SPEAKERS = 10;
/** A little more than is wanted, because what is sent does not come at an even pace. */
const SHOWN_PER_S = 60;
/** What is said in it does not count: the page loads, compiles and fills, and so does the minute of the show that it knows. */
const WARM_UP_S = 90;
/** How long the page may take, after somebody has looked into its heap, to be where it would be. */
const SETTLE_MS = 3_000;

const LONG_TASK_MAX_MS = 100;
/** Of how much the processor is to be slowed down, and how much it is: the throttling thread cannot be everywhere in time. */
const SLOWED_MIN = 0.9;
/** What the page keeps in the last third of the run against the first. */
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

  const isFirst = await goesFirst(browser);
  await page.evaluate(watch);
  const began = performance.now();
  const clock = () => page.evaluate(() => performance.now());
  const now = async () => {
    const of = await page.evaluate(() => {
      const { frames, late, shown } = /** @type {any} */ (window).seen;
      const { currentTime } = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
      return { frames, late, shown, played: currentTime };
    });
    return { ...of, said: talked.said, seconds: performance.now() / 1000 };
  };
  const sum = { frames: 0, late: 0, shown: 0, played: 0, said: 0, seconds: 0 };
  /** @type {{ atS: number, heapMb: number, dataMb: number, nodes: number }[]} */
  const samples = [];
  /** @type {{ from: number, until: number }[]} */
  const ours = [];
  for (let n = 0; n <= minutes; n += 1) {
    const from = await clock();
    // Nobody looks into a phone: this takes as long as it takes the machine.
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: 1 });
    const data = await dataOf(cdp);
    const { usedSize } = await cdp.send("Runtime.getHeapUsage");
    const { nodes } = await cdp.send("Memory.getDOMCounters");
    const sample = { atS: (performance.now() - began) / 1000, heapMb: usedSize / 1e6, dataMb: data / 1e6, nodes };
    samples.push(sample);
    console.log(`${(sample.atS / 60).toFixed(1)} min: keeps ${sample.dataMb.toFixed(2)} MB, heap ${sample.heapMb.toFixed(2)} MB, ${nodes} nodes, ${sum.shown} of ${sum.said} shown`);
    if (n === minutes) {
      ours.push({ from, until: Infinity });
      break;
    }
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
    // What was said meanwhile is drawn first.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    ours.push({ from, until: await clock() });
    const before = await now();
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    const after = await now();
    for (const key of /** @type {(keyof typeof sum)[]} */ (Object.keys(sum))) sum[key] += after[key] - before[key];
  }
  /** @type {{ tasks: { at: number, ms: number }[], elements: number }} */
  const seen = await page.evaluate(() => /** @type {any} */ (window).seen);
  const tasks = seen.tasks.filter(({ at, ms }) => !ours.some(({ from, until }) => at < until && at + ms > from));
  const { free, slowed } = await slowedPoints(page, cdp, slowdown);

  return { points, free, slowed, isFirst, slowdown, refused: talked.refused, samples, elements: seen.elements, tasks, tasksOfLooking: seen.tasks.length - tasks.length, ...sum };
});

const kept = result.samples.map(({ dataMb }) => dataMb);
const third = Math.max(1, Math.floor(kept.length / 3));
const growth = median(kept.slice(-third)) / median(kept.slice(0, third));
const longest = Math.max(0, ...result.tasks.map(({ ms }) => ms));
const [first, last] = [result.samples[0], result.samples.at(-1)];
const whole = minutes >= 10;
if (whole) {
  await writeFile(`docs/${CHAT_CHART}`, lineChart({
    title: "What the page keeps after each collection, at 50 shown messages a second",
    unit: "MB",
    series: [
      { name: `its data, last third against first: ${growth.toFixed(2)} times`, points: result.samples.map(({ atS, dataMb }) => ({ atS, value: dataMb })) },
      { name: "with what the engine has compiled", points: result.samples.map(({ atS, heapMb }) => ({ atS, value: heapMb })) },
    ],
  }));
}
await conclude("chat-page", {
  title: "A chat of 50 shown messages a second on a phone",
  command: `make bench-chat-page MINUTES=${minutes}`,
  checks: [
    atLeast("messages shown a second, of those said", result.shown / result.said, SHOWN_MIN, percent),
    atLeast("the show's time that was played, of the time that passed", result.played / result.seconds, PLAYED_MIN, percent),
    atMost("what the page keeps in the last third of the run against the first", growth, GROWTH_MAX, (times) => `${times.toFixed(3)} times`),
    atLeast("how much of its slowdown the page's processor has", result.free / result.slowed / result.slowdown, SLOWED_MIN, percent),
    atMost("longest task", longest, LONG_TASK_MAX_MS, (ms) => `${ms.toFixed(0)} ms`),
    atMost("elements in the list of messages", result.elements, ELEMENTS_MAX),
  ],
  figures: [
    ["processor, as the page has it", `${count(Math.round(result.slowed))} points of Lighthouse's benchmark, of ${count(Math.round(result.free))} slowed down ${result.slowdown.toFixed(2)} times: a mid-range phone has ${count(MID_RANGE)}, a low-end one ${count(LOW_END)}`],
    ["the page's main thread goes before everything else on the machine", result.isFirst ? "yes" : "no: only root, or whoever has CAP_SYS_NICE, may ask for that"],
    [`length, after a warm-up of ${WARM_UP_S} s, and without looking into the heap after each minute`, `${(result.seconds / 60).toFixed(1)} min`],
    ["said, and shown", `${count(result.said)}, ${count(result.shown)}`],
    ["what it keeps at the beginning and at the end, after a collection; the heap with what the engine has compiled",
      `${first?.dataMb.toFixed(2)} MB, ${last?.dataMb.toFixed(2)} MB; ${first?.heapMb.toFixed(2)} MB, ${last?.heapMb.toFixed(2)} MB`],
    ["nodes of the whole page at the beginning and at the end", `${count(first?.nodes ?? NaN)}, ${count(last?.nodes ?? NaN)}`],
    ["tasks of more than 50 ms", count(result.tasks.length)],
    ["frames a second; later than 50 ms after the one before", `${(result.frames / result.seconds).toFixed(1)}; ${percent(result.late / result.frames)}`],
  ],
}, { whole, raw: result, page: pagePage() });
