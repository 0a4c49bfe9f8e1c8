/** The routes of the app, of which chat is a part. */

import {
  BadRequestException, Body, ConflictException, Controller, Delete, ForbiddenException, Module, Param, Post, UseGuards,
} from "@nestjs/common";
import { Fanwave } from "./fanwave.js";
import { LoggedIn, Moderating, Self } from "./session.js";
import { User, Users } from "./users.js";

/** The room of the shop's show. */
const ROOM = process.env["ROOM"] ?? "demo";

@Controller("accounts")
export class Accounts {
  constructor(private readonly users: Users) {}

  @Post()
  register(@Body() body: Record<string, unknown>) {
    const { id, name, isModerator } = this.users.register(text(body, "name"), text(body, "password"));
    return { id, name, isModerator };
  }

  @Post("sessions")
  login(@Body() body: Record<string, unknown>) {
    return { session: this.users.login(text(body, "name"), text(body, "password")) };
  }
}

@Controller("chat")
@UseGuards(LoggedIn)
export class Chat {
  constructor(private readonly fanwave: Fanwave) {}

  /** What the client library's `getToken` asks for, at the first connect and whenever the token runs out. */
  @Post("token")
  token(@Self() user: User) {
    if (user.suspension) throw new ForbiddenException("suspended");
    return this.fanwave.token(user, ROOM);
  }
}

@Controller("orders")
@UseGuards(LoggedIn)
export class Orders {
  constructor(private readonly fanwave: Fanwave) {}

  /** An order is told in the room. The order's id is the message's, so that an order that is sent again is told once. */
  @Post()
  async order(@Self() user: User, @Body() body: Record<string, unknown>) {
    const told = await this.fanwave.announce(ROOM, `order-${text(body, "id")}`, `${user.name} has bought ${text(body, "item")}`);
    return { toldAt: told.offset, again: told.duplicate };
  }
}

@Controller("suspensions")
@UseGuards(Moderating)
export class Suspensions {
  constructor(private readonly users: Users, private readonly fanwave: Fanwave) {}

  /** Suspends a user: no token any more, out of the room at once, and everybody there sees who did it. */
  @Post(":id")
  async suspend(@Self() by: User, @Param("id") id: string) {
    const user = this.users.get(id);
    if (user.suspension) throw new ConflictException("suspended before");
    const { act } = await this.fanwave.ban(ROOM, user.id, by);
    user.suspension = act;
    return { act };
  }

  /** Takes it back, with what came of it. */
  @Delete(":id")
  async reinstate(@Self() by: User, @Param("id") id: string) {
    const user = this.users.get(id);
    if (!user.suspension) throw new ConflictException("not suspended");
    const { act } = await this.fanwave.undo(ROOM, user.suspension, by);
    delete user.suspension;
    return { act };
  }
}

@Module({ controllers: [Accounts, Chat, Orders, Suspensions], providers: [Users, Fanwave] })
export class App {}

function text(body: Record<string, unknown>, name: string): string {
  const value = body?.[name];
  if (typeof value !== "string" || value === "" || value.length > 64) throw new BadRequestException(`${name} is a text of 1 to 64 characters`);
  return value;
}
