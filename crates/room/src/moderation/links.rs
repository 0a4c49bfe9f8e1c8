//! Whether a text leads somewhere else.

/// Endings that make a word with a dot in it an address, beside any word with a scheme or `www.`. Not every domain there
/// is: those that raids are made with, and that are no endings of sentences in any of the room's languages.
const ENDINGS: &[&str] = &[
    "app", "be", "biz", "cc", "click", "club", "cn", "co", "com", "de", "dev", "fun", "gg", "gl",
    "id", "info", "io", "jp", "kr", "link", "live", "ly", "me", "mx", "net", "online", "org", "ru",
    "shop", "site", "store", "th", "to", "top", "tv", "uk", "us", "vip", "vn", "win", "xyz",
];

/// Whether a text contains an address of the web, as far as one can tell by looking.
pub(super) fn has_link(text: &str) -> bool {
    text.split(char::is_whitespace).any(is_link)
}

fn is_link(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    if word.contains("://") || word.contains("www.") {
        return true;
    }
    let host = word.split(['/', '?', '#', ':']).next().unwrap_or("");
    let host = host.trim_matches(|c: char| !c.is_alphanumeric());
    let Some((name, ending)) = host.rsplit_once('.') else {
        return false;
    };
    !name.is_empty() && ENDINGS.contains(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_sentences() {
        for link in [
            "see https://x.example/y",
            "(www.fans.example)",
            "free.gifts.xyz!",
            "t.me/raid",
            "discord.gg/abc",
            "MY-SHOP.COM",
        ] {
            assert!(has_link(link), "{link}");
        }
        for plain in [
            "wow...amazing",
            "ver 2.0 is out",
            "end.Then",
            "3.5/5",
            "안녕.하세요",
            ".com",
            "a.b",
            "",
        ] {
            assert!(!has_link(plain), "{plain}");
        }
    }
}
