import { describe, expect, test } from 'vitest';

import { COUNTER_SHOWN_CHARS, MESSAGE_TEXT_CHARS_MAX, NAME_CHARS_MAX } from '../limits';
import { acceptableName, charCount, outgoingText, roomOf, sends } from './compose';

const enter = { key: 'Enter', keyCode: 13, shiftKey: false, isComposing: false };

describe('the key that sends', () => {
  test('is Enter', () => expect(sends(enter)).toBe(true));
  test('is not Enter while a Korean or Japanese word is being composed', () => {
    expect(sends({ ...enter, isComposing: true })).toBe(false);
  });
  test('is not the Enter that ended a composition in Safari', () => {
    expect(sends({ ...enter, keyCode: 229 })).toBe(false);
  });
  test('is not Shift+Enter', () => expect(sends({ ...enter, shiftKey: true })).toBe(false));
  test('is no other key', () => expect(sends({ ...enter, key: 'a', keyCode: 65 })).toBe(false));
});

test('length is counted in code points', () => {
  expect(charCount('안녕')).toBe(2);
  expect(charCount('👋🏽')).toBe(2);
  expect(charCount('')).toBe(0);
});

test('a message is one line without blanks around it', () => {
  expect(outgoingText('  one\r\n\ntwo \n')).toBe('one two');
});

describe('the limit', () => {
  test('an empty or blank draft cannot be sent', () => {
    expect(roomOf('').sendable).toBe(false);
    expect(roomOf(' \n ').sendable).toBe(false);
  });
  test('a draft of exactly the limit can be sent, one more cannot', () => {
    expect(roomOf('あ'.repeat(MESSAGE_TEXT_CHARS_MAX))).toEqual({ left: 0, counted: true, sendable: true });
    expect(roomOf('あ'.repeat(MESSAGE_TEXT_CHARS_MAX + 1))).toEqual({ left: -1, counted: true, sendable: false });
  });
  test('the counter shows up near the limit only', () => {
    expect(roomOf('x'.repeat(MESSAGE_TEXT_CHARS_MAX - COUNTER_SHOWN_CHARS - 1)).counted).toBe(false);
    expect(roomOf('x'.repeat(MESSAGE_TEXT_CHARS_MAX - COUNTER_SHOWN_CHARS)).counted).toBe(true);
  });
});

test('a nickname is trimmed, not empty and not too long', () => {
  expect(acceptableName('  빛나는   수달 ')).toBe('빛나는 수달');
  expect(acceptableName('   ')).toBeNull();
  expect(acceptableName('x'.repeat(NAME_CHARS_MAX))).toBe('x'.repeat(NAME_CHARS_MAX));
  expect(acceptableName('x'.repeat(NAME_CHARS_MAX + 1))).toBeNull();
});
