/**
 * Serves this folder as a site of its own, under a policy as strict as one can be. Any web server does: what counts are the
 * address of Fanwave in the page, and the policy.
 */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const fanwave = new URL(process.env.FANWAVE_URL ?? "http://127.0.0.1:8080").origin;
const [host, port] = (process.env.LISTEN ?? "127.0.0.1:8000").split(":");

/** What the elements need of a policy: everything else stays forbidden, inline styles and scripts among it. */
const POLICY = [
  "default-src 'none'",
  `script-src 'self' ${fanwave}`,
  `connect-src ${fanwave} ${fanwave.replace("http", "ws")}`,
  // Where the browser plays HLS by itself (older iPhones), it loads the media from Fanwave.
  `media-src blob: ${fanwave}`,
  `img-src 'self' ${fanwave}`,
  "style-src 'self'",
  // For framed.html alone.
  `frame-src ${fanwave}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  // Only if your page has it anyway.
  "require-trusted-types-for 'script'",
  "trusted-types svelte-trusted-html",
].join("; ");

const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/framed": ["framed.html", "text/html; charset=utf-8"],
  "/page.js": ["page.js", "text/javascript; charset=utf-8"],
  "/page.css": ["page.css", "text/css; charset=utf-8"],
};

createServer(async (request, response) => {
  const [name, type] = FILES[new URL(request.url ?? "/", "http://site").pathname] ?? [];
  if (name === undefined) {
    response.writeHead(404).end();
    return;
  }
  const text = await readFile(new URL(name, import.meta.url), "utf8");
  const filled = text.replaceAll("{{FANWAVE}}", fanwave).replaceAll("{{FRAME}}", (process.env.FRAME ?? "").replaceAll("&", "&amp;"));
  response.writeHead(200, { "content-type": type, "content-security-policy": POLICY, "x-content-type-options": "nosniff" }).end(filled);
}).listen(Number(port), host, () => console.log(`http://${host}:${port}/`));
