/**
 * What of Fanwave's server API `make bench-api` compares, as a NestJS app: on Fastify, with the validation pipe and the JWT module that
 * NestJS documents, and SQLite with the same durability. `node dist/main.js PORT FILE`, the API key in FANWAVE_KEY and the
 * tokens' secret in FANWAVE_SECRET.
 */

import "reflect-metadata";
import { ValidationPipe } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import { app } from "./app.js";

const [port, file] = process.argv.slice(2);
const { FANWAVE_KEY: key, FANWAVE_SECRET: secret } = process.env;
if (!port || !file || !key || !secret) throw new Error("usage: FANWAVE_KEY=... FANWAVE_SECRET=... main.js PORT FILE");

const nest = await NestFactory.create<NestFastifyApplication>(app({ file, key, secret }), new FastifyAdapter(), { logger: ["error", "warn"] });
nest.setGlobalPrefix("api/v1");
nest.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }));
await nest.listen(Number(port), "127.0.0.1");
