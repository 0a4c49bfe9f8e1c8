import { describe, expect, test } from 'vitest';

import { EMOTES_DRAWN_MAX, EMOTES_MAX } from '../limits';
import { type Emotes, drawn, emotesOf, naming, noEmotes, offeredEmotes, withEmote } from './emotes';

const BASE = 'https://fans.example/watch/demo';
const item = (code: string, more: object = {}) => ({ id: 'm-1', code, image: `/api/v1/channels/demo/emotes/${code}/image`, media_type: 'image/png', width: 56, height: 28, ...more });
const known = (...codes: string[]): Emotes => emotesOf({ emotes: codes.map((code) => item(code)) }, BASE);
const cut = (text: string, emotes = known('wave', 'clap', 'a1')) => drawn(text, emotes).map(({ text: piece, emote }) => (emote === null ? piece : `[${emote.code}]`));

describe('the list', () => {
  test('is read, and what is odd in it is left out', () => {
    const odd = [null, {}, item('UPPER'), item('x'), item('wide', { width: 0 }), item('far', { image: 'https://elsewhere.example/x' }), item('bad', { image: 'javascript:alert(1)' })];
    const emotes = emotesOf({ emotes: [item('wave'), item('spin', { media_type: 'image/gif' }), ...odd] }, BASE);
    expect([...emotes.values()]).toEqual([
      { code: 'wave', src: 'https://fans.example/api/v1/channels/demo/emotes/wave/image', width: 56, height: 28, moves: false },
      { code: 'spin', src: 'https://fans.example/api/v1/channels/demo/emotes/spin/image', width: 56, height: 28, moves: true },
    ]);
    for (const nothing of [null, [], { emotes: 'all' }, 'x']) expect(emotesOf(nothing, BASE).size).toBe(0);
    expect(emotesOf({ emotes: Array.from({ length: EMOTES_MAX + 1 }, (_, n) => item(`e${n}e`)) }, BASE).size).toBe(EMOTES_MAX);
  });
});

describe('a message', () => {
  test('is cut where it names emotes', () => {
    expect(cut(':wave:')).toEqual(['[wave]']);
    expect(cut('hi :wave: all:clap::a1:!')).toEqual(['hi ', '[wave]', ' all', '[clap]', '[a1]', '!']);
    expect(cut(':none:wave:')).toEqual([':none', '[wave]']);
    expect(cut('at 12:30:45, <b>:Wave: : wave :</b>')).toEqual(['at 12:30:45, <b>:Wave: : wave :</b>']);
    expect(cut(':wave:', noEmotes)).toEqual([':wave:']);
  });

  test('says the same, however it is cut', () => {
    const parts = [':', 'wave', 'none', ' ', ':wave:', '안녕', ':clap', 'a1:'];
    let seed = 7;
    for (let round = 0; round < 500; round += 1) {
      let text = '';
      for (let n = 0; n < 12; n += 1) {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
        text += parts[(seed >>> 16) % parts.length];
      }
      expect(drawn(text, known('wave', 'clap', 'a1')).map((piece) => piece.text).join('')).toBe(text);
    }
  });

  test('draws so many and no more', () => {
    const pieces = drawn(':wave:'.repeat(EMOTES_DRAWN_MAX + 3), known('wave'));
    expect(pieces.filter(({ emote }) => emote !== null)).toHaveLength(EMOTES_DRAWN_MAX);
    expect(pieces.at(-1)).toEqual({ text: ':wave:'.repeat(3), emote: null });
  });
});

describe('a draft', () => {
  test('names an emote from a colon on that stands alone', () => {
    expect(naming(':wa', 3)).toEqual({ at: 0, end: 3, query: 'wa' });
    expect(naming('hi :W and', 5)).toEqual({ at: 3, end: 5, query: 'W' });
    for (const [draft, caret] of [[':', 1], ['at 12:3', 7], ['x:wa', 4], [':)', 2], ['::wa', 4], [':wave: ', 7], [':wave:', 6], ['', 0]] as const) {
      expect(naming(draft, caret), draft).toBeNull();
    }
  });

  test('is offered what begins so, then what has it', () => {
    const emotes = known('clap', 'lap_dog', 'overlap', 'wave');
    expect(offeredEmotes(emotes, 'LA').map(({ code }) => code)).toEqual(['lap_dog', 'clap', 'overlap']);
    expect(offeredEmotes(emotes, 'zz')).toEqual([]);
  });

  test('takes one in, apart from the word before it', () => {
    const wave = [...known('wave').values()][0];
    if (wave === undefined) throw new Error('there is one');
    expect(withEmote('hi :wa all', [3, 6], wave)).toEqual({ draft: 'hi :wave: all', caret: 10 });
    expect(withEmote('hi', [2, 2], wave)).toEqual({ draft: 'hi :wave: ', caret: 10 });
    expect(withEmote('', [0, 0], wave)).toEqual({ draft: ':wave: ', caret: 7 });
  });
});
