/** An operator's own server that is asked about publishers. */

import { createServer } from "node:http";

/**
 * @typedef {object} Question
 * @property {string} path
 * @property {string} type The content type.
 * @property {string} signature
 * @property {string} body
 */

/**
 * @typedef {{ status: number, location?: string, body?: string }} Verdict
 */

/**
 * @param {import("./scene.mjs").Scene} scene
 * @param {(question: Question) => Verdict} decide
 * @returns {Promise<{ url: string, questions: Question[] }>}
 */
export async function startAuthority(scene, decide) {
  /** @type {Question[]} */
  const questions = [];
  const server = createServer((request, response) => {
    /** @type {Buffer[]} */
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const header = (/** @type {string} */ name) => String(request.headers[name] ?? "");
      const question = {
        path: request.url ?? "",
        type: header("content-type"),
        signature: header("fanwave-signature"),
        body: Buffer.concat(parts).toString("utf8"),
      };
      questions.push(question);
      const { status, location, body } = decide(question);
      response.writeHead(status, location ? { location } : {});
      response.end(body ?? "");
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  scene.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}`, questions };
}
