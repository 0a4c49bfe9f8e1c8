/**
 * The app's own server: it serves what Vite has built, under a strict policy, and has Fanwave make tokens for its users. Here
 * everybody is one user; yours knows who has logged in.
 */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

const fanwave = new URL(process.env.FANWAVE_URL ?? "http://127.0.0.1:8080").origin;
const key = process.env.FANWAVE_KEY ?? "";
const user = { id: "club-7", name: process.env.USER_NAME ?? "Mina" };
const [host, port] = (process.env.LISTEN ?? "127.0.0.1:8001").split(":");

const POLICY = [
  "default-src 'none'",
  `script-src 'self' ${fanwave}`,
  `connect-src 'self' ${fanwave} ${fanwave.replace("http", "ws")}`,
  `media-src blob: ${fanwave}`,
  `img-src 'self' ${fanwave}`,
  "style-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const TYPES = { ".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml" };

async function token() {
  const answer = await fetch(`${fanwave}/api/v1/tokens`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ user: user.id, name: user.name }),
  });
  if (!answer.ok) throw new Error(`Fanwave answers ${answer.status}: ${await answer.text()}`);
  return { token: (await answer.json()).token };
}

async function answer({ method, url }) {
  const { pathname } = new URL(url ?? "/", "http://app");
  if (method === "POST") return pathname === "/chat-token" ? json(await token()) : null;
  if (pathname === "/config.json") return json({ fanwave, user: user.name });
  const name = pathname === "/" ? "index.html" : pathname.slice(1);
  // Vite's own names, and nothing that leads out of the folder.
  if (!/^(index\.html|favicon\.svg|assets\/[\w.-]+)$/.test(name)) return null;
  return { type: TYPES[extname(name)] ?? "application/octet-stream", body: await readFile(new URL(`dist/${name}`, import.meta.url)) };
}

const json = (value) => ({ type: "application/json", body: JSON.stringify(value) });

createServer(async (request, response) => {
  try {
    const found = await answer(request);
    if (found === null) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": found.type, "content-security-policy": POLICY, "cache-control": "no-store" }).end(found.body);
  } catch (error) {
    console.error(error);
    response.writeHead(502).end();
  }
}).listen(Number(port), host, () => console.log(`http://${host}:${port}/`));
