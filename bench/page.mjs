/**
 * `make bench-page`: what the watch page is like on a phone over slow 4G, for a show with a ladder of three qualities: after how long the first
 * picture is on the screen and the chat can be written in, with an empty cache, over ROUNDS=5, and what Lighthouse says. The phone is a mid-range
 * one on every machine (tests/harness/phone.mjs); what a fixed slow-down of this machine's processor makes of it is told beside that. Writes
 * artifacts/page-checks.json, and docs/page-performance.md when all rounds are played.
 */

import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { PHONE, startBrowser } from "../tests/harness/browser.mjs";
import { lighthouseOf } from "../tests/harness/lighthouse.mjs";
import { lighthousePhone, MID_RANGE, NETWORK, pointsOf, slowdownOf } from "../tests/harness/phone.mjs";
import { publish, underWay } from "../tests/harness/publisher.mjs";
import { freePorts, inScene } from "../tests/harness/scene.mjs";
import { Server } from "../tests/harness/server.mjs";
import { until } from "../tests/harness/wait.mjs";
import { atLeast, atMost, count, median } from "./chat/part.mjs";
import { conclude } from "./cluster/outcome.mjs";
import { pagePage, SLOWDOWN } from "./page/outcome.mjs";

const rounds = Number(process.env.ROUNDS || 5);
if (!(rounds >= 1)) throw new Error(`ROUNDS must be a number of at least one, not ${process.env.ROUNDS}`);

const LADDER = '[ladder]\nrungs = ["240p 400k", "144p 150k"]\nrungs_max = 2\n';
const PICTURE_MAX_S = 2.5;
const CHAT_MAX_S = 1.5;
const PERFORMANCE_MIN = 90;
const ACCESSIBILITY_MIN = 100;
const BEST_PRACTICES_MIN = 95;
const SEEN_MS = 60_000;

/** Runs in the page, before anything else: when the chat can be written in, and when the first picture is there. */
function watch() {
  const seen = { chat: 0, picture: 0, plays: 0, layoutShift: 0 };
  Object.assign(window, { seen });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.layoutShift += /** @type {any} */ (entry).value;
  }).observe({ type: "layout-shift", buffered: true });
  const look = () => {
    const now = performance.now();
    const chat = document.querySelector('[data-testid=connection-state][data-state=connected]');
    if (!seen.chat && chat && document.querySelector("#chat-input")) seen.chat = now;
    const video = document.querySelector("video");
    if (video && !seen.picture && !("watched" in video.dataset)) {
      video.dataset.watched = "";
      video.requestVideoFrameCallback(() => {
        seen.picture = performance.now();
      });
    }
    if (!(seen.chat && seen.picture)) requestAnimationFrame(look);
  };
  look();
}

/**
 * One visit of somebody who has never been here.
 *
 * @param {Awaited<ReturnType<typeof startBrowser>>} browser
 * @param {string} url
 * @param {number} slowdown
 */
async function visit(browser, url, slowdown) {
  const context = await browser.newContext({ viewport: PHONE, isMobile: true, hasTouch: true, deviceScaleFactor: 2, locale: "en-US" });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.emulateNetworkConditions", {
    offline: false, latency: NETWORK.latencyMs, downloadThroughput: NETWORK.downBits / 8, uploadThroughput: NETWORK.upBits / 8,
  });
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  await page.addInitScript(watch);
  await page.goto(url, { waitUntil: "commit" });
  const seen = await until("picture and chat are there", SEEN_MS, async () => {
    const now = await page.evaluate(() => /** @type {any} */ (window).seen);
    return now.chat > 0 && now.picture > 0 ? now : undefined;
  });
  const asked = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => {
    const { name, startTime, responseEnd, transferSize } = /** @type {PerformanceResourceTiming} */ (entry);
    return { name: new URL(name).pathname, from: Math.round(startTime), until: Math.round(responseEnd), bytes: transferSize };
  }));
  await context.close();
  return { chatS: seen.chat / 1000, pictureS: seen.picture / 1000, layoutShift: seen.layoutShift, asked };
}

