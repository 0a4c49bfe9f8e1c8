/** The staff announces that something happens at a time of the show, and every player's playlist has it. */

import assert from "node:assert/strict";
import { playlists } from "../harness/hls.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";

scene("an event that was announced stands in every playlist, once", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret });
  const token = sign(secret, { user: "crew", role: "staff" });
  const announce = async (/** @type {object} */ event) => {
    const response = await fetch(`${server.url}/api/v1/channels/demo/events`, {
      method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(event), signal: AbortSignal.timeout(5_000),
    });
    return { status: response.status, body: await response.json() };
  };
  const song = { id: "song-1", class: "org.example.song", duration_ms: 1_500, attributes: { "X-TITLE": "Encore" } };
  assert.equal((await announce(song)).status, 409, "there is no show yet");
  await publish(scene, server);
  await underWay(server, 1);
  const announced = await announce(song);
  assert.equal(announced.status, 201);
  assert.equal((await announce(song)).status, 200, "the same again changes nothing");
  const quote = await announce({ id: 'a "quote"' });
  assert.deepEqual([quote.status, quote.body.code], [422, "event_refused"]);

  const shown = await playlists(server);
  assert.ok(shown);
  const start = new Date(announced.body.start).toISOString();
  const line = `#EXT-X-DATERANGE:ID="song-1",CLASS="org.example.song",START-DATE="${start}",DURATION=1.50000,X-TITLE="Encore"`;
  for (const list of [shown.video, shown.audio]) {
    const lines = list.text.split("\n").filter((tag) => tag.startsWith("#EXT-X-DATERANGE"));
    assert.deepEqual(lines, [line]);
  }
});
