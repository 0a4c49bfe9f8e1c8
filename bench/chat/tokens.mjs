/** Who the fans are: signed tokens, one for each, and one for the member of staff who speaks. */

import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Signs the tokens of a run on this machine's loopback; it protects nothing. */
export const SECRET = "known-to-everybody-who-reads-the-benchmark";

const VALID_S = 86_400;

/** @typedef {{ secretFile: string, fansFile: string, staffFile: string }} Tokens */

/**
 * @param {string} folder
 * @param {number} fans
 * @returns {Promise<Tokens>}
 */
export async function makeTokens(folder, fans) {
  const now = Math.floor(Date.now() / 1_000);
  const tokens = Array.from({ length: fans }, (_, i) => sign({ sub: userId(i), name: `Fan ${i}`, role: "fan", iat: now, exp: now + VALID_S }));
  const staff = sign({ sub: "desk", name: "Front desk", role: "staff", iat: now, exp: now + VALID_S });
  const files = { secretFile: join(folder, "secret"), fansFile: join(folder, "fans"), staffFile: join(folder, "staff") };
  await writeFile(files.secretFile, SECRET, { mode: 0o600 });
  await writeFile(files.fansFile, tokens.join("\n"));
  await writeFile(files.staffFile, staff);
  return files;
}

/**
 * A user id as business back ends usually have them: 36 characters.
 *
 * @param {number} i
 */
function userId(i) {
  return `3f2b8c1e-77aa-4d0e-9b1c-${String(i).padStart(12, "0")}`;
}

/** @param {object} claims */
function sign(claims) {
  const encode = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}
