/**
 * A show is pushed on to other platforms: to another server of ours over TLS, to nginx in the clear, and to one that does not know the key. One of
 * them is killed and comes back, and neither the show nor the other platforms notice.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startBrowser } from "../harness/browser.mjs";
import { makeCertificate } from "../harness/certificate.mjs";
import { run } from "../harness/child.mjs";
import { playlists } from "../harness/hls.mjs";
import { startNginx } from "../harness/nginx.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { freePorts, scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { accessible, complaints, enter } from "../harness/studio.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

const ANSWER_MS = 5_000;
/** A platform is asked again after half a minute at most; here, it is away for a few seconds, on a machine that does other things. */
const AGAIN_MS = 60_000;
const PROBED_MS = 15_000;
const WRONG_KEY = "canary-wrong-key-55d0";

/**
 * An entry of the configuration.
 *
 * @param {string} folder
 * @param {{ name: string, url: string, key: string, more?: string }} platform
 */
async function target(folder, { name, url, key, more = "" }) {
  const file = join(folder, `key-of-${name.toLowerCase()}`);
  await writeFile(file, `${key}\n`, { mode: 0o600 });
  return `[[simulcast]]\nchannel = "${CHANNEL}"\nname = "${name}"\nurl = "${url}"\nkey_file = "${file}"\n${more}`;
}

/**
 * Decode times of the pictures of two seconds, as ffprobe reads them, in seconds.
 *
 * @param {string} url
 */
async function decodeTimes(url) {
  const args = ["-v", "error", "-select_streams", "v:0", "-read_intervals", "%+2", "-show_entries", "packet=dts_time", "-of", "csv=p=0", url];
  const { code, stdout, stderr } = await run("ffprobe", args, { deadlineMs: PROBED_MS });
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "").map((line) => Number(line.replace(",", "")));
}

scene("a show is pushed on to other platforms, and one that was away is found again", async (scene) => {
  const { certificate, key } = await makeCertificate(scene.folder);
  const [port] = /** @type {[number]} */ (await freePorts(1));
  const [platform, nginx] = await Promise.all([
    Server.start(scene, { folder: "platform", rtmp: `tls_listen = "127.0.0.1:${port}"\ntls_certificate = "${certificate}"\ntls_key = "${key}"\n` }),
    startNginx(scene, ""),
  ]);
  const targets = await Promise.all([
    target(scene.folder, { name: "Platform", url: `rtmps://localhost:${port}/live`, key: platform.streamKey, more: `tls_authorities = "${certificate}"\n` }),
    target(scene.folder, { name: "Nginx", url: nginx.url, key: "pushed-on" }),
    target(scene.folder, { name: "Wrong", url: platform.rtmpUrl, key: WRONG_KEY }),
  ]);
  const secret = newSecret();
  const server = await Server.start(scene, { secret, logLevel: "debug", logFormat: "json", reconnectWindow: "2s", extra: targets.join("") });
  const headers = { authorization: `Bearer ${sign(secret, { user: "crew", role: "staff" })}` };
  /** @type {string[]} */
  const said = [];
  const pushes = async () => {
    const response = await fetch(`${server.url}/api/v1/channels/${CHANNEL}/ingest`, { headers, signal: AbortSignal.timeout(ANSWER_MS) });
    const text = await response.text();
    said.push(text);
    /** @type {{ simulcast: { name: string, host: string, state: string, dropped: number, reconnects: number, since: number, error: string | null }[] }} */
    const { simulcast } = JSON.parse(text);
    return Object.fromEntries(simulcast.map((push) => [push.name, push]));
  };
  const stateOf = async (/** @type {string} */ name) => (await pushes())[name]?.state;
  assert.deepEqual(Object.values(await pushes()).map(({ state }) => state), ["waiting", "waiting", "waiting"]);

  const encoder = await publish(scene, server);
  await underWay(platform, 2);
  const live = await until("both take it, and the third refuses it", AGAIN_MS, async () => {
    const now = await pushes();
    return now["Platform"]?.state === "live" && now["Nginx"]?.state === "live" && now["Wrong"]?.error === "refused" && now;
  });
  assert.deepEqual([live["Platform"]?.host, live["Platform"]?.error, live["Platform"]?.dropped], ["localhost", null, 0]);
  const there = await playlists(platform);
  assert.equal(there?.video.discontinuities, 0);
  const times = await decodeTimes(there?.video.url ?? "");
  assert.ok(times.length > 20, `${times}`);
  // Whole milliseconds of 30 pictures a second.
  times.slice(1).forEach((time, at) => assert.ok(Math.abs(time - (times[at] ?? 0) - 1 / 30) < 0.002, `${times}`));
  const judged = await run("ffprobe", ["-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", `${nginx.url}/pushed-on`], { deadlineMs: PROBED_MS });
  assert.deepEqual(judged.stdout.trim().split("\n").sort(), ["aac", "h264,640"], judged.stderr);

  const browser = await startBrowser(scene);
  const { page, console } = await enter(scene, browser, server, { role: "staff", name: "Crew", at: `/${CHANNEL}#show` });
  const shown = (/** @type {string} */ name, /** @type {string} */ state) => page.locator(`[data-testid=push][data-state=${state}]`).filter({ hasText: name });
  await shown("Platform", "live").waitFor();
  await page.getByText("Refused by the platform: check the stream key").waitFor();
  await accessible(page, "pushes to other platforms");
  await page.getByTestId("simulcast").screenshot({ path: join(scene.artifacts, "studio-simulcast.png") });

  await platform.kill();
  await until("it is told that the platform is away", AGAIN_MS, async () => (await stateOf("Platform")) === "failed");
  await shown("Platform", "failed").getByText("The platform cannot be reached.").waitFor();
  await platform.run();
  await until("the platform has the show again", AGAIN_MS, async () => (await stateOf("Platform")) === "live");
  await shown("Platform", "live").waitFor();
  await until("it is shown there", AGAIN_MS, () => playlists(platform));
  const after = await pushes();
  assert.ok((after["Platform"]?.reconnects ?? 0) > 0);
  assert.deepEqual([after["Nginx"]?.since, after["Nginx"]?.dropped, after["Nginx"]?.reconnects], [live["Nginx"]?.since, 0, 0]);
  const here = await playlists(server);
  assert.equal(here?.video.discontinuities, 0);
  assert.ok(!here?.video.text.includes("GAP"), here?.video.text);

  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, new RegExp(`fanwave_simulcast_state\\{channel="${CHANNEL}",target="Platform",state="live"\\} 1`));
  assert.match(metrics, /fanwave_simulcast_sent_bytes_total\{.*target="Nginx"\} [1-9]/);
  await encoder.kill();
  await until("nothing is pushed any more", AGAIN_MS, async () => Object.values(await pushes()).every(({ state }) => state === "waiting"));
  assert.deepEqual(complaints(console), []);
  for (const text of [...said, metrics, await server.child.log()]) {
    for (const canary of [WRONG_KEY, platform.streamKey, "pushed-on"]) assert.ok(!text.includes(canary), `a stream key in ${text}`);
  }
});
