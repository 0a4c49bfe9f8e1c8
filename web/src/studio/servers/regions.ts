/** Who is where: the servers' own counts, put together by region. Pure. */

import type { Node } from './fleet.svelte';

/** What is counted of each. */
export const CROWDS = ['connections', 'viewers'] as const;

export interface Region {
  /** Null for servers whose operator does not say where they are. */
  readonly name: string | null;
  readonly servers: number;
  /** Connections of the chat. */
  readonly connections: number;
  /** Who watches, about. */
  readonly viewers: number;
}

/** The regions, the fullest first; those without a name are one, and the last. */
export function byRegion(nodes: readonly Pick<Node, 'region' | 'connections' | 'viewers'>[]): readonly Region[] {
  const known = new Map<string | null, Region>();
  for (const { region, connections, viewers } of nodes) {
    const { servers, ...before } = known.get(region) ?? { servers: 0, connections: 0, viewers: 0 };
    known.set(region, { name: region, servers: servers + 1, connections: before.connections + connections, viewers: before.viewers + viewers });
  }
  const people = (one: Region) => one.connections + one.viewers;
  const isLast = (one: Region) => Number(one.name === null);
  return [...known.values()].sort((a, b) => isLast(a) - isLast(b) || people(b) - people(a) || String(a.name).localeCompare(String(b.name)));
}

/** How long a bar is, 0 to 100, beside the longest of its kind; whoever is there is seen. */
export function share(count: number, regions: readonly Region[], of: (typeof CROWDS)[number]): number {
  const most = Math.max(0, ...regions.map((region) => region[of]));
  return count === 0 || most === 0 ? 0 : Math.max(1, (count / most) * 100);
}
