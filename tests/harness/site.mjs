/**
 * Another site, whose pages have a show of the server under test in them: at an address of its own, so that neither origin nor
 * site is the server's, with a content policy of its own.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Child, run } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { binary } from "./server.mjs";
import { Hopeless, until } from "./wait.mjs";

const READY_MS = 60_000;
const PRINTED_MS = 20_000;

/** The plain HTML example: the elements at `/`, the frame at `/framed`. */
export const PLAIN_HTML = fileURLToPath(new URL("../../examples/html/serve.mjs", import.meta.url));

/** All of 127.0.0.0/8 is this machine, and every address in it another site. */
const HOST = "127.0.0.2";

/** An origin that nobody has yet. */
export async function siteOrigin() {
  const [port] = /** @type {[number]} */ (await freePorts(1));
  return `http://${HOST}:${port}`;
}

/**
 * Starts it, and waits until it answers.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} origin
 * @param {string} program
 * @param {Record<string, string>} env
 */
export async function startSite(scene, origin, program, env) {
  const site = new Child(scene, "site", process.execPath, [program], { env: { LISTEN: new URL(origin).host, ...env } });
  await until("the other site answers", READY_MS, async () => {
    if (!site.running) throw new Hopeless(`the other site ended: ${await site.log()}`);
    return (await fetch(origin, { signal: AbortSignal.timeout(1_000) })).ok;
  });
}

/**
 * Begins to note, in the page and all frames of it, what a policy has forbidden. To be called before the page is opened.
 *
 * @param {import("playwright-core").Page} page
 */
export async function noteForbidden(page) {
  /** @type {string[]} */
  const forbidden = [];
  await page.exposeFunction("noteForbidden", (/** @type {string} */ what) => void forbidden.push(what));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) => {
      // Code that was evaluated is Playwright's own, for a screenshot in Firefox: the pages may not evaluate any.
      if (/ eval$/.test(decodeURI(sourceFile))) return;
      /** @type {any} */ (window).noteForbidden(`${violatedDirective}: ${blockedURI} by ${sourceFile}`);
    });
  });
  return () => assert.deepEqual(forbidden, [], "the policy forbade nothing");
}

/**
 * The corners that the plain HTML example asks for are those of the element in it, and what it puts into a slot lies over the picture.
 *
 * @param {import("playwright-core").Page} page
 */
export async function looksAsTheSiteWants(page) {
  const player = page.getByTestId("player");
  assert.equal(await page.locator("fanwave-show .frame[lang]").evaluate((frame) => getComputedStyle(frame).borderRadius), "4px");
  const [picture, own] = await Promise.all([player.boundingBox(), page.locator("fanwave-show > .sponsor").boundingBox()]);
  assert.ok(picture && own);
  const isInside = own.x >= picture.x && own.y >= picture.y && own.x + own.width <= picture.x + picture.width && own.y + own.height <= picture.y + picture.height;
  assert.ok(isInside && own.width > 0, JSON.stringify({ picture, own }));
}

/**
 * The address of a frame for the pages of an origin, as `fanwave embed` prints it.
 *
 * @param {import("./server.mjs").Server} server
 * @param {string} origin
 */
export async function signedFrame(server, origin) {
  const args = ["embed", "--config", server.configPath, "--url", server.url, "--origin", origin, "--lang", "en", "--address-only"];
  const { code, stdout, stderr } = await run(binary(), args, { deadlineMs: PRINTED_MS });
  assert.equal(code, 0, stderr);
  return stdout.trim();
}
