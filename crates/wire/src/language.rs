//! The languages a room tells apart; each is sampled by itself, and a fan may follow all or some.

use serde::{Deserialize, Serialize};

/// A language that rooms tell apart; ISO 639-1 on the wire, `und` for what could not be told.
///
/// The set is closed so that a room has a bounded number of language lanes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Language {
    /// Emoji, names, or too little to tell.
    #[default]
    #[serde(rename = "und")]
    Unknown,
    /// Arabic.
    #[serde(rename = "ar")]
    Arabic,
    /// Chinese.
    #[serde(rename = "zh")]
    Chinese,
    /// English.
    #[serde(rename = "en")]
    English,
    /// French.
    #[serde(rename = "fr")]
    French,
    /// German.
    #[serde(rename = "de")]
    German,
    /// Hindi.
    #[serde(rename = "hi")]
    Hindi,
    /// Indonesian.
    #[serde(rename = "id")]
    Indonesian,
    /// Japanese.
    #[serde(rename = "ja")]
    Japanese,
    /// Korean.
    #[serde(rename = "ko")]
    Korean,
    /// Portuguese.
    #[serde(rename = "pt")]
    Portuguese,
    /// Russian.
    #[serde(rename = "ru")]
    Russian,
    /// Spanish.
    #[serde(rename = "es")]
    Spanish,
    /// Thai.
    #[serde(rename = "th")]
    Thai,
    /// Turkish.
    #[serde(rename = "tr")]
    Turkish,
    /// Vietnamese.
    #[serde(rename = "vi")]
    Vietnamese,
}

impl Language {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 16] = [
        Self::Unknown,
        Self::Arabic,
        Self::Chinese,
        Self::English,
        Self::French,
        Self::German,
        Self::Hindi,
        Self::Indonesian,
        Self::Japanese,
        Self::Korean,
        Self::Portuguese,
        Self::Russian,
        Self::Spanish,
        Self::Thai,
        Self::Turkish,
        Self::Vietnamese,
    ];

    /// Its code on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "und",
            Self::Arabic => "ar",
            Self::Chinese => "zh",
            Self::English => "en",
            Self::French => "fr",
            Self::German => "de",
            Self::Hindi => "hi",
            Self::Indonesian => "id",
            Self::Japanese => "ja",
            Self::Korean => "ko",
            Self::Portuguese => "pt",
            Self::Russian => "ru",
            Self::Spanish => "es",
            Self::Thai => "th",
            Self::Turkish => "tr",
            Self::Vietnamese => "vi",
        }
    }

    /// The language of a code, if it is one that rooms tell apart.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// Its place in [`Language::ALL`], 0 to 15: a set of languages is 16 bits.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it could not be told.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_codes_and_names_agree() {
        for (place, language) in Language::ALL.into_iter().enumerate() {
            assert_eq!(language.index(), place);
            assert_eq!(Language::of_code(language.code()), Some(language));
            let json = serde_json::to_string(&language).unwrap();
            assert_eq!(json, format!("\"{}\"", language.code()));
        }
        assert_eq!(Language::of_code("xx"), None);
    }
}