const result = await inScene("page", async (scene) => {
  const server = await Server.start(scene, { extra: LADDER });
  await publish(scene, server);
  await underWay(server, 4);
  const [port] = /** @type {[number]} */ (await freePorts(1));
  const browser = await startBrowser(scene, [`--remote-debugging-port=${port}`]);
  const points = await pointsOf(browser);
  const slowdown = slowdownOf(points);
  console.log(`this machine's processor has ${Math.round(points)} points: a mid-range phone's is ${slowdown.toFixed(2)} times slower`);
  const visited = async (/** @type {number} */ rate) => {
    const visits = [];
    for (let n = 0; n < rounds; n += 1) {
      const seen = await visit(browser, server.watchUrl, rate);
      console.log(`visit ${n + 1}, ${rate.toFixed(2)} times slower: chat after ${seen.chatS.toFixed(2)} s, picture after ${seen.pictureS.toFixed(2)} s`);
      if (process.env.ASKED) for (const { name, from, until: to, bytes } of seen.asked) console.log(`  ${from}-${to} ms ${bytes} B ${name}`);
      visits.push(seen);
    }
    return visits;
  };
  const judged = async (/** @type {number} */ rate) => {
    const said = [];
    for (let n = 0; n < Math.min(3, rounds); n += 1) said.push(await lighthouseOf(port, server.watchUrl, lighthousePhone(rate)));
    return said;
  };
  const [visits, slower] = [await visited(slowdown), await visited(SLOWDOWN)];
  const [lighthouse, lighthouseSlower] = [await judged(slowdown), await judged(SLOWDOWN)];
  return { points, slowdown, visits, slower, lighthouse, lighthouseSlower };
});

const { points, slowdown, visits, slower, lighthouse, lighthouseSlower } = result;
/** @param {"performance" | "accessibility" | "best-practices"} category */
const score = (category) => median(lighthouse.map(({ scores }) => scores[category]));
const scoreSlower = median(lighthouseSlower.map(({ scores }) => scores.performance));
const failing = [...new Set(lighthouse.flatMap(({ found }) => found))];
for (const line of failing) console.log(`Lighthouse: ${line}`);
await writeFile(join(scene(), "lighthouse.json"), `${JSON.stringify(lighthouse.map(({ report }) => report), undefined, 1)}\n`);

/** @param {number} seconds */
const s = (seconds) => `${seconds.toFixed(2)} s`;
/** @param {string} id */
const timing = (id) => s(median(lighthouse.map(({ timings }) => timings[id] ?? NaN)) / 1000);
await conclude("page", {
  title: "A first visit on a phone over slow 4G",
  command: "make bench-page",
  checks: [
    atMost("the first picture is on the screen after", median(visits.map(({ pictureS }) => pictureS)), PICTURE_MAX_S, s),
    atMost("the chat is connected and can be written in after", median(visits.map(({ chatS }) => chatS)), CHAT_MAX_S, s),
    atLeast("Lighthouse: performance", score("performance"), PERFORMANCE_MIN),
    atLeast("Lighthouse: accessibility", score("accessibility"), ACCESSIBILITY_MIN),
    atLeast("Lighthouse: best practices", score("best-practices"), BEST_PRACTICES_MIN),
  ],
  figures: [
    ["network", `${NETWORK.downBits / 1_024_000} Mbit/s down, ${NETWORK.upBits / 1000} kbit/s up, ${NETWORK.latencyMs} ms for each request; the WebSocket is not slowed down by the browser`],
    ["processor", `${count(Math.round(points))} points of Lighthouse's benchmark beside the show, slowed down ${slowdown.toFixed(2)} times: a mid-range phone has ${count(MID_RANGE)}`],
    [`slowed down ${SLOWDOWN} times instead (${count(Math.round(points / SLOWDOWN))} points): picture, chat, Lighthouse's performance`,
      `${s(median(slower.map(({ pictureS }) => pictureS)))}, ${s(median(slower.map(({ chatS }) => chatS)))}, ${scoreSlower}`],
    ["visits with an empty cache; medians of them, and the slowest picture", `${count(visits.length)}; ${s(Math.max(...visits.map(({ pictureS }) => pictureS)))}`],
    ["Lighthouse: first and largest contentful paint, blocked, layout shift", `${timing("first-contentful-paint")}, ${timing("largest-contentful-paint")}, ${timing("total-blocking-time")}, ${median(lighthouse.map(({ timings }) => timings["cumulative-layout-shift"] ?? NaN)).toFixed(3)}`],
    ["what the page's own scripts and styles weigh, packed", `${count(visits[0]?.asked.filter((/** @type {{ name: string }} */ { name }) => name.startsWith("/assets/")).reduce((/** @type {number} */ sum, /** @type {{ bytes: number }} */ { bytes }) => sum + bytes, 0) ?? NaN)} B`],
  ],
}, { whole: rounds >= 5, raw: { points, slowdown, visits, slower, scoreSlower, lighthouse: lighthouse.map(({ scores, timings, found }) => ({ scores, timings, found })) }, page: pagePage() });

function scene() {
  return process.env.FANWAVE_ARTIFACTS ?? ".";
}
