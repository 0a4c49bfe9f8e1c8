/** What the studio's address says: `/studio/CHANNEL#SECTION`. Pure. */

/** The pages of the studio. */
export const SECTIONS = ['chat', 'show', 'servers'] as const;

export type Section = (typeof SECTIONS)[number];

/** The channel of an address; null for the server's first one. */
export function channelIn(pathname: string): string | null {
  return /^\/studio\/([A-Za-z0-9._-]{1,64})\/?$/.exec(pathname)?.[1] ?? null;
}

/** The section of an address, out of those that are open to whoever looks; the first of them where it names none. */
export function sectionIn(hash: string, open: readonly Section[]): Section | null {
  return open.find((section) => `#${section}` === hash) ?? open[0] ?? null;
}

/** The address of a channel's studio. */
export function studioPath(channel: string): string {
  return `/studio/${encodeURIComponent(channel)}`;
}
