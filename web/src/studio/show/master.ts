/** What a show consists of, as its multivariant playlist says. Pure. Spec: RFC 8216bis, section 4.4.6. */

export interface Variant {
  readonly uri: string;
  readonly bandwidth: number;
  readonly codecs: readonly string[];
  readonly width: number | null;
  readonly height: number | null;
  readonly frameRate: number | null;
}

/** Reads the variants, the best first. */
export function variantsOf(playlist: string): readonly Variant[] {
  const lines = playlist.split(/\r?\n/);
  const found = lines.flatMap((line, at) => {
    if (!line.startsWith('#EXT-X-STREAM-INF:')) return [];
    const attributes = attributesOf(line.slice('#EXT-X-STREAM-INF:'.length));
    const [width, height] = (attributes.get('RESOLUTION') ?? '').split('x').map(Number);
    const codecs = (attributes.get('CODECS') ?? '').split(',').filter((codec) => codec !== '');
    const rate = Number(attributes.get('FRAME-RATE') ?? Number.NaN);
    return [{
      uri: lines[at + 1] ?? '',
      bandwidth: Number(attributes.get('BANDWIDTH') ?? 0),
      codecs,
      width: width || null,
      height: height || null,
      frameRate: Number.isNaN(rate) ? null : rate,
    }];
  });
  return found.sort((a, b) => (b.height ?? 0) - (a.height ?? 0) || b.bandwidth - a.bandwidth);
}

/** A name that a crew knows a codec by; null where it is none of theirs. */
export function codecName(codec: string): { readonly kind: 'video' | 'audio'; readonly name: string } | null {
  const names: readonly (readonly [RegExp, 'video' | 'audio', string])[] = [
    [/^avc[13]\./, 'video', 'H.264'],
    [/^(hvc1|hev1)\./, 'video', 'HEVC'],
    [/^av01\./, 'video', 'AV1'],
    [/^mp4a\./, 'audio', 'AAC'],
    [/^opus$/i, 'audio', 'Opus'],
  ];
  const found = names.find(([pattern]) => pattern.test(codec));
  return found === undefined ? null : { kind: found[1], name: found[2] };
}

/** An event of the show as a playlist has it. */
export interface Cue {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  /** Unix ms. */
  readonly start: number;
  /** Seconds; null while nobody knows. */
  readonly duration: number | null;
}

/** Reads the date ranges of a media playlist, the newest first. */
export function cuesOf(playlist: string): readonly Cue[] {
  const found = playlist.split(/\r?\n/).flatMap((line) => {
    if (!line.startsWith('#EXT-X-DATERANGE:')) return [];
    const attributes = attributesOf(line.slice('#EXT-X-DATERANGE:'.length));
    const start = Date.parse(attributes.get('START-DATE') ?? '');
    const id = attributes.get('ID');
    if (id === undefined || Number.isNaN(start)) return [];
    const duration = attributes.get('DURATION') ?? attributes.get('PLANNED-DURATION');
    return [{
      id,
      kind: attributes.get('CLASS') ?? '',
      title: attributes.get('X-TITLE') ?? '',
      start,
      duration: duration === undefined ? null : Number(duration),
    }];
  });
  return found.sort((a, b) => b.start - a.start);
}

/** An attribute list: names and values, quotes taken off. */
function attributesOf(list: string): ReadonlyMap<string, string> {
  const pairs = list.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^,]*)(?:,|$)/g);
  return new Map([...pairs].map(([, name = '', value = '']) => [name, value.replace(/^"(.*)"$/, '$1')]));
}
