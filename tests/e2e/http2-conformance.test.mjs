/**
 * A judge of HTTP/2 that is not ours (h2spec) plays its 146 cases against the server, and finds nothing over TLS. In the clear, HTTP/1.1 is spoken
 * at the same port: a beginning that is none of HTTP/2 is a bad request of HTTP/1.1 and answered as such, where the judge wants the connection closed.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeCertificate } from "../harness/certificate.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

/**
 * Cases that go on with a request which may have been answered by then: what follows is for a stream that is over, and the judge wants it
 * judged all the same. The machine's own tests have them (crates/http2), where nobody is faster than the peer.
 */
const RACED = [
  "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
  'Sends a HEADERS frame with the "content-length" header field which does not equal the DATA frame payload length',
  'Sends a HEADERS frame with the "content-length" header field which does not equal the sum of the multiple DATA frames payload length',
];

/** As many as there are with the strict ones. */
const CASES = 146;
/** How long one case waits for what the server says, seconds. */
const CASE_S = 10;
const JUDGE_MS = 240_000;

/**
 * What the judge found: how many cases there were, and which the server failed.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {string} name
 * @param {string[]} args
 */
async function judged(scene, name, args) {
  const program = process.env.FANWAVE_H2SPEC;
  if (!program) throw new Error("FANWAVE_H2SPEC is not set: it names what `scripts/need h2spec` builds, .tools/peers/h2spec");
  const report = join(scene.folder, `${name}.xml`);
  const said = await new Promise((resolve) => {
    execFile(program, ["--strict", "--timeout", `${CASE_S}`, "--junit-report", report, ...args], { timeout: JUDGE_MS }, (_, stdout) => resolve(stdout));
  });
  const xml = await readFile(report, "utf8").catch(() => "");
  const cases = [...xml.matchAll(/<testcase ([^>]*)>/g)].map(([, attributes]) => attributes);
  const failures = `${said}`.split("Failures:")[1] ?? "";
  const failed = [...failures.matchAll(/^\s*× \d+: (.+)$/gm)].map(([, title]) => `${title}`);
  const [, skipped, count] = /(\d+) skipped, (\d+) failed/.exec(`${said}`) ?? [];
  assert.equal(failed.length, Number(count), `every failure has its title: ${said}`);
  return { cases: cases.length, failed: failed.filter((title) => !RACED.includes(title)), skipped, said: failures };
}

scene("HTTP/2 is spoken as its specification says, as another judges it", async (scene) => {
  const tls = await makeCertificate(scene.folder);
  const server = await Server.start(scene, { tls });
  for (const [name, args, failed] of /** @type {[string, string[], string[]][]} */ ([
    ["in the clear", ["--host", "127.0.0.1", "--port", `${server.httpPort}`], ["Sends invalid connection preface"]],
    ["over TLS", ["--tls", "--insecure", "--host", "localhost", "--port", `${server.tlsPort}`], []],
  ])) {
    const { said, ...found } = await judged(scene, name, args);
    assert.deepEqual(found, { cases: CASES, failed, skipped: "0" }, `${name}: ${said}`);
  }
});
