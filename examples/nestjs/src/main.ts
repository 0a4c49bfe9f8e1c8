import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import { App } from "./app.js";

const app = await NestFactory.create<NestFastifyApplication>(App, new FastifyAdapter(), { logger: ["error", "warn"] });
app.enableShutdownHooks();
await app.listen(Number(process.env["PORT"] ?? 3_000), "127.0.0.1");
console.log(`listening at ${await app.getUrl()}`);
