/**
 * A real OpenID Connect server, and a browser that logs in with it. Whose password is right is not what it is here for: whoever
 * comes is who the test says they are.
 */

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
// @ts-expect-error It comes without types.
import Provider from "oidc-provider";
import { ANSWER_MS } from "./chat.mjs";

export const CLIENT = "fanwave";
export const CLIENT_SECRET = "canary-client-secret-51c0";

/** Hops of one login at most: to the issuer, through its questions, and back. */
const HOPS_MAX = 12;

/** An issuer on this machine. */
export class Issuer {
  /** Who logs in next. */
  who = "mina";
  /** What it says of whom. @type {Record<string, object>} */
  people = {};
  /** @type {any} */
  #provider;
  #keys = 0;
  #redirectUri = "";
  url = "";

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {string} site Whom it knows: `http://...`
   */
  static async start(scene, site) {
    const issuer = new Issuer();
    issuer.#redirectUri = `${site}/api/v1/oidc/callback`;
    const server = createServer((request, response) => void issuer.#answer(request, response));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    scene.after(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    issuer.url = `http://127.0.0.1:${port}`;
    issuer.rotate();
    return issuer;
  }

  /** From now on it signs with another key, and knows no other. */
  rotate() {
    this.#keys += 1;
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = { ...privateKey.export({ format: "jwk" }), kid: `key-${this.#keys}`, use: "sig", alg: "ES256" };
    this.#provider = new Provider(this.url, {
      clients: [{
        client_id: CLIENT,
        client_secret: CLIENT_SECRET,
        redirect_uris: [this.#redirectUri],
        response_types: ["code"],
        grant_types: ["authorization_code"],
        id_token_signed_response_alg: "ES256",
      }],
      jwks: { keys: [key] },
      cookies: { keys: ["a test's"] },
      claims: { openid: ["sub"], profile: ["name", "groups"] },
      conformIdTokenClaims: false,
      pkce: { required: () => true },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (/** @type {unknown} */ _, /** @type {{ uid: string }} */ { uid }) => `/interaction/${uid}` },
      findAccount: (/** @type {unknown} */ _, /** @type {string} */ sub) => ({
        accountId: sub,
        claims: () => ({ sub, ...this.people[sub] }),
      }),
    });
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    if (!request.url?.startsWith("/interaction/")) {
      this.#provider.callback()(request, response);
      return;
    }
    const grant = new this.#provider.Grant({ accountId: this.who, clientId: CLIENT });
    grant.addOIDCScope("openid profile");
    const result = { login: { accountId: this.who }, consent: { grantId: await grant.save() } };
    await this.#provider.interactionFinished(request, response, result);
  }
}

/** What a browser keeps of cookies, by host and port, and where it goes. */
export class Browser {
  /** @type {Map<string, Map<string, string>>} */
  #jars = new Map();

  /** @param {string} url @param {string} [method] */
  async ask(url, method = "GET") {
    const { host } = new URL(url);
    const jar = this.#jars.get(host) ?? new Map();
    this.#jars.set(host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      method,
      redirect: "manual",
      headers: cookie ? { cookie } : {},
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = /** @type {[string, string]} */ ((line.split(";")[0] ?? "").split(/=(.*)/s));
      if (value === "") jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  }

  /**
   * Goes where it is sent, until an address is `until`'s, and says which; what is there is not asked for.
   *
   * @param {string} url
   * @param {(url: string) => boolean} until
   */
  async follow(url, until) {
    let at = url;
    for (let hop = 0; hop < HOPS_MAX; hop += 1) {
      const response = await this.ask(at);
      const next = response.headers.get("location");
      if (next === null) throw new Error(`${at} answers ${response.status}: ${await response.text()}`);
      at = new URL(next, at).href;
      if (until(at)) return at;
    }
    throw new Error(`${url} leads nowhere`);
  }
}
