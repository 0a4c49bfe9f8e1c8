/**
 * The players of a page, so that a chat that stands by itself keeps to the picture beside it: nobody reads of what they have
 * not seen. There are no more than the page has elements.
 */

import type { Player as Clock } from '@fanwave/client';

const players = new Map<string, Clock>();

function keyOf(server: string, channel: string): string {
  return `${server} ${channel}`;
}

/** A player shows a channel; returns what ends that. */
export function plays(server: string, channel: string, player: Clock): () => void {
  const key = keyOf(server, channel);
  players.set(key, player);
  return () => {
    if (players.get(key) === player) players.delete(key);
  };
}

/** Where the page is in a channel's show: as its player says, also one that comes later; without one, nothing is waited for. */
export function clockOf(server: string, channel: string): Clock {
  const key = keyOf(server, channel);
  return {
    playingDate: () => {
      const player = players.get(key);
      return player === undefined ? null : player.playingDate();
    },
  };
}
