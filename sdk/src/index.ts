/** Fanwave in an app: chat rooms that lose nothing, on the clock of the show. */

export { Api, ApiError, parseChannel, parseGuest } from './api.js';
export type { Channel, Guest, HistoryPage, Recording, RecordedEntry, Region, ReplayPage } from './api.js';
export { type Backoff, waitMs } from './backoff.js';
export { CallError, type Moderation, type PresencePage } from './calls.js';
export { type ClientEvents, type ClientOptions, type ConnectionState, FanwaveClient, type TokenReason, Unauthorized } from './client.js';
export { skewMs } from './clock.js';
export { type Environment, type Surrounding, newId, systemEnvironment } from './environment.js';
export { DISCONNECT, ERROR, LIMITS } from './generated/wire.js';
export { type Entry, type Happened, type HeldEvent, type LaneName, type Notice, type ReplyTo, type ReportedEvent, type Role, type RoomEvent, type Said, isSaid } from './message.js';
export { isOpen, type Outgoing, type OutgoingState, type Patience, PATIENCE, type Refusal } from './outbox.js';
export type { Player, PlayerSource } from './player.js';
export { type RegionsEvents, type RegionsOptions, Regions } from './regions.js';
export { RecordingChat, type RecordingEvents, type RecordingPlayer } from './recording.js';
export { type OutboxStorage, Room, type RoomEvents, type RoomOptions, type Sending } from './room.js';
export type { Mode, Pin, Poll, Standing } from './standing.js';
