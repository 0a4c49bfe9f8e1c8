/** The HTTP API is what its description says: to a machine that tries everything it allows and forbids, and to a person. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openPage, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat.mjs";
import { Child } from "../harness/child.mjs";
import { Postgresql } from "../harness/postgresql.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { binary, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { within } from "../harness/wait.mjs";

/** Fewer cases than this would mean that most of the description was not understood. */
const CASES_MIN = 500;

/** How long all of them may take, on a machine that has other things to do. */
const ALL_MS = 540_000;
/** Swagger UI draws every operation before it shows one. */
const DRAWN_MS = 60_000;

/** Where schemathesis finds what it has to be told. */
const HARNESS = fileURLToPath(new URL("../harness", import.meta.url));

/**
 * A server with everything that the API is about: a show that is recorded, a fan who has said something, a token of the staff.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {{ folder?: string, accounts?: string, webhooks?: string, extra?: string }} [options]
 */
async function busyServer(scene, { folder, accounts = "", webhooks = "sqlite", extra = "" } = {}) {
  const secret = newSecret();
  const config = `[recording]\nchannels = ["*"]\n[accounts]\nregistration = "open"\n${accounts}\n[webhooks]\nkind = "${webhooks}"\n${extra}`;
  const server = await Server.start(scene, { secret, extra: config, ...(folder ? { folder } : {}) });
  await publish(scene, server);
  await underWay(server, 1);
  const fan = await chat.fan(scene, server, { name: "Mina" });
  await chat.send(fan.client, server.chatChannel, { id: "m1", text: "hello" });
  return { server, token: sign(secret, { user: "crew", role: "staff" }) };
}

/**
 * A machine tries everything that the description allows and forbids.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Awaited<ReturnType<typeof busyServer>>} what
 */
async function tryEverything(scene, { server, token }) {
  const program = process.env.FANWAVE_SCHEMATHESIS;
  assert.ok(program, "FANWAVE_SCHEMATHESIS is not set: run the tests with `make test` or `make e2e`");
  const run = new Child(scene, `schemathesis-${server.name}`, program, [
    "--config-file", join(HARNESS, "schemathesis.toml"), "run", `${server.url}/api/v1/openapi.json`, "--no-color",
  ], { cwd: server.folder, env: { PYTHONPATH: HARNESS, PYTHONDONTWRITEBYTECODE: "1", STAFF_TOKEN: token } });
  const { code } = await within("schemathesis has tried everything", ALL_MS, run.exited);
  const report = await readFile(run.logPath, "utf8");
  assert.equal(code, 0, report);
  // That nothing was found is worth what was tried: every operation but one, in every phase.
  const [, tested, all] = report.match(/Operations: +(\d+) selected \/ (\d+) total/) ?? [];
  assert.equal(Number(tested), Number(all) - 1, report);
  for (const phase of ["Examples", "Coverage", "Fuzzing", "Stateful"]) assert.match(report, new RegExp(`✅ +${phase}`));
  const cases = Number(report.match(/(\d+) generated/)?.at(1));
  assert.ok(cases > CASES_MIN, report);
}

scene("every answer is as described, whatever is asked, in files and in PostgreSQL", async (scene) => {
  const database = await Postgresql.start(scene);
  const servers = [
    await busyServer(scene, { folder: "files" }),
    await busyServer(scene, { folder: "postgresql", accounts: 'kind = "postgresql"', webhooks: "postgresql", extra: database.config }),
  ];
  // Side by side: each of them is one process that computes.
  await Promise.all(servers.map((what) => tryEverything(scene, what)));
});

scene("what docs/api.md does with curl can be done", async (scene) => {
  const { server, token } = await busyServer(scene);
  const text = await readFile(new URL("../../docs/api.md", import.meta.url), "utf8");
  const area = text.split("## Each area once").at(1) ?? "";
  const lines = area.split("\n").filter((line) => line.startsWith("    ")).map((line) => line.trim());
  const script = lines.join("\n").replaceAll("https://fans.example", server.url).replaceAll("curl ", "curl --silent --show-error --fail-with-body ");
  assert.ok(script.split("curl ").length > 6, script);
  const run = new Child(scene, "curl", "bash", ["-euc", script], { env: { TOKEN: token } });
  const { code } = await within("all commands were answered", ALL_MS, run.exited);
  assert.equal(code, 0, await readFile(run.logPath, "utf8"));
});

scene("a person reads the API, and tries it", async (scene) => {
  const server = await Server.start(scene);
  const browser = await startBrowser(scene);
  /** @type {string[]} */
  const elsewhere = [];
  const { page, console } = await openPage(scene, browser, `${server.url}/docs`, {
    name: "docs",
    prepare: async (page) => {
      page.on("request", (request) => {
        if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url)) elsewhere.push(request.url());
      });
    },
  });
  const described = /** @type {{ paths: Record<string, object> }} */ (
    JSON.parse(await readFile(new URL("../../docs/openapi.json", import.meta.url), "utf8"))
  );
  for (const [path, item] of Object.entries(described.paths)) {
    for (const method of Object.keys(item)) {
      await page.locator(`.opblock-${method} [data-path="${path}"]`).waitFor({ timeout: DRAWN_MS });
    }
  }
  const list = page.locator(".opblock-get").filter({ has: page.locator('[data-path="/api/v1/channels"]') });
  await list.locator(".opblock-summary").click();
  await list.getByRole("button", { name: "Try it out" }).click();
  await list.getByRole("button", { name: "Execute" }).click();
  await list.locator(".live-responses-table").getByText('"Fanwave demo"').first().waitFor();
  await page.screenshot({ path: join(scene.artifacts, "api-docs.png"), fullPage: true });
  assert.deepEqual(console.filter((line) => /^(error|uncaught)/.test(line)), [], "nothing in the browser's console");
  assert.deepEqual(elsewhere, [], "nothing is asked of anybody else");
});

scene("the binary prints the description that its server serves", async (scene) => {
  const server = await Server.start(scene);
  const run = new Child(scene, "openapi", binary(), ["openapi"]);
  assert.equal((await run.exited).code, 0);
  const printed = (await readFile(run.logPath, "utf8")).replace(/^\$.*\n/, "");
  const served = await fetch(`${server.url}/api/v1/openapi.json`, { signal: AbortSignal.timeout(5_000) });
  assert.equal(printed, await served.text());
});
