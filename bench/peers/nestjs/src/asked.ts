/** What is asked, and how it is checked. */

import { Type } from "class-transformer";
import { ArrayMaxSize, IsArray, IsIn, IsInt, IsOptional, IsString, Length, Max, Min, ValidateNested } from "class-validator";

const ROLES = ["fan", "member", "moderator", "artist", "staff"];

export class NewToken {
  @IsString() @Length(1, 64) user!: string;
  @IsOptional() @IsString() @Length(1, 24) name?: string;
  @IsOptional() @IsIn(ROLES) role?: string;
  @IsOptional() @IsString() @Length(1, 16) badge?: string;
  @IsOptional() @IsArray() @ArrayMaxSize(8) @IsString({ each: true }) rooms?: string[];
  @IsOptional() @IsInt() @Min(1) @Max(86_400) ttl_seconds?: number;
}

export class NewSender {
  @IsString() @Length(1, 64) user!: string;
  @IsOptional() @IsString() @Length(1, 24) name?: string;
  @IsOptional() @IsIn(ROLES) role?: string;
  @IsOptional() @IsString() @Length(1, 16) badge?: string;
}

export class NewMessage {
  @IsString() @Length(1, 64) id!: string;
  @IsString() @Length(1, 500) text!: string;
  @IsOptional() @ValidateNested() @Type(() => NewSender) sender?: NewSender;
  @IsOptional() @IsIn(["chat", "room"]) lane?: string;
}

export class Page {
  @IsOptional() @IsIn(["chat", "room"]) lane?: string;
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) before?: number;
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(200) limit?: number;
}
