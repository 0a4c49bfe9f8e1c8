/** The Spring Boot example as its README starts it: its users chat through Fanwave, which knows them by tokens that the example signs. */

import { fileURLToPath } from "node:url";
import { scene } from "../harness/scene.mjs";
import { playShop } from "../harness/shop.mjs";

const PROGRAM = fileURLToPath(new URL("../../examples/spring-boot/target/shop.jar", import.meta.url));

scene("users of a Spring Boot back end chat with tokens of its own, and are suspended and reinstated by its moderators", async (scene) => {
  await playShop(scene, "spring-boot", ["java", ["-jar", PROGRAM]], {
    scopes: "publish,moderate",
    tokens: (url) => `[tokens]\njwks_url = "${url}/.well-known/jwks.json"\nissuer = "shop"\naudience = "fanwave"\n`,
  });
});
