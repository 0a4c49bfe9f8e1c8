/** A fan's page tells how its picture plays: a start, and a stall when its network is gone; the staff reads it over HTTP and sees it in the studio. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { accessible, complaints, enter } from "../harness/studio.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** A point of the series is there after five seconds, and is asked for every five. */
const SEEN_MS = 20_000;
/** What the page has loaded is played first. */
const DRY_MS = 20_000;
/** A standstill of half a second is a stall: this one is told in any case. */
const STALL_MS = 1_500;

const MEMBERS = new Set([
  "session", "sequence", "startup_ms", "played_ms", "stalls", "stalled_ms", "latency_ms", "height", "bitrate", "switches", "errors",
]);

/** Runs in the page: since when its picture has been the same, as far as it was asked. */
function stoodStillMs() {
  const at = document.querySelector("video")?.currentTime;
  const seen = /** @type {{ still?: { at: number | undefined, since: number } }} */ (window);
  if (seen.still?.at !== at) seen.still = { at, since: performance.now() };
  return performance.now() - (seen.still?.since ?? NaN);
}

scene("a page tells of its start and of its stall, and the staff sees both", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), demo: true, extra: '[quality]\nevery = "1s"\n' });
  const browser = await startBrowser(scene);
  /** @type {Record<string, unknown>[]} */
  const beacons = [];
  const { page: watch } = await openPage(scene, browser, server.watchUrl, {
    name: "fan",
    prepare: async (opening) =>
      void opening.on("request", (request) => {
        if (request.method() === "POST" && request.url().endsWith("/quality")) beacons.push(request.postDataJSON());
      }),
  });
  await untilPlaying(watch);
  const { page, console, token } = await enter(scene, browser, server, { role: "staff", name: "Ops", at: `/${CHANNEL}#show` });
  const told = async () => {
    const response = await fetch(`${server.url}/api/v1/channels/${CHANNEL}/quality`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(response.status, 200);
    return (await response.json()).total;
  };
  await until("the start is told", SEEN_MS, async () => {
    const { viewers, startups, figures, rungs } = await told();
    return viewers === 1 && startups === 1 && figures.startup_p50_ms > 0 && figures.latency_p50_ms > 0 && rungs[0]?.percent === 100;
  });

  await watch.context().setOffline(true);
  await watch.locator("[data-testid=player]:is([data-phase=buffering], [data-phase=reconnecting])").waitFor({ timeout: DRY_MS });
  await until("the picture has stood still", DRY_MS, async () => (await watch.evaluate(stoodStillMs)) >= STALL_MS);
  await watch.context().setOffline(false);
  await until("the stall is told", SEEN_MS, async () => {
    const { stalls, stalled_ms: stalledMs, figures } = await told();
    return stalls >= 1 && stalledMs >= 500 && figures.stalled_percent > 0;
  });
  const shown = async (/** @type {string} */ name) => Number(await page.getByTestId(`chart-fares-${name}`).getAttribute("data-now"));
  await until("the studio shows both", SEEN_MS, async () => (await shown("viewers")) === 1 && (await shown("startup50")) > 0 && (await shown("stalled")) > 0);
  await page.getByTestId("fares-rung").first().waitFor();
  await accessible(page, "how players fare");
  await page.getByTestId("fares").scrollIntoViewIfNeeded();
  await page.screenshot({ path: join(scene.artifacts, "studio-fares.png") });
  assert.deepEqual(complaints(console), []);

  const said = new Set(beacons.flatMap((beacon) => Object.keys(beacon)));
  assert.deepEqual([...said].filter((name) => !MEMBERS.has(name)), [], "nothing else is told");
  assert.equal(new Set(beacons.map(({ session }) => session)).size, 1, "one view of the page is one session");
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^fanwave_quality_stalls_total [1-9]/m);
});
