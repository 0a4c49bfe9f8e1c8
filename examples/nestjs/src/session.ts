/** Who asks: this back end's own sessions. Fanwave's tokens have no part in it. */

import { CanActivate, createParamDecorator, ExecutionContext, ForbiddenException, Injectable } from "@nestjs/common";
import { User, Users } from "./users.js";

interface Asked {
  headers: Record<string, string | undefined>;
  user?: User;
}

@Injectable()
export class LoggedIn implements CanActivate {
  constructor(private readonly users: Users) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Asked>();
    const [, session = ""] = /^Bearer (\S+)$/.exec(request.headers["authorization"] ?? "") ?? [];
    request.user = this.users.bySession(session);
    return true;
  }
}

@Injectable()
export class Moderating extends LoggedIn {
  override canActivate(context: ExecutionContext): boolean {
    super.canActivate(context);
    if (!context.switchToHttp().getRequest<Asked>().user?.isModerator) throw new ForbiddenException("this is for moderators");
    return true;
  }
}

/** The user who asks. */
export const Self = createParamDecorator((_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<Asked>().user);
