//! Every promise, for many seeds.

use fanwave_sim::{Plan, Report, run};

/// A report in which every promise is kept, and in which there was something to keep.
fn kept(plan: &Plan) -> Report {
    let report = run(plan);
    assert_eq!(report.violations, Vec::<String>::new(), "{plan:?}");
    for (what, times) in [
        ("chat_stored", report.chat_stored),
        ("room_stored", report.room_stored),
        ("chat_shown", report.chat_shown),
        ("returns", report.returns),
        ("refused", report.refused),
        ("deleted", report.deleted),
        ("votes", report.votes),
        ("taps", report.taps),
    ] {
        assert!(times > 0, "{what}: {plan:?}");
    }
    report
}

#[test]
fn a_hundred_thousand_fans() {
    let report = kept(&Plan::mega(1));
    assert!(report.deliveries > 10_000_000, "{report:?}");
    assert!(report.chat_sampled_away > 100, "{report:?}");
}

#[test]
fn many_small_rooms() {
    for seed in 0..40 {
        kept(&Plan::of_seed(seed));
    }
}

#[test]
fn rooms_of_every_kind() {
    for seed in 100..110 {
        // One node; very lossy links; almost nobody writes; everybody does.
        let plan = Plan::of_seed(seed);
        kept(&Plan {
            nodes: 1,
            ..plan.clone()
        });
        kept(&Plan {
            nodes: 8,
            drops_per_mille: 300,
            ..plan.clone()
        });
        kept(&Plan {
            messages_per_second: 5,
            ..plan.clone()
        });
        kept(&Plan {
            fans: 2_000,
            messages_per_second: 400,
            ..plan
        });
    }
}

#[test]
fn the_same_seed_is_the_same_show() {
    let plan = Plan::of_seed(7);
    assert_eq!(run(&plan), run(&plan));
    assert_ne!(run(&plan).trace, run(&Plan::of_seed(8)).trace);
}
