/** Which channel an address names. Pure. */

/** `/watch/ID` names a channel; every other path means "the first one". */
export function channelOf(pathname: string): string | null {
  const match = /^\/watch\/([A-Za-z0-9._-]{1,64})\/?$/.exec(pathname);
  return match?.[1] ?? null;
}

/** The address of a channel's watch page. */
export function watchPath(channel: string): string {
  return `/watch/${encodeURIComponent(channel)}`;
}
