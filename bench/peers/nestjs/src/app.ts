/** The routes, and whom they are for. */

import { createHash, createSecretKey, timingSafeEqual } from "node:crypto";
import {
  Body, CanActivate, Controller, ExecutionContext, Get, Header, Inject, Injectable, NotFoundException, Param, Post, Query,
  UnauthorizedException, UseGuards,
} from "@nestjs/common";
import { JwtModule, JwtService } from "@nestjs/jwt";
import { NewMessage, NewToken, Page } from "./asked.js";
import { Log } from "./log.js";

export interface Settings {
  file: string;
  key: string;
  secret: string;
}

const KEY = Symbol("key");
const ROOM = "demo";
/** Whom the room does not let speak: asked for each message, and empty. */
const banned = new Set<string>();

/** A back end that shows the key. Of the key, only the digest is compared. */
@Injectable()
class BackEnd implements CanActivate {
  constructor(@Inject(KEY) private readonly digest: Buffer) {}

  canActivate(context: ExecutionContext): boolean {
    const { authorization = "" } = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>().headers;
    const shown = authorization.startsWith("Bearer ") ? authorization.slice(7) : "";
    if (!timingSafeEqual(createHash("sha256").update(shown).digest(), this.digest)) throw new UnauthorizedException("no such API key");
    return true;
  }
}

@Controller("tokens")
@UseGuards(BackEnd)
class Tokens {
  constructor(private readonly jwt: JwtService) {}

  @Post()
  @Header("cache-control", "no-store")
  create(@Body() { user, name = user.slice(0, 24), role = "fan", badge, rooms = [], ttl_seconds = 3_600 }: NewToken) {
    const iat = Math.floor(Date.now() / 1_000);
    const exp = iat + ttl_seconds;
    const channels = rooms.flatMap((room) => {
      known(room);
      return [`room:${room}`, `chat:${room}`];
    });
    const token = this.jwt.sign({ sub: user, name, role, ...(badge ? { badge } : {}), channels, iat, exp });
    return { token, user, role, expires_at: exp * 1_000 };
  }
}

@Controller("channels/:room")
class Channel {
  constructor(private readonly log: Log) {}

  @Post("publish")
  @UseGuards(BackEnd)
  @Header("cache-control", "no-store")
  async publish(@Param("room") room: string, @Body() { id, text, sender }: NewMessage) {
    known(room);
    const { user, name = user.slice(0, 24), role = "fan", badge } = sender ?? { user: "api:shop", name: "shop", role: "staff" };
    if (banned.has(user)) throw new UnauthorizedException("banned");
    const { offset, at, duplicate } = await this.log.add({ id, user, name, role, ...(badge ? { badge } : {}), text });
    return { id, offset, epoch: this.log.epoch, at, duplicate, held: false };
  }

  @Get("messages")
  @Header("cache-control", "no-store")
  messages(@Param("room") room: string, @Query() { before, limit = 50 }: Page) {
    known(room);
    const messages = this.log.page(before, limit);
    const oldest = messages.at(-1)?.offset ?? 0;
    return {
      channel: `chat:${room}`, epoch: this.log.epoch, head: this.log.head, messages,
      next_before: messages.length === limit && oldest > 1 ? oldest : null,
    };
  }
}

function known(room: string): void {
  if (room !== ROOM) throw new NotFoundException("no such channel");
}

export function app({ file, key, secret }: Settings) {
  // As a key object: of a string, jsonwebtoken tries at every signature whether it is a private key.
  const signingKey = createSecretKey(Buffer.from(secret));
  return {
    module: class {},
    imports: [JwtModule.register({ secret: signingKey, signOptions: { algorithm: "HS256" as const } })],
    controllers: [Tokens, Channel],
    providers: [
      { provide: KEY, useValue: createHash("sha256").update(key).digest() },
      { provide: Log, useFactory: () => new Log(file) },
    ],
  };
}
