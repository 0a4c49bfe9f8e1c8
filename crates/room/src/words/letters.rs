//! Reads a text as letters and gaps, so that the ways to disguise a word read alike.

use std::iter;

use caseless::Caseless;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_security::confusable_detection::skeleton;

use super::hangul::{self, Kind};
use crate::admit::is_invisible;

/// Stands in a reading for a space that no listed word reaches across.
const BREAK: char = ' ';

/// Whether an accent makes another letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accents {
    /// It does.
    Kept,
    /// It is a disguise.
    Dropped,
}

/// What stands before a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    /// The letter before it, or nothing.
    None,
    /// Something that is no letter, or a space between single letters.
    Mark,
    /// A space.
    Space,
}

/// How a script parts words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// By spaces and punctuation.
    Parted,
    /// Not at all, or by phrases.
    Unparted,
}

/// One letter.
#[derive(Debug, Clone, Copy)]
struct Letter {
    letter: char,
    gap: Gap,
    script: Script,
    /// Whether it begins a character or syllable, rather than going on with one.
    begins: bool,
    /// Whether it is a consonant of Hangul that was written by itself.
    alone: bool,
}

/// The same letter once or several times in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    letter: char,
    /// The place of its first letter.
    first: usize,
    /// Where it is in the text of the reading.
    byte: usize,
    /// How often.
    count: usize,
    script: Script,
    alone: bool,
}

/// A text without what no way to read tells apart.
#[derive(Debug)]
pub(super) struct Folded(Vec<char>);

impl Folded {
    pub(super) fn new(text: &str) -> Self {
        let visible = text.chars().filter(|c| !is_invisible(*c));
        let mut folded = Vec::with_capacity(text.len());
        let mut has_cases = false;
        for c in visible.nfkc() {
            if c.is_ascii() || script_of(c) == Script::Unparted {
                folded.push(c.to_ascii_lowercase());
                has_cases |= c.is_ascii_uppercase();
            } else {
                folded.extend(iter::once(c).default_case_fold());
                has_cases |= folded.last() != Some(&c);
            }
        }
        // What has lost its case may compose with what comes after it.
        if has_cases && !folded.iter().all(char::is_ascii) {
            folded = folded.into_iter().nfkc().collect();
        }
        folded.retain(|c| !is_stray_mark(*c));
        Self(folded)
    }

    /// As it is read in one way. What was read before is that too, if the ways do not differ in this text.
    pub(super) fn read(&self, accents: Accents, before: Option<Reading>) -> Reading {
        let mut chars = Vec::with_capacity(self.0.len());
        chars.extend(self.0.iter().filter_map(|c| plain(*c, accents)));
        match before {
            Some(before) if before.chars == chars => before,
            _ => Reading::new(chars),
        }
    }
}

/// A text as letters.
#[derive(Debug)]
pub(super) struct Reading {
    /// What it was made of.
    chars: Vec<char>,
    letters: Vec<Letter>,
    runs: Vec<Run>,
    /// One letter a run.
    text: String,
}

impl Reading {
    fn new(chars: Vec<char>) -> Self {
        let mut letters = letters(&chars);
        join_single_letters(&mut letters);
        let mut runs: Vec<Run> = Vec::with_capacity(letters.len());
        let mut byte = 0;
        for (first, letter) in letters.iter().enumerate() {
            let last = runs.last_mut().filter(|_| letter.gap != Gap::Space);
            if let Some(last) = last.filter(|last| last.letter == letter.letter) {
                last.count += 1;
                last.alone &= letter.alone;
                continue;
            }
            let run = Run {
                letter: letter.letter,
                first,
                byte,
                count: 1,
                script: letter.script,
                alone: letter.alone,
            };
            if letter.gap == Gap::Space {
                // It stands for no letter, and asks for none.
                runs.push(Run {
                    letter: BREAK,
                    count: 0,
                    alone: false,
                    ..run
                });
                byte += BREAK.len_utf8();
            }
            runs.push(Run { byte, ..run });
            byte += letter.letter.len_utf8();
        }
        let mut text = String::with_capacity(byte);
        text.extend(runs.iter().map(|run| run.letter));
        Self {
            chars,
            letters,
            runs,
            text,
        }
    }

    /// The letters, each run once.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A listed word: what to search for, and what must be true of what was found.
    pub(super) fn into_pattern(self) -> (String, Vec<Run>) {
        (self.text, self.runs)
    }

