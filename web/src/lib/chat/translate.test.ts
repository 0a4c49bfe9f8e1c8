import { afterEach, expect, test, vi } from 'vitest';

import { MESSAGE_TEXT_CHARS_MAX, TRANSLATE_MS } from '../limits';
import { translated } from './translate';

const MESSAGE = { text: '안녕', from: 'ko', to: 'en' };

afterEach(() => {
  vi.useRealTimers();
});

test('what the host says is what is shown, if it is a text', async () => {
  expect(await translated(({ text, from, to }) => `${text} ${from} ${to}`, MESSAGE)).toBe('안녕 ko en');
  expect(await translated(async () => 'hello', MESSAGE)).toBe('hello');
  expect(await translated(() => '', MESSAGE)).toBeNull();
  expect(await translated(() => ({ text: 'hello' }) as unknown as string, MESSAGE)).toBeNull();
  expect(await translated(() => 'x'.repeat(1_000_000), MESSAGE)).toHaveLength(MESSAGE_TEXT_CHARS_MAX * 4);
});

test('a host that fails, or never answers, leaves the original', async () => {
  expect(await translated(() => { throw new Error('no'); }, MESSAGE)).toBeNull();
  expect(await translated(() => Promise.reject(new Error('no')), MESSAGE)).toBeNull();
  vi.useFakeTimers();
  const asked = translated(() => new Promise<string>(() => {}), MESSAGE);
  await vi.advanceTimersByTimeAsync(TRANSLATE_MS);
  expect(await asked).toBeNull();
});
