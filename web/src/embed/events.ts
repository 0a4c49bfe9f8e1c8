/** What the elements tell their page, as DOM events: `event.detail` by `event.type`. A promise: see docs/embed.md. */

import type { LaneName, Role } from '@fanwave/client';

import type { ConnectionState } from '../lib/chat/room.svelte';
import type { Phase } from '../lib/player/supervisor';

export interface FanwaveEvents {
  /** For the first time, the picture moves, or the chat is connected. */
  ready: { readonly part: 'picture' | 'chat' };
  /** Something said is to be seen now. `text` is plain text. */
  message: {
    readonly lane: LaneName;
    readonly id: string;
    readonly user: string;
    readonly name: string;
    readonly role: Role;
    readonly text: string;
    /** When the room took it, Unix ms. */
    readonly at: number;
  };
  /** How it stands has changed. */
  state: {
    /** Null while it is not known. */
    readonly channel: string | null;
    readonly live: boolean;
    /** There is no such channel. */
    readonly missing: boolean;
    /** Null where no picture is shown. */
    readonly picture: Phase | null;
    /** Null where no chat is shown, and until it is opened. */
    readonly chat: ConnectionState | null;
  };
}
