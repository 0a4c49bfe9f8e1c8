//! Whether a text is emoji and nothing else.

use unicode_properties::UnicodeEmoji;

/// Whether a text is made of emoji and what holds them together. Digits, `#` and `*` are emoji to Unicode because
/// keycaps are built on them; here they count only where a keycap really follows.
pub(super) fn is_emoji_only(text: &str) -> bool {
    const KEYCAP: char = '\u{20E3}';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() || matches!(c, '#' | '*') {
            if chars.peek() == Some(&'\u{FE0F}') {
                chars.next();
            }
            if chars.next() != Some(KEYCAP) {
                return false;
            }
        } else if !(c.is_whitespace() || c.is_emoji_char_or_emoji_component()) {
            return false;
        }
    }
    true
}
