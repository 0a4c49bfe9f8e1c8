/**
 * The watch page in its five languages, on a phone upright and on its side and on a laptop, with everything on it that has words: nothing
 * sticks out of its place, axe finds nothing, and a picture of each is kept for people to look at.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PHONE, SIDEWAYS, startBrowser, WIDE } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { accessible } from "../harness/studio.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { fallBehind, sticksOut } from "../harness/watch-page.mjs";
import { npmClient } from "../judges/npm-client.mjs";

/** Each language, with a long text without a blank where it has none: a line has to know where to break. */
const LANGUAGES = {
  ko: "무대 조명이 바뀔 때마다 소름이 돋아요 정말 최고의 공연이에요 다음 곡도 기대돼요",
  en: "I can't believe how incredible the lights look during this bridge tonight",
  ja: "照明が変わるたびに鳥肌が立つほど素晴らしいステージで最高の夜になりました",
  es: "No puedo creer lo increíblemente emocionante que está siendo este concierto",
  th: "ไม่อยากเชื่อเลยว่าการแสดงคืนนี้จะสวยงามและน่าตื่นเต้นขนาดนี้ขอบคุณมากนะคะ",
};

scene("the page has its words in their places in five languages, upright, sideways and wide", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret, sendRate: "unlimited" });
  await publish(scene, server);
  await underWay(server);
  const speaker = await fan(scene, server, { name: "น้ำฝน 민준 さくら" });
  for (const [id, text] of Object.entries(LANGUAGES)) await send(speaker.client, server.chatChannel, { id, text });
  const staff = await npmClient(scene, server.httpPort, "websocket-json");
  await staff.connect([sign(secret, { user: "mod", name: "Mo", role: "moderator" })]);
  await staff.rpc("send", { channel: server.chatChannel, id: "m1", text: "👏👏👏" });
  await staff.rpc("pin", { room: "demo", id: "p1", text: "21:00 Encore · 앙코르 · アンコール · อังกอร์" });
  await staff.rpc("poll.open", { room: "demo", id: "q1", question: "1 / 2 ?", choices: ["Dawn", "새벽"] });
  await staff.rpc("mode", { room: "demo", slow_seconds: 10 });
  const artist = await npmClient(scene, server.httpPort, "websocket-json");
  await artist.connect([sign(secret, { user: "aurora", name: "AURORA", role: "artist" })]);
  await artist.rpc("send", { channel: server.roomChannel, id: "a1", text: "여러분 안녕하세요! 오늘 와 줘서 고마워요 💜" });
  const browser = await startBrowser(scene);

  for (const language of Object.keys(LANGUAGES)) {
    const { page } = await openPage(scene, browser, server.watchUrl, { name: language, locale: language, viewport: PHONE, mobile: true });
    await untilPlaying(page);
    await page.getByTestId("poll-card").waitFor();
    await page.locator("[data-testid=chat-message][data-role=artist]").waitFor({ state: "attached" });
    assert.equal(await page.locator("html").getAttribute("lang"), language);
    for (const [name, viewport] of Object.entries({ phone: PHONE, sideways: SIDEWAYS, wide: WIDE })) {
      await page.setViewportSize(viewport);
      // The controls are on the picture, with their words.
      await page.getByTestId("play-button").focus();
      await page.screenshot({ path: join(scene.artifacts, `watch-${language}-${name}.png`) });
      const out = await page.evaluate(sticksOut);
      assert.deepEqual(out, [], `${language}, ${name}`);
    }
    // There is least room beside what leads back to live.
    await page.setViewportSize(PHONE);
    await fallBehind(page);
    await page.screenshot({ path: join(scene.artifacts, `watch-${language}-behind.png`) });
    assert.deepEqual(await page.evaluate(sticksOut), [], `${language}, behind`);
    // What axe finds does not depend on the words; it is asked once, of everything that has any.
    if (language === "th") await accessible(page, language);
    await page.context().close();
  }
});
