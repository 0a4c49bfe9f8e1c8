/**
 * Tokens that nobody we trust has signed, or not for us, open nothing: neither the API nor the chat. And none of them makes the
 * server fetch anything from an address of the forger's choosing.
 */

import assert from "node:assert/strict";
import { createHmac, createPublicKey, generateKeyPairSync, sign as signature } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { ANSWER_MS } from "../harness/chat.mjs";
import { frame, rawWebSocket } from "../harness/raw.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

const AUDIENCE = "fanwave";
const ISSUER = "https://id.example";
/** Sets of keys that a server may fetch while it is shown many tokens of unknown keys: one at start, and not many more. */
const FETCHES_MAX = 4;

/** @param {object | Buffer} value */
const encode = (value) => (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))).toString("base64url");

/**
 * @param {object} header
 * @param {object} claims
 * @param {(body: string) => Buffer} signed
 */
const token = (header, claims, signed) => {
  const body = `${encode({ typ: "JWT", ...header })}.${encode(claims)}`;
  return `${body}.${encode(signed(body))}`;
};

/**
 * A server of HTTP that counts who comes.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {object} body
 */
async function counting(scene, body) {
  const seen = { requests: 0, url: "" };
  const server = createServer((_, response) => {
    seen.requests += 1;
    response.setHeader("content-type", "application/json").end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  scene.after(() => void server.close());
  seen.url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  return seen;
}

scene("forged tokens, and tokens for others, are refused at every door, and nothing is fetched for them", async (scene) => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const forger = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = (/** @type {import("node:crypto").KeyObject} */ key) => ({ ...createPublicKey(key).export({ format: "jwk" }), use: "sig", alg: "RS256" });
  const issuer = await counting(scene, { keys: [{ ...jwk(rsa.privateKey), kid: "k1" }] });
  const trap = await counting(scene, { keys: [{ ...jwk(forger.privateKey), kid: "trap" }] });
  const secret = join(scene.folder, "token-secret");
  await writeFile(secret, newSecret(), { mode: 0o600 });
  const server = await Server.start(scene, {
    extra: `[tokens]\nsecret_file = "${secret}"\njwks_url = "${issuer.url}/jwks.json"\nalgorithms = ["RS256"]\naudience = "${AUDIENCE}"\nissuer = "${ISSUER}"\n`,
  });

  const now = Math.floor(Date.now() / 1_000);
  const claims = { sub: "boss", name: "Boss", role: "staff", iat: now - 60, exp: now + 600, aud: AUDIENCE, iss: ISSUER };
  const rs256 = (/** @type {import("node:crypto").KeyObject} */ key) => (/** @type {string} */ body) => signature("sha256", Buffer.from(body), key);
  const hs256 = (/** @type {string | Buffer} */ key) => (/** @type {string} */ body) => createHmac("sha256", key).update(body).digest();
  const [good, known] = [{ alg: "RS256", kid: "k1" }, rs256(rsa.privateKey)];
  const publicPem = rsa.publicKey.export({ type: "spki", format: "pem" });
  /** @type {Record<string, string>} */
  const bad = {
    "no algorithm": token({ alg: "none" }, claims, () => Buffer.alloc(0)),
    "no algorithm, shouted": token({ alg: "NONE", kid: "k1" }, claims, () => Buffer.alloc(0)),
    "the public key as a secret": token({ alg: "HS256", kid: "k1" }, claims, hs256(publicPem)),
    "an algorithm that is not taken": token({ alg: "RS512", kid: "k1" }, claims, (body) => signature("sha512", Buffer.from(body), rsa.privateKey)),
    "another audience": token(good, { ...claims, aud: "others" }, known),
    "no audience": token(good, { ...claims, aud: undefined }, known),
    "another issuer": token(good, { ...claims, iss: "https://id.example.evil" }, known),
    "it has expired": token(good, { ...claims, exp: now - 3_600 }, known),
    "it begins tomorrow": token(good, { ...claims, nbf: now + 86_400 }, known),
    "it never ends": token(good, { ...claims, exp: undefined }, known),
    "another key": token(good, claims, rs256(forger.privateKey)),
    "a key that is not known": token({ alg: "RS256", kid: "k2" }, claims, rs256(forger.privateKey)),
    "a key's name that is a path": token({ alg: "RS256", kid: "../../../dev/null" }, claims, rs256(forger.privateKey)),
    "a key's name that is an address": token({ alg: "RS256", kid: `${trap.url}/jwks.json` }, claims, rs256(forger.privateKey)),
    "a key's name that is a query": token({ alg: "RS256", kid: "k1' OR '1'='1" }, claims, rs256(forger.privateKey)),
    "keys at an address": token({ alg: "RS256", kid: "trap", jku: `${trap.url}/jwks.json` }, claims, rs256(forger.privateKey)),
    "a certificate at an address": token({ alg: "RS256", kid: "trap", x5u: `${trap.url}/cert.pem` }, claims, rs256(forger.privateKey)),
    "its own key": token({ alg: "RS256", jwk: jwk(forger.privateKey) }, claims, rs256(forger.privateKey)),
    "an extension that is critical": token({ ...good, crit: ["exp"] }, claims, known),
    "another signature": `${token(good, claims, known).slice(0, -8)}AAAAAAAA`,
    "three dots": "a.b.c.d",
    "nothing": ".",
    "64 KB": token(good, { ...claims, pad: "x".repeat(48_000) }, known),
  };
  for (const [why, forged] of Object.entries(bad)) {
    const header = forged.length < 8_000 ? forged : forged.slice(0, 8_000);
    const asked = await fetch(`${server.url}/api/v1/nodes`, { headers: { authorization: `Bearer ${header}` }, signal: AbortSignal.timeout(ANSWER_MS) });
    assert.equal(asked.status, 401, `${why}: the API answers ${asked.status}`);
    const peer = await rawWebSocket(scene, server);
    peer.say(frame(JSON.stringify({ id: 1, connect: { token: forged } })));
    const said = await until(`${why}: the chat answers`, ANSWER_MS, () => {
      const text = peer.received.toString("latin1");
      return peer.ended || text.includes('"error"') || text.includes('"connect"') ? text : undefined;
    });
    assert.ok(!said.includes('"connect"'), `${why}: the chat lets it in: ${said}`);
    peer.socket.destroy();
  }
  const peer = await rawWebSocket(scene, server);
  peer.say(frame(JSON.stringify({ id: 1, connect: { token: token(good, claims, known) } })));
  await until("whom the issuer has signed is let in", ANSWER_MS, () => peer.received.toString("latin1").includes('"connect"'));
  assert.equal(trap.requests, 0, "something was fetched from the forger's address");
  assert.ok(issuer.requests >= 1 && issuer.requests <= FETCHES_MAX, `the issuer's keys were fetched ${issuer.requests} times`);
});
