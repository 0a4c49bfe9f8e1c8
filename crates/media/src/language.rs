//! What is spoken on a track, as a playlist and an init section name it.

use std::fmt;

/// A language tag of RFC 5646, such as `en`, `ko` or `pt-BR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language(Box<str>);

/// Longest tag that is taken, bytes; RFC 5646 section 4.4.1 advises room for 35.
const TAG_BYTES_MAX: usize = 35;

/// ISO 639-2 codes, both of them where a language has two, and the tag of two letters that RFC 5646 section 2.2.1 wants in
/// their place. Languages without one keep the code of three.
const TWO_LETTERS: [(&str, &str); 48] = [
    ("ara", "ar"),
    ("ben", "bn"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("chi", "zh"),
    ("cze", "cs"),
    ("dan", "da"),
    ("deu", "de"),
    ("dut", "nl"),
    ("ell", "el"),
    ("eng", "en"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("ger", "de"),
    ("gre", "el"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("ind", "id"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kor", "ko"),
    ("lit", "lt"),
    ("may", "ms"),
    ("msa", "ms"),
    ("nld", "nl"),
    ("nor", "no"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("rus", "ru"),
    ("slk", "sk"),
    ("slo", "sk"),
    ("slv", "sl"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("vie", "vi"),
    ("zho", "zh"),
];

impl Language {
    /// A tag of RFC 5646, or a code of ISO 639-2, which becomes one. `None` for what is neither, and for `und`.
    #[must_use]
    pub fn new(tag: &str) -> Option<Self> {
        let is_subtag = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let mut parts = tag.split('-');
        let primary = parts.next()?.to_ascii_lowercase();
        let is_legal = tag.len() <= TAG_BYTES_MAX
            && (2..=3).contains(&primary.len())
            && primary.bytes().all(|b| b.is_ascii_lowercase())
            && parts.all(is_subtag);
        if !is_legal || primary == "und" {
            return None;
        }
        let two = TWO_LETTERS.iter().find(|(code, _)| *code == primary);
        let primary = two.map_or(primary.as_str(), |(_, two)| two);
        let rest = tag.find('-').and_then(|at| tag.get(at..));
        Some(Self([primary, rest.unwrap_or_default()].concat().into()))
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code of three letters that an MP4 media header has room for (ISO/IEC 14496-12 section 8.4.2).
    #[must_use]
    pub fn iso_639_2(&self) -> &str {
        let primary = self.0.split('-').next().unwrap_or_default();
        // The header wants the terminological code where there are two.
        let bibliographic = [
            "chi", "cze", "dut", "fre", "ger", "gre", "may", "rum", "slo",
        ];
        let mut found = TWO_LETTERS
            .iter()
            .filter(|(code, two)| *two == primary && !bibliographic.contains(code));
        match (found.next(), primary.len()) {
            (Some((code, _)), _) => code,
            (None, 3) => primary,
            (None, _) => "und",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_become_tags_and_tags_codes() {
        for (given, tag, code) in [
            ("eng", "en", "eng"),
            ("KOR", "ko", "kor"),
            ("ger", "de", "deu"),
            ("fre", "fr", "fra"),
            ("pt-BR", "pt-BR", "por"),
            ("zho-Hant", "zh-Hant", "zho"),
            ("ast", "ast", "ast"),
            ("xx", "xx", "und"),
        ] {
            let language = Language::new(given).unwrap();
            assert_eq!((language.as_str(), language.iso_639_2()), (tag, code));
        }
        for none in ["", "e", "und", "engl", "en-", "en\n", "e1", "en_US", "-en"] {
            assert_eq!(Language::new(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_can_be_written(tag in ".{0,40}") {
            if let Some(language) = Language::new(&tag) {
                let code = language.iso_639_2();
                prop_assert!(code.len() == 3 && code.bytes().all(|b| b.is_ascii_lowercase()));
                prop_assert!(language.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
                prop_assert_eq!(Language::new(language.as_str()), Some(language.clone()));
            }
        }
    }
}
