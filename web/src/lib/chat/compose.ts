/** What the composer decides: which key sends, what is sent, how much is left. Pure. */

import { COUNTER_SHOWN_CHARS, MESSAGE_TEXT_CHARS_MAX, NAME_CHARS_MAX } from '../limits';

/** The part of a keyboard event that decides. */
export interface KeyPress {
  readonly key: string;
  readonly keyCode: number;
  readonly shiftKey: boolean;
  readonly isComposing: boolean;
}

/**
 * Whether this key press sends the message.
 *
 * While an input method composes (Korean, Japanese, Chinese), Enter takes a candidate and must not send. Safari ends
 * the composition before it reports the key, so there the only trace is the key code 229.
 */
export function sends(press: KeyPress): boolean {
  return press.key === 'Enter' && !press.shiftKey && !press.isComposing && press.keyCode !== 229;
}

/** Length as the server counts it: Unicode code points. */
export function charCount(text: string): number {
  let count = 0;
  for (const _char of text) count += 1;
  return count;
}

/** The text as it is sent: one line, without blanks around it. */
export function outgoingText(draft: string): string {
  return draft.replace(/[\r\n]+/g, ' ').trim();
}

/** How a draft stands against the limit. */
export interface Room {
  /** Code points left; negative when it is too long. */
  readonly left: number;
  /** Whether to show the counter. */
  readonly counted: boolean;
  /** Whether it may be sent. */
  readonly sendable: boolean;
}

/** Measures a draft. */
export function roomOf(draft: string): Room {
  const length = charCount(outgoingText(draft));
  const left = MESSAGE_TEXT_CHARS_MAX - length;
  return { left, counted: left <= COUNTER_SHOWN_CHARS, sendable: length > 0 && left >= 0 };
}

/** The nickname as it is asked for; null when it cannot be one. */
export function acceptableName(draft: string): string | null {
  const name = draft.replace(/\s+/g, ' ').trim();
  return name.length > 0 && charCount(name) <= NAME_CHARS_MAX ? name : null;
}
