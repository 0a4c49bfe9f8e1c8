/** Logging in elsewhere: through a real OpenID Connect server, with everything that must not let anybody in. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ANSWER_MS } from "../harness/chat.mjs";
import { Browser, CLIENT, CLIENT_SECRET, Issuer } from "../harness/issuer.mjs";
import { freePorts, scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret } from "../harness/tokens.mjs";

/** An ID token of oidc-provider lasts an hour, and clocks may differ by a minute. */
const LATE_MS = 2 * 60 * 60_000;

/** @param {Server} server @param {string} method @param {string} path @param {{ session?: string, body?: object }} [options] */
async function call(server, method, path, { session, body } = {}) {
  const headers = { ...(session ? { authorization: `Bearer ${session}` } : {}), ...(body ? { "content-type": "application/json" } : {}) };
  const init = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}), signal: AbortSignal.timeout(ANSWER_MS) };
  const response = await fetch(`${server.url}/api/v1${path}`, init);
  const text = await response.text();
  return { status: response.status, answer: text ? JSON.parse(text) : undefined };
}

const isCallback = (/** @type {string} */ url) => url.includes("/api/v1/oidc/callback");
const isHome = (/** @type {string} */ url) => url.includes("#login=");

/** @param {Server} server @param {Browser} browser @returns {Promise<string>} */
const home = (server, browser) => browser.follow(`${server.url}/api/v1/oidc/login?return=/studio`, isHome);

/** Logs in, and says whose session it is. @param {Server} server @param {Browser} [browser] */
async function logIn(server, browser = new Browser()) {
  assert.equal(await home(server, browser), `${server.url}/studio#login=done`);
  const response = await browser.ask(`${server.url}/api/v1/oidc/session`, "POST");
  const begun = /** @type {any} */ (await response.json());
  assert.equal(response.status, 201, JSON.stringify(begun));
  return begun;
}

scene("people log in with an OpenID Connect server, and nobody comes in who has not", async (scene) => {
  const [httpPort] = /** @type {[number]} */ (await freePorts(1));
  const site = `http://127.0.0.1:${httpPort}`;
  const issuer = await Issuer.start(scene, site);
  const secretPath = join(scene.folder, "client-secret");
  await writeFile(secretPath, `${CLIENT_SECRET}\n`, { mode: 0o600 });
  const extra = `[accounts]
registration = "closed"

[oidc]
issuer = "${issuer.url}"
client_id = "${CLIENT}"
client_secret_file = "${secretPath}"
role_claim = "groups"
roles = ["crew=staff", "mods=moderator"]
name = "Example ID"
`;
  process.env["FANWAVE__HTTP__PUBLIC_URL"] = site;
  scene.after(async () => void delete process.env["FANWAVE__HTTP__PUBLIC_URL"]);
  const secret = newSecret();
  const server = await Server.start(scene, { httpPort, extra, secret });
  const ways = (await call(server, "GET", "/sessions")).answer;
  assert.deepEqual(ways, { passwords: true, oidc: { name: "Example ID", path: "/api/v1/oidc/login" } });

  // Who they are, and what they may do, is what the issuer says.
  issuer.people = { boss: { name: "Boss", groups: ["crew"] }, mina: { name: "미나", groups: ["mods", "choir"] } };
  issuer.who = "boss";
  const boss = await logIn(server);
  assert.equal(boss.account.role, "staff");
  issuer.who = "mina";
  const mina = await logIn(server);
  assert.deepEqual([mina.account.name, mina.account.role], ["미나", "moderator"]);
  assert.equal((await call(server, "POST", "/session/token", { session: mina.session })).answer.role, "moderator");
  issuer.people["mina"] = { name: "Mina" };
  const again = await logIn(server);
  assert.deepEqual([again.account.id, again.account.name, again.account.role], [mina.account.id, "Mina", "fan"]);
  assert.equal((await call(server, "GET", "/session", { session: mina.session })).status, 401, "what was a moderator's has ended");

  // The wrong state, another browser's, and a code that was used.
  const browser = new Browser();
  const callback = await browser.follow(`${server.url}/api/v1/oidc/login?return=/studio`, isCallback);
  assert.equal((await browser.ask(callback.replace(/state=[^&]*/, "state=wrong"))).status, 403);
  assert.equal((await new Browser().ask(callback)).status, 403);
  const cookies = new Browser();
  await cookies.ask(`${server.url}/api/v1/oidc/login`);
  assert.equal((await cookies.ask(callback)).status, 403, "the attempt of another browser");
  const first = await browser.ask(callback);
  assert.equal(first.headers.get("location"), `${server.url}/studio#login=done`);
  const replayed = new Browser();
  const theirs = new URL(await replayed.follow(`${server.url}/api/v1/oidc/login?return=/studio`, isCallback));
  theirs.searchParams.set("code", new URL(callback).searchParams.get("code") ?? "");
  assert.equal((await replayed.ask(theirs.href)).headers.get("location"), `${server.url}/studio#login=refused`);

  // An issuer whose token is over when it comes; then one whose keys are new.
  const now = Date.now;
  Date.now = () => now() - LATE_MS;
  try {
    assert.equal(await home(server, new Browser()), `${server.url}/studio#login=refused`);
  } finally {
    Date.now = now;
  }
  issuer.rotate();
  assert.equal((await logIn(server)).account.id, mina.account.id);

  // Any server of the installation takes somebody back whom another one has sent away.
  const away = new Browser();
  const back = await away.follow(`${server.url}/api/v1/oidc/login?return=/studio`, isCallback);
  const { pathname, search } = new URL(back);
  await server.stop();
  await server.run();
  assert.equal((await away.ask(`${server.url}${pathname}${search}`)).headers.get("location"), `${server.url}/studio#login=done`);

  // Who is kept out stays out, whatever the issuer says.
  issuer.people["mina"] = { name: "Mina", groups: ["crew"] };
  const { status } = await call(server, "PATCH", `/accounts/${mina.account.id}`, { session: boss.session, body: { suspended: true } });
  assert.equal(status, 200);
  assert.equal((await away.ask(`${server.url}/api/v1/oidc/session`, "POST")).status, 403);
  assert.equal(await home(server, new Browser()), `${server.url}/studio#login=refused`);

  const log = await server.child.log();
  for (const canary of [CLIENT_SECRET, boss.session, mina.session, new URL(callback).searchParams.get("code") ?? ""]) {
    assert.ok(!log.includes(canary), "a secret is in the log");
  }
});
