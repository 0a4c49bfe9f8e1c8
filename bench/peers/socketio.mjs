/**
 * npm `socket.io` over WebSocket alone: a room's message is emitted to everybody, which its adapter encodes once.
 *
 *     node socketio.mjs PORT CONTROL_PORT
 *
 * Each line of the control connection is a message for the room.
 */

import http from "node:http";
import { Server } from "socket.io";
import { controlLines } from "./control.mjs";

const [port, controlPort] = process.argv.slice(2);
const server = http.createServer();
const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
io.on("connection", (socket) => void socket.join("room"));
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });

controlLines(Number(controlPort), (message) => io.to("room").emit("m", message));
