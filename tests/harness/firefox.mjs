/**
 * Debian's own Firefox, driven through WebDriver BiDi, which it speaks by itself: as much of it as the tests need.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import WebSocket from "ws";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until, within } from "./wait.mjs";

const FIREFOX = "/usr/bin/firefox-esr";
/** A first start makes a profile. */
const START_MS = 60_000;
const ANSWER_MS = 60_000;

/** It asks nobody elsewhere for anything: neither updates nor experiments nor whether there is a network. */
const PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.safebrowsing.downloads.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.healthreport.uploadEnabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.systemAddon.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,#none/v1",
};

/**
 * A window with one page.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} url
 * @returns {Promise<{ evaluate: (expression: string) => Promise<unknown> }>} `evaluate` answers with a text, a number or a truth value.
 */
export async function openFirefox(scene, url) {
  const [port] = await freePorts(1);
  const profile = join(scene.folder, "firefox");
  await mkdir(profile);
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
  await writeFile(join(profile, "user.js"), lines.join(""));
  const args = ["--headless", "--no-remote", "--profile", profile, `--remote-debugging-port=${port}`];
  const browser = new Child(scene, "firefox", FIREFOX, args, { env: { HOME: scene.folder } });
  const socket = await until("the browser listens", START_MS, async () => {
    if (!browser.running) throw new Hopeless(`the browser ended: ${await browser.log()}`);
    return connected(`ws://127.0.0.1:${port}/session`);
  });
  scene.after(() => socket.close());
  const command = speaker(socket);
  await command("session.new", { capabilities: {} });
  const { contexts } = await command("browsingContext.getTree", {});
  const context = contexts[0].context;
  await command("browsingContext.navigate", { context, url, wait: "complete" });
  return {
    evaluate: async (expression) => {
      const { type, result, exceptionDetails } = await command("script.evaluate", { expression, target: { context }, awaitPromise: true });
      if (type !== "success") throw new Error(exceptionDetails.text);
      return result.value;
    },
  };
}

/**
 * @param {string} url
 * @returns {Promise<WebSocket>}
 */
function connected(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.once("open", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** @param {WebSocket} socket */
function speaker(socket) {
  let last = 0;
  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  socket.on("message", (frame) => {
    const { id, result, error, message } = JSON.parse(String(frame));
    const caller = waiting.get(id);
    waiting.delete(id);
    if (error) caller?.reject(new Error(`${error}: ${message}`));
    else caller?.resolve(result);
  });
  return (/** @type {string} */ method, /** @type {object} */ params) => {
    last += 1;
    const id = last;
    const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    socket.send(JSON.stringify({ id, method, params }));
    return within(`${method} is answered`, ANSWER_MS, /** @type {Promise<any>} */ (answer));
  };
}
