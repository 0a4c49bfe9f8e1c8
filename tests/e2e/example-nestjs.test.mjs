/** The NestJS example as its README starts it: its users chat through Fanwave, which knows them by the tokens it makes for them. */

import { fileURLToPath } from "node:url";
import { scene } from "../harness/scene.mjs";
import { playShop } from "../harness/shop.mjs";

const PROGRAM = fileURLToPath(new URL("../../examples/nestjs/dist/main.js", import.meta.url));

scene("users of a NestJS back end chat, and are suspended and reinstated by its moderators", async (scene) => {
  await playShop(scene, "nestjs", [process.execPath, [PROGRAM]], { scopes: "publish,moderate,tokens" });
});
