/** What the SDK knows of the server is what the server says: generated anew, and read from the wire crate's own examples. */

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

import { EVENT_TYPES, NOTICE_TYPES } from '../src/generated/wire.js';
import { isSaid, parseEntry, parseMessage, parseNotice } from '../src/message.js';
// @ts-expect-error: a script, without types of its own.
import { generate } from '../scripts/generate.mjs';

const EXAMPLES = new URL('../../crates/wire/src/protocol/publication/tests.rs', import.meta.url);

/** The lines that the wire crate's tests pin down: data of events and notices, whole publications of texts. */
async function examples(): Promise<Record<string, unknown>[]> {
  const text = await readFile(EXAMPLES, 'utf8');
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('{"') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('the generated files are what the server says today: `npm run generate` writes them', async () => {
  for (const [name, text] of Object.entries((await generate()) as Record<string, string>)) {
    expect(await readFile(new URL(`../src/generated/${name}`, import.meta.url), 'utf8'), name).toBe(text);
  }
});

test('every example of the wire crate is read', async () => {
  const seen = new Set<string>();
  for (const example of await examples()) {
    const data = ('data' in example ? example['data'] : example) as Record<string, unknown>;
    const offset = 'data' in example ? (example['offset'] as number | undefined) : 8;
    const publication = { offset, data, info: { user: 'u-9' } };
    const type = data['type'];
    if (NOTICE_TYPES.some((name) => name === type)) {
      expect(parseNotice({ data }), JSON.stringify(example)).toEqual(data);
      seen.add(String(type));
      continue;
    }
    const entry = parseEntry('room', publication);
    expect(entry, JSON.stringify(example)).not.toBeNull();
    if (entry === null) continue;
    expect(entry).toMatchObject({ offset: 8, user: 'u-9', name: 'Mo', role: 'moderator', at: 1_700_000_000_000, id: 'm-1' });
    if (isSaid(entry)) {
      const { lang, reply_to: answered, badge } = data;
      expect({ text: entry.text, lang: entry.lang, answered: entry.reply_to, badge: entry.badge }).toEqual({ text: data['text'], lang, answered, badge });
    } else {
      const { id: _id, name: _name, role: _role, at: _at, ...event } = data;
      expect(entry.event).toEqual(event);
      seen.add(entry.event.type);
    }
  }
  expect([...seen].sort()).toEqual([...EVENT_TYPES, ...NOTICE_TYPES].sort());
});

test('a message of the HTTP API is the same entry as its publication', () => {
  const common = { offset: 8, id: 'm-1', user: 'u-9', name: 'Mo', role: 'fan', at: 5 };
  const { offset, user, ...data } = common;
  expect(parseMessage('chat', { ...common, text: 'hi', badge: 'VIP' })).toEqual(
    parseEntry('chat', { offset, info: { user }, data: { ...data, text: 'hi', badge: 'VIP' } }),
  );
  expect(parseMessage('room', { ...common, event: { type: 'deleted', offset: 3 } })).toEqual(
    parseEntry('room', { offset, info: { user }, data: { ...data, type: 'deleted', offset: 3 } }),
  );
});

test('what cannot be read is dropped, and stops nothing', () => {
  for (const data of [null, 5, 'x', [], {}, { text: 'no name' }, { type: 'unknown', name: 'Mo', at: 1 }, { text: 5, name: 'Mo', at: 1 }, { text: 'x', name: 'Mo', at: -1 }]) {
    expect(parseEntry('chat', { offset: 1, data })).toBeNull();
    expect(parseNotice({ data })).toBeNull();
  }
  expect(parseEntry('chat', { data: { text: 'x', name: 'Mo', at: 1 } }), 'without a place').toBeNull();
  expect(parseEntry('chat', { offset: Number.NaN, data: { text: 'x', name: 'Mo', at: 1 } })).toBeNull();
});
