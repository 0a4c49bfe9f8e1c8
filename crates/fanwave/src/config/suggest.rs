//! The nearest name to a mistyped one.

use strsim::normalized_damerau_levenshtein;

/// Below this likeness (1.0 is equal) a suggestion would confuse more than it helps.
const LIKENESS_MIN: f64 = 0.6;

/// The candidate that is most like the word, if one is like it at all.
///
/// A right name in the wrong section is found too; of two equally good ones the first wins.
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
    let (section, name) = split(word);
    let (candidate_section, candidate_name) = split(candidate);
    let names = normalized_damerau_levenshtein(name, candidate_name);
    if section == candidate_section {
        return names;
    }
    // In another section a name counts a little less, and less still the less that section is like the written one.
    let sections = normalized_damerau_levenshtein(section, candidate_section);
    names - 0.1 - 0.1 * (1.0 - sections)
}

/// A key or variable as its section and its name: they meet at the last `.` or `__`.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.')
        .or_else(|| name.rsplit_once("__"))
        .unwrap_or(("", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(word: &str) -> Option<String> {
        nearest(
            word,
            [
                "http.listen",
                "rtmp.listen",
                "live.part_target",
                "log.format",
            ]
            .map(str::to_owned),
        )
    }

    #[test]
    fn a_slip_of_the_finger_is_found() {
        assert_eq!(among("http.listn").as_deref(), Some("http.listen"));
        assert_eq!(among("rtmp.lsiten").as_deref(), Some("rtmp.listen"));
    }

    #[test]
    fn the_right_key_in_the_wrong_section_is_found() {
        assert_eq!(
            among("http.part_target").as_deref(),
            Some("live.part_target")
        );
    }

    #[test]
    fn of_two_like_names_the_one_in_the_same_section_is_meant() {
        let both = ["FANWAVE__RTMP__LISTEN", "FANWAVE__HTTP__LISTEN"];
        for (word, meant) in [
            ("FANWAVE__HTTP__LISTN", "FANWAVE__HTTP__LISTEN"),
            ("FANWAVE__HTPP__LISTN", "FANWAVE__HTTP__LISTEN"),
            ("FANWAVE__RTMP__LISTN", "FANWAVE__RTMP__LISTEN"),
        ] {
            assert_eq!(
                nearest(word, both.map(str::to_owned)).as_deref(),
                Some(meant)
            );
        }
    }

    #[test]
    fn a_name_is_not_found_for_its_section_alone() {
        assert_eq!(among("http.zebra"), None);
    }

    #[test]
    fn nothing_is_suggested_for_something_else() {
        assert_eq!(among("colour.of.the.sky"), None);
    }
}
