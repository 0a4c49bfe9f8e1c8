/**
 * npm `ws` at its best: a room's message is framed once and the bytes are given to every socket.
 *
 *     node ws.mjs PORT CONTROL_PORT [CERTIFICATE KEY]
 *
 * Each line of the control connection is a message for the room.
 */

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { Sender, WebSocketServer } from "ws";
import { controlLines } from "./control.mjs";

const [port, controlPort, certificate, key] = process.argv.slice(2);
const server = certificate && key
  ? https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) })
  : http.createServer();
const room = new WebSocketServer({ server, path: "/room", perMessageDeflate: false });
// Browsers come in crowds: the default queue of 511 would refuse them before the server has a say.
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });

controlLines(Number(controlPort), (message) => {
  const frame = Buffer.concat(Sender.frame(Buffer.from(message), { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false }));
  for (const fan of room.clients) fan._socket.write(frame);
});
