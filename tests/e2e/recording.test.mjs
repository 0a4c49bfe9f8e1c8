/**
 * A show that is over: its recording plays from the first picture to the last, in a browser and without one, with the
 * chat at its times, though the server was killed in the middle of it; a stretch of it stays when the rest is deleted.
 */

import assert from "node:assert/strict";
import { FanwaveClient } from "../../sdk/dist/index.js";
import { report, servePlayer } from "../harness/bare-page.mjs";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import { run } from "../harness/child.mjs";
import { get } from "../harness/hls.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { decode, lines, media, recordings } from "../harness/recordings.mjs";
import { scene } from "../harness/scene.mjs";
import { binary, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** Segments of 2 s before the server is killed. */
const SEGMENTS = 5;
const WRITTEN_MS = 15_000;
/** The recording is some ten seconds long, and is played at its pace. */
const PLAYED_MS = 40_000;
/** The judge takes a second, and what it has to read first. */
const JUDGED_MS = 60_000;

const RECORDED = `
[recording]
channels = ["*"]
`;

scene("a killed server leaves a recording that plays to its end, with the chat beside it, and can be cut", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { extra: RECORDED, secret, sendRate: "unlimited" });
  const speaker = await fan(scene, server, { name: "speaker" });
  await send(speaker.client, server.chatChannel, { id: "early", text: "before the show" });
  const encoder = await publish(scene, server);
  await underWay(server, 2);
  const saidAt = Date.now();
  await send(speaker.client, server.chatChannel, { id: "during", text: "during the show" });
  const growing = await until("the show is recorded", WRITTEN_MS, async () => {
    const [first] = await recordings(server);
    if (!first) return undefined;
    const { status, text } = await get(new URL("video.m3u8", server.url + first.playlist).href);
    return status === 200 && media(text.split("\n")).length >= SEGMENTS ? first : undefined;
  });
  assert.equal(growing.ended, false);
  const before = await lines(server, growing, "video");
  assert.ok(before.includes("#EXT-X-PLAYLIST-TYPE:EVENT") && !before.includes("#EXT-X-ENDLIST"));

  await server.kill();
  await encoder.kill();
  await server.run();
  const [recording, ...others] = await until("the recording is found again", WRITTEN_MS, async () => {
    const found = await recordings(server);
    return found.length > 0 ? found : undefined;
  });
  assert.ok(recording);
  assert.deepEqual(others, []);
  assert.deepEqual([recording.id, recording.ended], [growing.id, true]);
  for (const name of ["video", "audio"]) {
    const playlist = await lines(server, recording, name);
    assert.ok(playlist.includes("#EXT-X-PLAYLIST-TYPE:VOD"));
    assert.equal(playlist.at(-1), "#EXT-X-ENDLIST");
  }
  const after = media(await lines(server, recording, "video"));
  assert.deepEqual(after.slice(0, SEGMENTS), media(before).slice(0, SEGMENTS), "the same files under the same addresses");
  const url = server.url + recording.playlist;
  const seconds = (recording.to - recording.from) / 1_000;
  const decoded = await decode(url);
  assert.ok(Math.abs(decoded - seconds) < 0.5, `${decoded} s of ${seconds} s are decoded`);

  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, await servePlayer(scene, "hls", url), { name: "viewer" });
  await untilPlaying(page);
  const length = await until("it is played to its end", PLAYED_MS, () => page.evaluate(() => {
    const video = document.querySelector("video");
    return video?.ended ? video.duration : undefined;
  }));
  assert.ok(Math.abs(length - seconds) < 0.5, `the browser plays ${length} s of ${seconds} s`);
  assert.deepEqual((await report(page)).errors, []);

  const judged = await run(binary(), ["judge", url, "--for", "1s"], { deadlineMs: JUDGED_MS });
  assert.equal(judged.code, 0, judged.stdout + judged.stderr);

  const chat = JSON.parse((await get(`${server.url}/api/v1/recordings/${recording.id}/messages`)).text);
  assert.deepEqual(chat.messages.map((/** @type {{ text: string }} */ m) => m.text), ["during the show"]);
  const said = chat.messages[0].media_ms;
  assert.ok(Math.abs(said - (saidAt - recording.from)) < 1_000, `said at ${said} ms of the recording`);

  const player = { currentTime: 0 };
  const replay = new FanwaveClient({ url: server.url, getToken: async () => "" }).recording(recording.id);
  scene.after(replay.attachPlayer(player));
  player.currentTime = said / 1_000;
  await until("the SDK says it at its time", PLAYED_MS, () => replay.entries.length === 1);
  assert.equal(replay.entries[0]?.media_ms, said);
  player.currentTime = said / 1_000 - 0.1;
  await until("and not before", PLAYED_MS, () => replay.entries.length === 0);

  const staff = { authorization: `Bearer ${sign(secret, { user: "crew", role: "staff" })}`, "content-type": "application/json" };
  const [from, to] = [recording.from + 2_500, recording.from + 5_000];
  const cut = await fetch(`${server.url}/api/v1/recordings/${recording.id}/clips`, { method: "POST", headers: staff, body: JSON.stringify({ from, to }) });
  assert.equal(cut.status, 201);
  const clip = /** @type {import("../harness/recordings.mjs").Recording} */ (await cut.json());
  assert.ok(clip.clip && clip.from <= from && clip.to >= to);
  const gone = await fetch(`${server.url}/api/v1/recordings/${recording.id}`, { method: "DELETE", headers: staff });
  assert.equal(gone.status, 204);
  assert.equal((await get(url)).status, 404);
  const kept = await decode(server.url + clip.playlist);
  assert.ok(Math.abs(kept - (clip.to - clip.from) / 1_000) < 0.5, `${kept} s of the clip are decoded`);
});
