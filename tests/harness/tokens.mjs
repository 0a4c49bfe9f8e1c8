/**
 * Tokens signed by the test itself, as an existing back end would: HS256 with the installation's secret.
 */

import { createHmac, randomBytes } from "node:crypto";

/** @param {object} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A secret for one scene: 32 bytes as text. */
export const newSecret = () => randomBytes(24).toString("base64url");

/**
 * @typedef {object} Claims
 * @property {string} user
 * @property {string} [name]
 * @property {"fan" | "member" | "moderator" | "artist" | "staff"} [role]
 * @property {number} [seconds] How long the token is good for; negative: it has been over for so long.
 * @property {string[]} [channels] Server-side subscriptions.
 * @property {string} [badge]
 */

/**
 * @param {string} secret
 * @param {Claims} claims
 */
export function sign(secret, { user, name = user, role = "fan", seconds = 3_600, channels, badge }) {
  const now = Math.floor(Date.now() / 1_000);
  const issued = Math.min(now, now + seconds) - 60;
  const body = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub: user, name, role, iat: issued, exp: now + seconds, channels, badge })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}
