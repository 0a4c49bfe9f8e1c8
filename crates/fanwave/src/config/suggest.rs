//! The nearest name to a mistyped one.

use strsim::normalized_damerau_levenshtein;

/// Below this likeness (1.0 is equal) a suggestion would confuse more than it helps.
const LIKENESS_MIN: f64 = 0.6;

/// The candidate that is most like the word, if one is like it at all.
///
/// Names are compared whole and by what stands after the last separator, so that a right key in the wrong section is
/// found too; of two equally good ones the first wins.
pub fn nearest(word: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    let mut best: Option<(f64, String)> = None;
    for candidate in candidates {
        let likeness = likeness(word, &candidate);
        if likeness >= LIKENESS_MIN && best.as_ref().is_none_or(|(most, _)| likeness > *most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn likeness(word: &str, candidate: &str) -> f64 {
    let whole = normalized_damerau_levenshtein(word, candidate);
    let last = normalized_damerau_levenshtein(last_part(word), last_part(candidate));
    // A near name in another section counts a little less than one in the right section.
    whole.max(last - 0.1)
}

/// What stands after the last `.` of a key or `__` of a variable.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().and_then(|part| part.rsplit("__").next()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(word: &str) -> Option<String> {
        nearest(word, ["http.listen", "rtmp.listen", "live.part_target", "log.format"].map(str::to_owned))
    }

    #[test]
    fn a_slip_of_the_finger_is_found() {
        assert_eq!(among("http.listn").as_deref(), Some("http.listen"));
        assert_eq!(among("rtmp.lsiten").as_deref(), Some("rtmp.listen"));
    }

    #[test]
    fn the_right_key_in_the_wrong_section_is_found() {
        assert_eq!(among("http.part_target").as_deref(), Some("live.part_target"));
    }

    #[test]
    fn nothing_is_suggested_for_something_else() {
        assert_eq!(among("colour.of.the.sky"), None);
    }
}
