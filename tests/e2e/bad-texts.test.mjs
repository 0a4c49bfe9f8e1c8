/** What people write is text, whatever it is made of: in the log, and in a real browser (B10). Filters: crates/room/src/words. */

import assert from "node:assert/strict";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { fan, guest, send, wholeHistory } from "../harness/chat.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { frame, rawWebSocket } from "../harness/raw.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

const ANSWER_MS = 5_000;

/** What a browser would do something with, if it were taken for markup, a script, a style or a template. */
const MARKUP = [
  "<script>window.broken=1</script>", "<img src=x onerror=window.broken=1>", "<svg onload=window.broken=1>", "<svg><script>window.broken=1</script></svg>",
  '"><script>window.broken=1</script>', "'-window.broken++-'", "javascript:window.broken=1", "<a href=javascript:window.broken=1>here</a>",
  "<iframe srcdoc='<script>parent.broken=1</script>'>", "<math><mtext></form><form><mglyph><style></math><img src onerror=window.broken=1>",
  "<details open ontoggle=window.broken=1>", "<input autofocus onfocus=window.broken=1>", "<style>*{display:none}</style>", "<base href=//elsewhere.example/>",
  "<meta http-equiv=refresh content=0;url=//elsewhere.example>", "{{constructor.constructor('window.broken=1')()}}", "${window.broken=1}", "&lt;script&gt;window.broken=1&lt;/script&gt;",
  "<!--<img src=x onerror=window.broken=1>-->", "<template><script>window.broken=1</script></template>", "<object data=data:text/html,x>", "</div></main></body></html>",
  "<plaintext>", "<textarea><img title='</textarea><img src=x onerror=window.broken=1>'>", "%3Cscript%3Ewindow.broken=1%3C/script%3E", "＜script＞window.broken=1＜/script＞",
];

/** What is hard to draw, and has to stay in its place. */
const SHAPES = [
  `z${"\u0351\u0346\u0313\u0300\u0301\u0323".repeat(12)}algo`, "👩‍👩‍👧‍👦 👩🏽‍🚀 🏳️‍🌈 🇰🇷", "می‌خواهم", "ﷺ ﷽", "ก็็็็็็็็็็", "𒐫𒐫𒐫", "a".repeat(500), "ꦿ".repeat(60), "İıſK",
];

scene("B10: texts are shown as they are, and nothing in them is done", async (scene) => {
  const server = await Server.start(scene, { sendRate: "unlimited", shownPerSecond: 0 });
  const browser = await startBrowser(scene);
  /** @type {string[]} */
  const elsewhere = [];
  const { page, console } = await openPage(scene, browser, server.watchUrl, {
    name: "fan",
    prepare: async (page) => {
      page.on("request", (request) => {
        if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url) && !request.url().startsWith("ws")) elsewhere.push(request.url());
      });
      page.on("dialog", (dialog) => elsewhere.push(dialog.message()));
    },
  });
  const mallory = await fan(scene, server, { name: "<img src=x>" });
  const texts = [...MARKUP, ...SHAPES];
  for (const [index, text] of texts.entries()) await send(mallory.client, server.chatChannel, { id: `t${index}`, text });
  await chat.messages(page, /** @type {string} */ (MARKUP.at(-1))).waitFor();
  for (const text of texts) {
    await until(`"${text}" is shown`, ANSWER_MS, async () =>
      page.evaluate((wanted) => [...document.querySelectorAll("[data-testid=chat-message]")].some((one) => one.textContent?.includes(wanted)), text),
    );
  }
  const state = await page.evaluate(() => ({
    broken: "broken" in window,
    foreign: document.querySelectorAll("[data-testid=chat-message] :is(script, img[src=x], iframe, style, base, meta, object, form, svg[onload], template, plaintext)").length,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  assert.deepEqual(state, { broken: false, foreign: 0, wide: 0 });
  assert.deepEqual(elsewhere, []);
  assert.deepEqual(console.filter((line) => /^(error|uncaught)/.test(line)), []);
  assert.deepEqual((await wholeHistory(mallory.subscription)).map(({ data }) => data.text), texts);
});

scene("B10: what turns the text around it is taken out, and what is no text is not let in", async (scene) => {
  const server = await Server.start(scene, { sendRate: "unlimited" });
  const mallory = await fan(scene, server, { name: "mallory" });
  const steering = { "\u202egnp.exe": "gnp.exe", "a\u2066b\u2069": "ab", "a\u2028b": "a b", "a\u0000b": "ab", "\u001b[2J": "[2J", "a\u0085b\r\n": "a b" };
  let sent = 0;
  for (const text of Object.keys(steering)) {
    await send(mallory.client, server.chatChannel, { id: `s${sent++}`, text });
    const response = await fetch(`${server.url}/api/v1/guests`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: text }), signal: AbortSignal.timeout(ANSWER_MS),
    });
    assert.equal(response.status, 422, JSON.stringify(text));
  }
  // Half a character cannot be said in UTF-8; JSON can name it.
  const { token } = await guest(server, "vandal");
  const peer = await rawWebSocket(scene, server);
  peer.say(frame(JSON.stringify({ id: 1, connect: { token } })));
  peer.say(frame(`{"id":2,"rpc":{"method":"send","data":{"channel":"${server.chatChannel}","id":"h","text":"\\ud800"}}}`));
  await until("half a character is refused", ANSWER_MS, () => /"id":2,"error":\{"code":107/.test(peer.received.toString("latin1")));
  const kept = (await wholeHistory(mallory.subscription)).map(({ data }) => data.text);
  assert.deepEqual(kept, Object.values(steering));
});
