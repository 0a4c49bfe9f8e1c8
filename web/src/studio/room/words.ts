/** Lists of words as they are typed. Pure. */

/** Languages whose lists are offered: those of most fans of shows, by ISO 639-1. */
export const LISTED = ['ko', 'en', 'ja', 'es', 'th', 'zh', 'id', 'vi', 'pt', 'fr', 'de', 'it', 'ru', 'tr', 'ar', 'hi'] as const;

/** One word a line, without blanks around it, each once, in the order in which they stand. */
export function wordsOf(draft: string): readonly string[] {
  const lines = draft.split('\n').map((line) => line.trim());
  return [...new Set(lines.filter((line) => line !== ''))];
}
