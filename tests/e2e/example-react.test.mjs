/** The React example as its README starts it: its users chat in its page, under the names that they have there. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openPage, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { fan, send } from "../harness/chat.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { startEncoder, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { noteForbidden, siteOrigin, startSite } from "../harness/site.mjs";
import { accessible, complaints } from "../harness/studio.mjs";

const PROGRAM = fileURLToPath(new URL("../../examples/react/server.mjs", import.meta.url));

const KEY = "canary-api-key-of-the-club";

scene("users of a React app watch and chat in it, under the names that they have there", async (scene) => {
  const keys = join(scene.folder, "api-keys");
  await writeFile(keys, `club tokens ${KEY}\n`, { mode: 0o600 });
  const origin = await siteOrigin();
  const server = await Server.start(scene, { pages: [origin], extra: `[api]\nkeys_file = "${keys}"` });
  startEncoder(scene, server);
  await underWay(server, 1);
  await startSite(scene, origin, PROGRAM, { FANWAVE_URL: server.url, FANWAVE_KEY: KEY, USER_NAME: "Mina" });
  const speaker = await fan(scene, server, { name: "speaker" });
  const browser = await startBrowser(scene);
  /** @type {() => void} */
  let allowed = () => assert.fail("nobody looked");
  const { page, console } = await openPage(scene, browser, `${origin}/`, {
    name: "react",
    prepare: async (page) => {
      allowed = await noteForbidden(page);
    },
  });
  await untilPlaying(page);
  await page.getByRole("status").filter({ hasText: "On air" }).waitFor();
  await chat.say(page, "from the app");
  await chat.confirmed(page, "from the app");
  const heard = await speaker.hears("from the app");
  assert.equal(heard.data.name, "Mina", "the app says who its users are");
  await page.locator(".last", { hasText: "Mina: from the app" }).waitFor();
  await send(speaker.client, server.chatChannel, { id: "back", text: "to the app" });
  await chat.messages(page, "to the app").waitFor();
  await page.locator(".last", { hasText: "speaker: to the app" }).waitFor();
  await accessible(page, "the app");
  await page.screenshot({ path: join(scene.artifacts, "example-react.png") });

  // A chat that is taken away is closed, and one that comes back is the same user's.
  await page.getByRole("button", { name: "Without chat" }).click();
  await page.locator("fanwave-chat").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "With chat" }).click();
  await chat.messages(page, "to the app").waitFor();
  assert.ok((await page.content()).includes("fanwave-player") && !(await page.content()).includes("eyJ"), "no token is in the page");
  allowed();
  assert.deepEqual(complaints(console), []);
});
