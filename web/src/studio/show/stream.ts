/**
 * Server-sent events out of the pieces of an answer. Pure. Spec: HTML, section 9.2.6.
 *
 * `EventSource` cannot show a token in a header, and a token has no place in an address: so the answer is read as it comes.
 */

import { EVENT_CHARS_MAX } from '../limits';

export interface Reader {
  /** What has come of a line that has not ended. */
  readonly rest: string;
  /** Data of the event that has not ended. */
  readonly data: readonly string[];
}

export const newReader: Reader = { rest: '', data: [] };

/** Takes in a piece; hands back the data of each event that it has ended. */
export function take(reader: Reader, piece: string): { readonly reader: Reader; readonly events: readonly string[] } {
  const lines = (reader.rest + piece).split(/\r\n|\n|\r/);
  const rest = lines.pop() ?? '';
  const events: string[] = [];
  let data = reader.data;
  for (const line of lines) {
    if (line === '') {
      if (data.length > 0) events.push(data.join('\n'));
      data = [];
    } else if (line.startsWith('data:')) {
      data = [...data, line.slice(line[5] === ' ' ? 6 : 5)];
    }
  }
  const held = rest.length + data.reduce((sum, part) => sum + part.length, 0);
  // An event without an end is given up: what follows begins anew at the next empty line.
  return { reader: held > EVENT_CHARS_MAX ? newReader : { rest, data }, events };
}
