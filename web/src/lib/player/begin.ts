/**
 * With what a player begins a live show in its lowest quality: which playlists, and which media of them. Pure.
 *
 * The page fetches that before there is a player: what it says here is what hls.js will ask for, and finds in the browser's cache. Where the two
 * differ, something was fetched in vain, and nothing else.
 */

/** The playlists of the lowest quality. */
export interface Lowest {
  readonly video: string;
  /** The soundtrack that goes with it, where it has one of its own. */
  readonly audio: string | null;
}

/**
 * The lowest quality with a picture, of those that can be played; null where there is none.
 *
 * @param multivariant the text of the multivariant playlist
 * @param base its address
 * @param plays whether this browser plays these codecs
 */
export function lowest(multivariant: string, base: string, plays: (codecs: string) => boolean): Lowest | null {
  const lines = multivariant.split('\n');
  let found: { readonly bandwidth: number; readonly uri: string; readonly group: string | null } | null = null;
  for (const [at, line] of lines.entries()) {
    const attributes = after(line, '#EXT-X-STREAM-INF:');
    const uri = lines[at + 1];
    if (attributes === null || uri === undefined || attribute(attributes, 'RESOLUTION') === null) continue;
    const bandwidth = Number(attribute(attributes, 'BANDWIDTH'));
    if ((found === null || bandwidth < found.bandwidth) && plays(attribute(attributes, 'CODECS') ?? '')) {
      found = { bandwidth, uri, group: attribute(attributes, 'AUDIO') };
    }
  }
  if (found === null) return null;
  const { group } = found;
  const sounds = lines
    .flatMap((line) => after(line, '#EXT-X-MEDIA:') ?? [])
    .filter((media) => attribute(media, 'TYPE') === 'AUDIO' && attribute(media, 'GROUP-ID') === group);
  const sound = sounds.find((media) => attribute(media, 'DEFAULT') === 'YES') ?? sounds[0];
  const uri = group === null || sound === undefined ? null : attribute(sound, 'URI');
  return { video: new URL(found.uri, base).href, audio: uri === null ? null : new URL(uri, base).href };
}

/** A part or, where it has none that are listed, a segment. */
interface Piece {
  readonly uri: string;
  readonly start: number;
  readonly independent: boolean;
}

interface Segment {
  readonly start: number;
  readonly uri: string | null;
  readonly parts: readonly Piece[];
}

/**
 * The init section and the piece of media that a player begins with, three parts before the end as the playlist asks; nothing where that is
 * missing.
 *
 * @param playlist the text of a media playlist
 * @param base its address
 */
export function firstMedia(playlist: string, base: string): readonly string[] {
  const [segments, end, init] = segmentsOf(playlist.split('\n'));
  const control = /^#EXT-X-SERVER-CONTROL:(.*)$/m.exec(playlist)?.[1] ?? '';
  const behind = Number(attribute(control, 'PART-HOLD-BACK'));
  if (init === null || !(behind > 0)) return [];
  const target = Math.max(0, end - behind);
  const segment = segments.findLast(({ start }) => start <= target);
  if (segment === undefined) return [];
  const { parts } = segment;
  // The last from which a decoder can begin, and that is not too late; where none says so, all are.
  const free = parts.some(({ independent }) => independent) ? parts.filter(({ independent }) => independent) : parts;
  const uri = free.length === 0 ? segment.uri : (free.findLast(({ start }) => start <= target) ?? free[0])?.uri;
  return uri === null || uri === undefined ? [] : [init, uri].map((name) => new URL(name, base).href);
}

/** All segments, the end of the last, and the newest init section. What is a gap has no address. */
function segmentsOf(lines: readonly string[]): readonly [readonly Segment[], number, string | null] {
  const segments: Segment[] = [];
  let [parts, start, at, duration, gap]: [Piece[], number, number, number, boolean] = [[], 0, 0, 0, false];
  let init: string | null = null;
  for (const line of lines) {
    const part = after(line, '#EXT-X-PART:');
    const map = after(line, '#EXT-X-MAP:');
    const inf = after(line, '#EXTINF:');
    if (part !== null) {
      const uri = attribute(part, 'URI');
      if (uri !== null && attribute(part, 'GAP') === null) parts.push({ uri, start: at, independent: attribute(part, 'INDEPENDENT') === 'YES' });
      at += Number(attribute(part, 'DURATION'));
    } else if (map !== null) init = attribute(map, 'URI');
    else if (inf !== null) duration = Number.parseFloat(inf);
    else if (line.startsWith('#EXT-X-GAP')) gap = true;
    else if (line !== '' && !line.startsWith('#')) {
      segments.push({ start, uri: gap ? null : line, parts });
      start += duration;
      [parts, at, gap] = [[], start, false];
    }
  }
  // The last one may not be over.
  if (parts.length > 0) segments.push({ start, uri: null, parts });
  return [segments, Math.max(at, start), init];
}

function after(line: string, tag: string): string | null {
  return line.startsWith(tag) ? line.slice(tag.length) : null;
}

/** The value of an attribute, without its quotes. */
function attribute(list: string, name: string): string | null {
  for (const [, key, quoted, bare] of list.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))/g)) if (key === name) return quoted ?? bare ?? null;
  return null;
}
