/** A friendly name for a fan who has not chosen one, in their language. Pure. */

import type { Language } from '../i18n/messages';

interface Words {
  readonly first: readonly string[];
  readonly second: readonly string[];
  /** What stands between the two words, where the language puts the noun first or needs no blank. */
  readonly join: (first: string, second: string) => string;
}

const WORDS: Readonly<Record<Language, Words>> = {
  en: {
    first: ['Bright', 'Dancing', 'Cosmic', 'Mellow', 'Golden', 'Electric', 'Midnight', 'Sunny'],
    second: ['Otter', 'Comet', 'Fox', 'Lantern', 'Whale', 'Sparrow', 'Panda', 'Firefly'],
    join: (first, second) => `${first} ${second}`,
  },
  ko: {
    first: ['빛나는', '춤추는', '설레는', '포근한', '반짝이는', '신나는', '노래하는', '씩씩한'],
    second: ['수달', '혜성', '여우', '달빛', '고래', '참새', '판다', '반딧불'],
    join: (first, second) => `${first} ${second}`,
  },
  ja: {
    first: ['きらめく', 'おどる', 'ときめく', 'やさしい', 'かがやく', 'うたう', 'まぶしい', 'ほがらかな'],
    second: ['カワウソ', 'すいせい', 'キツネ', 'ランタン', 'クジラ', 'スズメ', 'パンダ', 'ホタル'],
    join: (first, second) => `${first}${second}`,
  },
  es: {
    first: ['brillante', 'feliz', 'estelar', 'valiente', 'alegre', 'audaz', 'fugaz', 'radiante'],
    second: ['Nutria', 'Cometa', 'Lince', 'Farol', 'Ballena', 'Gorrión', 'Panda', 'Luciérnaga'],
    join: (first, second) => `${second} ${first}`,
  },
  th: {
    first: ['สดใส', 'เริงร่า', 'เปล่งประกาย', 'ใจดี', 'ร่าเริง', 'กล้าหาญ', 'ช่างฝัน', 'อบอุ่น'],
    second: ['นาก', 'ดาวหาง', 'จิ้งจอก', 'โคมไฟ', 'วาฬ', 'กระจอก', 'แพนด้า', 'หิ่งห้อย'],
    join: (first, second) => `${second}${first}`,
  },
};

/**
 * Makes a name.
 *
 * @param random draws a number in [0, 1) each time it is called
 */
export function friendlyName(language: Language, random: () => number): string {
  const { first, second, join } = WORDS[language];
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] as string;
  const number = 10 + Math.floor(random() * 90);
  return `${join(pick(first), pick(second))} ${number}`;
}
