use proptest::prelude::*;

use super::*;

const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

fn chat(text: &str) -> Attempt<'_> {
    Attempt {
        lane: Lane::Chat,
        role: Role::Fan,
        text,
    }
}

fn admitted(text: &str) -> Verdict {
    Verdict::Admit { text: text.into() }
}

fn judge(attempt: Attempt<'_>) -> Verdict {
    Gate::new().admit(NOON, &Rules::default(), attempt)
}

#[test]
fn only_the_artist_and_the_staff_write_to_the_lossless_lane() {
    let attempt = |lane, role| Attempt {
        lane,
        role,
        text: "hello",
    };
    assert_eq!(judge(attempt(Lane::Room, Role::Fan)), Verdict::NotAllowed);
    for role in [Role::Artist, Role::Staff] {
        assert_eq!(judge(attempt(Lane::Room, role)), admitted("hello"));
    }
    for role in [Role::Fan, Role::Artist, Role::Staff] {
        assert_eq!(judge(attempt(Lane::Chat, role)), admitted("hello"));
    }
}

#[test]
fn a_message_becomes_one_trimmed_line_without_controls() {
    assert_eq!(judge(chat("  사랑해요 \r\n")), admitted("사랑해요"));
    assert_eq!(
        judge(chat("one\ntwo\u{2028}three")),
        admitted("one two three")
    );
    assert_eq!(judge(chat("a\u{0}b\u{1b}[31mc\u{7f}")), admitted("ab[31mc"));
    assert_eq!(
        judge(chat("\u{202e}evil\u{202c} \u{2066}x\u{2069}")),
        admitted("evil x")
    );
    let family = "👩\u{200d}👩\u{200d}👧";
    assert_eq!(judge(chat(family)), admitted(family));
}

#[test]
fn what_cannot_be_seen_is_empty() {
    for text in [
        "",
        "  \n ",
        "\u{0}",
        "\u{200b}",
        "\u{3164}",
        " \u{2060}\u{feff} ",
        "\u{2800}",
    ] {
        assert_eq!(judge(chat(text)), Verdict::Empty, "{text:?}");
    }
}

#[test]
fn length_counts_characters_after_normalising() {
    let rules = Rules {
        text_chars_max: 3,
        ..Rules::default()
    };
    let judge = |text| Gate::new().admit(NOON, &rules, chat(text));
    assert_eq!(judge(" 最高だ "), admitted("最高だ"));
    assert_eq!(
        judge("最高だよ"),
        Verdict::TooLong {
            chars: 4,
            chars_max: 3
        }
    );
}

#[test]
fn a_refused_message_spends_nothing() {
    let mut gate = Gate::new();
    let rules = Rules {
        burst: NonZeroU32::MIN,
        ..Rules::default()
    };
    assert_eq!(gate.admit(NOON, &rules, chat(" ")), Verdict::Empty);
    assert_eq!(gate.admit(NOON, &rules, chat("now")), admitted("now"));
    let wait = Verdict::TooFast {
        retry_after: rules.refill,
    };
    assert_eq!(gate.admit(NOON, &rules, chat("again")), wait);
    assert_eq!(gate.admit(NOON, &rules, chat("again")), wait);
    let later = UnixMillis(NOON.0 + 1_000);
    assert_eq!(gate.admit(later, &rules, chat("again")), admitted("again"));
}

#[test]
fn a_clock_set_back_shuts_nobody_out_for_longer_than_one_refill() {
    let mut gate = Gate::new();
    let rules = Rules::default();
    for _ in 0..rules.burst.get() {
        assert_eq!(gate.admit(NOON, &rules, chat("hi")), admitted("hi"));
    }
    let an_hour_ago = UnixMillis(NOON.0 - 3_600_000);
    let verdict = gate.admit(an_hour_ago, &rules, chat("hi"));
    assert_eq!(
        verdict,
        Verdict::TooFast {
            retry_after: rules.refill
        }
    );
}

proptest! {
    /// The law of the limit: within any stretch of time no more passes than a burst and what was refilled in it.
    #[test]
    fn no_stretch_of_time_lets_through_more_than_burst_and_refill(
        burst in 1u32..8,
        refill_ms in 1u64..2_000,
        steps in prop::collection::vec(0u64..3_000, 1..80),
    ) {
        let rules = Rules {
            burst: NonZeroU32::new(burst).unwrap(),
            refill: Duration::from_millis(refill_ms),
            ..Rules::default()
        };
        let mut gate = Gate::new();
        let mut now = NOON;
        let mut passed = Vec::new();
        for step in steps {
            now = UnixMillis(now.0 + step);
            match gate.admit(now, &rules, chat("hi")) {
                Verdict::Admit { .. } => passed.push(now.0),
                Verdict::TooFast { retry_after } => {
                    prop_assert!(retry_after <= rules.refill && !retry_after.is_zero());
                    // The answer is honest: one millisecond earlier is too early, at that time it passes.
                    let ready = now.0 + u64::try_from(retry_after.as_millis()).unwrap();
                    let (mut early, mut there) = (gate, gate);
                    let refused = early.admit(UnixMillis(ready - 1), &rules, chat("hi"));
                    prop_assert!(matches!(refused, Verdict::TooFast { .. }), "{refused:?}");
                    prop_assert_eq!(there.admit(UnixMillis(ready), &rules, chat("hi")), admitted("hi"));
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        for (first, start) in passed.iter().enumerate() {
            for (last, end) in passed.iter().enumerate().skip(first) {
                let allowed = u64::from(burst) + (end - start) / refill_ms;
                prop_assert!((last - first + 1) as u64 <= allowed);
            }
        }
    }

    /// Whatever comes in, what is let through is visible, bounded, one line, and would be let through unchanged.
    #[test]
    fn what_is_admitted_is_in_its_final_form(text in any::<String>(), chars_max in 1usize..40) {
        let rules = Rules { text_chars_max: chars_max, ..Rules::default() };
        match Gate::new().admit(NOON, &rules, chat(&text)) {
            Verdict::Admit { text: first } => {
                prop_assert!(first.chars().count() <= chars_max);
                prop_assert!(!first.chars().any(char::is_control));
                prop_assert!(!first.chars().all(is_invisible));
                prop_assert_eq!(Gate::new().admit(NOON, &rules, chat(&first)), admitted(&first));
            }
            Verdict::Empty => prop_assert!(text.chars().all(|c| is_invisible(c) || c.is_control() || normalise(&c.to_string()).is_empty())),
            Verdict::TooLong { chars, .. } => prop_assert!(chars > chars_max && chars <= text.chars().count()),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
