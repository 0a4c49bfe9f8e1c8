/** F18: nearly everybody drops at once and comes back to a door that lets in so many a second; who stayed notices nothing. */

import assert from "node:assert/strict";
import { startRedis } from "../harness/brokers.mjs";
import { Crowd, closesWith, fallsBetween, fault, inForm, rowsBetween, startRooms } from "../harness/faults.mjs";

const SIZE = inForm({ short: { fans: 2_000, rate: 0.5 }, long: { fans: 15_000, rate: 0.2 } });
/** Of a hundred fans, so many drop. */
const SHARE = 90;
/** What each server lets in. */
const ACCEPTS_PER_SECOND = inForm({ short: 250, long: 500 });
const BACK_MS = 120_000;
const MEMORY_MAX = 512 * 1024 * 1024;
const RUN_S = inForm({ short: 12, long: 150 });

fault("F18", "nearly everybody drops at once and comes back", async (scene) => {
  const broker = await startRedis(scene);
  const { nodes, secretFile } = await startRooms(scene, broker, { count: 2, gateway: `accepts_per_second = ${ACCEPTS_PER_SECOND}\n` });
  const crowd = await Crowd.arrive(scene, nodes, secretFile, {
    ...SIZE, rooms: 12, connectRate: 2 * ACCEPTS_PER_SECOND, args: ["--scenario", "storm", "--share", `${SHARE}`, "--duration", `${RUN_S}s`],
  });
  const { report, account } = await crowd.clean({ early: false });
  const [fall, ...more] = fallsBetween(report, 0);
  assert.ok(fall && more.length === 0, "they dropped once");
  assert.ok((fall.nearly_all_back_ms ?? Infinity) <= BACK_MS, `99 % back after ${fall.nearly_all_back_ms} ms`);
  const dropped = report.moments.find((/** @type {{ label: string }} */ { label }) => label === "dropped").millis / 1_000;
  const rows = rowsBetween(report, dropped);
  const most = Math.max(...rows.map((row) => row.connects));
  // So many a second on two servers, and twice as many at once; a second that is told late has a part of another.
  assert.ok(most <= 2 * 3 * ACCEPTS_PER_SECOND, `${most} came back in one second`);
  const turnedAway = report.connect.failures["HTTP status 503"] ?? 0;
  assert.ok(turnedAway > 0, "the door had to turn somebody away for now");
  assert.equal(closesWith(report.seconds, 1006), 0, "who stayed was not cut off");
  const resident = await Promise.all(nodes.map((node) => node.resident()));
  for (const bytes of resident) assert.ok(bytes <= MEMORY_MAX, `a server holds ${bytes} bytes`);
  return { dropped: fall.lost, turned_away: turnedAway, nearly_all_back_ms: fall.nearly_all_back_ms, most_back_in_a_second: most, resident_mib: resident.map((bytes) => Math.round(bytes / 1024 / 1024)), ...account };
});