    /// Whether a word that was found at a byte of [`Reading::text`] is really written there.
    pub(super) fn confirms(&self, byte: usize, pattern: &[Run]) -> bool {
        let from = self.runs.binary_search_by_key(&byte, |run| run.byte);
        let Some(runs) = from
            .ok()
            .and_then(|from| self.runs.get(from..from + pattern.len()))
        else {
            return false;
        };
        let mut pairs = runs.iter().zip(pattern);
        if !pairs.all(|(run, listed)| run.count >= listed.count && (run.alone || !listed.alone)) {
            return false;
        }
        let (Some(first), Some(last)) = (pattern.first(), pattern.last()) else {
            return false;
        };
        let (Some(head), Some(tail)) = (runs.first(), runs.last()) else {
            return false;
        };
        // Where a run is longer than it must be, the word may begin or end anywhere in it: "kiss.shit".
        let mut begins = head.first..=head.first + (head.count - first.count.min(head.count));
        let mut ends = tail.first + last.count.max(1) - 1..=tail.first + tail.count.max(1) - 1;
        begins.any(|place| self.may_begin(place, first.script))
            && ends.any(|place| self.may_end(place, last.script))
    }

    fn may_begin(&self, place: usize, script: Script) -> bool {
        let Some(letter) = self.letters.get(place) else {
            return false;
        };
        let before = place
            .checked_sub(1)
            .and_then(|place| self.letters.get(place));
        letter.begins && before.is_none_or(|before| are_apart(before, letter, script))
    }

    fn may_end(&self, place: usize, script: Script) -> bool {
        let (Some(letter), after) = (self.letters.get(place), self.letters.get(place + 1)) else {
            return false;
        };
        after.is_none_or(|after| after.begins && are_apart(letter, after, script))
    }
}

/// Whether a word of a script can begin or end between two letters.
fn are_apart(left: &Letter, right: &Letter, script: Script) -> bool {
    match script {
        Script::Unparted => true,
        Script::Parted => right.gap != Gap::None || left.script != right.script,
    }
}

/// Where letters are spaced out one by one, or syllables, the spaces are a disguise.
fn join_single_letters(letters: &mut [Letter]) {
    let mut was_single = false;
    let mut from = 0;
    while from < letters.len() {
        let rest = &letters[from + 1..];
        let to = rest
            .iter()
            .position(|letter| letter.gap == Gap::Space)
            .map_or(letters.len(), |len| from + 1 + len);
        let is_single = is_single(&letters[from..to]);
        if was_single && is_single {
            letters[from].gap = Gap::Mark;
        }
        was_single = is_single;
        from = to;
    }
}

/// Whether a stretch between spaces is one letter, repeated or not, or at most one syllable.
fn is_single(stretch: &[Letter]) -> bool {
    let begun = stretch.iter().filter(|letter| letter.begins).count();
    let vowels = stretch
        .iter()
        .filter(|letter| hangul::kind(letter.letter) == Kind::Vowel);
    let is_hangul = stretch
        .iter()
        .all(|letter| hangul::kind(letter.letter) != Kind::Other);
    let is_one_letter = stretch
        .iter()
        .all(|letter| letter.letter == stretch[0].letter);
    begun <= 1 || is_one_letter || is_hangul && stretch.len() <= 4 && vowels.count() <= 1
}

/// All letters of a text.
fn letters(chars: &[char]) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(chars.len());
    let mut gap = Gap::None;
    for (c, unmasked) in chars.iter().zip(unmask(chars)) {
        let c = unmasked.unwrap_or(*c);
        if c.is_whitespace() {
            gap = Gap::Space;
        } else if !is_letter(c) {
            gap = gap.max(Gap::Mark);
        } else {
            // What a text begins with leaves no gap.
            let first_gap = if letters.is_empty() { Gap::None } else { gap };
            push_letters(c, first_gap, &mut letters);
            gap = Gap::None;
        }
    }
    letters
}

/// Adds a character: one letter, or those of a syllable.
fn push_letters(c: char, gap: Gap, letters: &mut Vec<Letter>) {
    let alone = hangul::kind(c) == Kind::Consonant;
    let gaps = iter::once(gap).chain(iter::repeat(Gap::None));
    // A mark goes on with the letter before it, if there is one.
    let begins = letters.is_empty() || gap != Gap::None || !is_combining_mark(c);
    for (part, (letter, gap)) in hangul::letters(c).zip(gaps).enumerate() {
        letters.push(Letter {
            letter,
            gap,
            script: script_of(letter),
            begins: part == 0 && begins,
            alone,
        });
    }
}

fn is_letter(c: char) -> bool {
    is_alphabetic(c) || is_combining_mark(c)
}

/// The same as the character says itself: most of what is written is told without a look into tables.
fn is_alphabetic(c: char) -> bool {
    let is_common = matches!(c, 'a'..='z' | 'à'..='ö' | 'а'..='я' | 'ก'..='ะ' | 'ぁ'..='ゖ' | '\u{1100}'..='\u{11FF}'
        | '一'..='鿿' | '가'..='힣');
    is_common || c.is_alphabetic()
}

/// Marks that compose with nothing here: heaped up to hide a word. Vowel signs and tone marks of other scripts are
/// letters.
fn is_stray_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{64B}'..='\u{65F}' | '\u{670}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{302A}'..='\u{302F}' | '\u{FE20}'..='\u{FE2F}')
}

/// A character as it is compared: Katakana as Hiragana, look-alikes as the letter they pass for. The mark that makes a
/// syllable of Kana longer repeats a letter, and is left out.
fn plain(c: char, accents: Accents) -> Option<char> {
    match c {
        c if c.is_ascii() => Some(c),
        'ー' => None,
        'ァ'..='ヶ' => char::from_u32(u32::from(c) - 0x60),
        c if has_look_alikes(c) && is_alphabetic(c) => {
            let base = match accents {
                Accents::Kept => c,
                Accents::Dropped => iter::once(c).nfd().next().unwrap_or(c),
            };
            Some(look_alike(base))
        }
        c => Some(c),
    }
}

/// Whether a character is of a block that holds look-alikes of Latin letters: the alphabets, not the syllabaries.
fn has_look_alikes(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{58F}' | '\u{10A0}'..='\u{10FF}' | '\u{13A0}'..='\u{16FF}' | '\u{1C80}'..='\u{1FFF}'
        | '\u{2100}'..='\u{2DFF}' | '\u{A640}'..='\u{A7FF}' | '\u{AB30}'..='\u{ABBF}' | '\u{10280}'..='\u{1044F}')
}

/// The Latin letter that a character passes for (UTS #39, section 4), or itself.
fn look_alike(c: char) -> char {
    let mut buffer = [0; 4];
    let mut skeleton = skeleton(c.encode_utf8(&mut buffer));
    match (skeleton.next(), skeleton.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => letter.to_ascii_lowercase(),
        _ => c,
    }
}

/// The letters that digits and signs stand for inside a word of Latin letters: "sh1t", "@ss", "a$$".
///
/// A digit does only between letters: what stands at the end of a word is a number.
fn unmask(chars: &[char]) -> Vec<Option<char>> {
    let mut unmasked = vec![None; chars.len()];
    let is_latin = |c: &char| c.is_ascii_alphabetic();
    let mut from = 0;
    while from < chars.len() {
        let rest = &chars[from..];
        let to = rest
            .iter()
            .position(|c| c.is_whitespace())
            .map_or(chars.len(), |len| from + len);
        let word = &chars[from..to];
        if let (Some(first), Some(last)) = (
            word.iter().position(is_latin),
            word.iter().rposition(is_latin),
        ) {
            for (place, c) in word.iter().enumerate() {
                let is_inside = first < place && place < last;
                let is_between =
                    is_inside && is_latin(&word[place - 1]) && is_latin(&word[place + 1]);
                unmasked[from + place] = match c {
                    '@' => Some('a'),
                    '$' => Some('s'),
                    '0' if is_inside => Some('o'),
                    '1' if is_inside => Some('i'),
                    '3' if is_inside => Some('e'),
                    '4' if is_inside => Some('a'),
                    '5' if is_inside => Some('s'),
                    '7' if is_inside => Some('t'),
                    '!' | '|' if is_between => Some('i'),
                    _ => None,
                };
            }
        }
        from = to + 1;
    }
    unmasked
}

fn script_of(letter: char) -> Script {
    match u32::from(letter) {
        // Thai to Myanmar, Hangul letters, Khmer, Kana to Han, Hangul, Han.
        0x0E00..=0x109F
        | 0x1100..=0x11FF
        | 0x1780..=0x17FF
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7FF
        | 0xF900..=0xFAFF
        | 0x20000..=0x3FFFF => Script::Unparted,
        _ => Script::Parted,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_told_without_tables_is_what_they_say() {
        for c in '\0'..=char::MAX {
            assert_eq!(is_alphabetic(c), c.is_alphabetic(), "{c:?}");
            if script_of(c) == Script::Unparted {
                assert!(iter::once(c).default_case_fold().eq([c]), "{c:?}");
            }
        }
    }

    /// Letters with and without a case, and marks that compose with some of them.
    const ODD: &str = "[a-zA-ZÀ-ÿА-яİıßﬃǰẖ\u{300}-\u{345}\u{3b1}-\u{3c9}ͅ가-깋ㄱ-ㅣアｱﾞก-๛ \u{ff21}-\u{ff5a}]{0,12}";

    proptest! {
        #[test]
        fn a_text_is_folded_as_the_standard_has_it(text in prop_oneof![ODD, "\\PC{0,12}"]) {
            let visible = text.chars().filter(|c| !is_invisible(*c));
            let folded: Vec<char> = visible.nfkc().default_case_fold().nfkc().collect();
            let folded: Vec<char> = folded.into_iter().filter(|c| !is_stray_mark(*c)).collect();
            prop_assert_eq!(Folded::new(&text).0, folded);
        }
    }
}
