//! What happens at a time of the show, in the playlists and in their deltas.

use std::time::Duration;

use super::{AUDIO, SHOWTIME, VIDEO, at, config, parsed::Parsed};
use crate::{
    AttributeValue, DateRange, DateRangeSpec, HandleError, Independence, Input, Live, Output,
    Settings, Skip, WallTime,
    limits::DATE_RANGES_MAX,
    render::{Form, media_playlist},
};

fn range(id: &str, second: u64, seconds: Option<u64>) -> DateRange {
    DateRange::new(&DateRangeSpec {
        id: id.to_owned(),
        class: Some("org.example.goal".into()),
        start: WallTime(SHOWTIME.0 + second * 1000),
        duration: seconds.map(Duration::from_secs),
        attributes: vec![("X-BY".into(), AttributeValue::Text("Ada".into()))],
    })
    .unwrap()
}

/// A show of segments of two parts of 1 s, by default with deltas.
struct Show {
    live: Live,
    second: u64,
}

impl Show {
    fn new() -> Self {
        let live = Live::new(config(Settings::default()), SHOWTIME);
        Self { live, second: 0 }
    }

    fn publish(&mut self, until: u64) {
        for second in self.second..until {
            let now = at((second + 1) * 1000);
            for rendition in [VIDEO, AUDIO] {
                let part = Input::Part {
                    rendition,
                    start: Duration::from_secs(second),
                    duration: Duration::from_secs(1),
                    independence: Independence::Independent,
                };
                self.live.handle(now, part).unwrap();
                if second % 2 == 1 {
                    self.live
                        .handle(now, Input::SegmentEnd { rendition })
                        .unwrap();
                }
            }
            while self.live.poll_output().is_some() {}
        }
        self.second = until;
    }

    fn announce(&mut self, range: DateRange) -> Result<(), HandleError> {
        self.live
            .handle(at(self.second * 1000), Input::Announce(range))
    }

    fn read(&self, skip: Skip) -> Parsed {
        let snapshot = self.live.snapshot(VIDEO).unwrap();
        Parsed::read(&media_playlist(snapshot, Form::of(snapshot, skip)))
    }
}

#[test]
fn an_announcement_is_appended_to_every_playlist_at_once() {
    let mut show = Show::new();
    show.publish(4);
    show.announce(range("between two segments", 3, Some(0)))
        .unwrap();
    let woken: Vec<_> = std::iter::from_fn(|| show.live.poll_output()).collect();
    assert_eq!(
        woken,
        [VIDEO, AUDIO].map(|rendition| Output::Changed { rendition })
    );
    show.publish(5);
    show.announce(range("in a segment", 5, None)).unwrap();
    show.announce(range("ahead", 90, Some(5))).unwrap();
    show.publish(7);
    insta::assert_snapshot!(media_playlist(
        show.live.snapshot(VIDEO).unwrap(),
        Form::Whole
    ));
    let ids = |rendition| {
        let snapshot = show.live.snapshot(rendition).unwrap();
        Parsed::read(&media_playlist(snapshot, Form::Whole)).ranges
    };
    assert_eq!(ids(VIDEO), ids(AUDIO));
}

#[test]
fn a_range_stays_while_any_of_it_is_in_the_window() {
    let mut show = Show::new();
    show.publish(4);
    show.announce(range("moment", 3, Some(0))).unwrap();
    show.announce(range("long", 3, Some(30))).unwrap();
    show.publish(62);
    assert_eq!(show.read(Skip::Nothing).ranges, ["moment", "long"]);
    // The window of 60 s now begins at 4 s.
    show.publish(64);
    assert_eq!(show.read(Skip::Nothing).ranges, ["long"]);
    show.publish(96);
    assert_eq!(show.read(Skip::Nothing).ranges, Vec::<String>::new());
}

#[test]
fn a_delta_leaves_out_old_ranges_and_names_the_ones_that_went() {
    let mut show = Show::new();
    show.publish(10);
    show.announce(range("old", 10, Some(0))).unwrap();
    show.publish(30);
    show.announce(range("young", 30, Some(0))).unwrap();
    show.publish(44);
    let v1 = show.read(Skip::Segments);
    assert_eq!((v1.version, v1.skipped), (9, Some((3, None))));
    let v2 = show.read(Skip::SegmentsAndRanges);
    assert_eq!(
        (v2.version, v2.skipped),
        (9, Some((3, Some(String::new()))))
    );
    assert_eq!(v2.ranges, ["old", "young"]);
    // Announced more than six target durations ago, less the part that a request may be late.
    show.publish(46);
    let v2 = show.read(Skip::SegmentsAndRanges);
    assert_eq!((v2.version, v2.ranges), (10, vec!["young".to_owned()]));
    assert_eq!(show.read(Skip::Segments).ranges, ["old", "young"]);
    // Gone from the window at 72 s: told for six target durations.
    show.publish(72);
    let removed = |show: &Show| show.read(Skip::SegmentsAndRanges).skipped.unwrap().1;
    assert_eq!(removed(&show).as_deref(), Some("old"));
    show.publish(92);
    assert_eq!(removed(&show).as_deref(), Some("old\tyoung"));
    show.publish(109);
    assert_eq!(removed(&show).as_deref(), Some("young"));
}

#[test]
fn announcements_that_no_playlist_can_take() {
    let mut show = Show::new();
    show.publish(4);
    show.announce(range("a", 3, Some(0))).unwrap();
    assert_eq!(
        show.announce(range("a", 3, Some(0))),
        Err(HandleError::RangeIdUsed)
    );
    show.publish(80);
    assert_eq!(
        show.announce(range("a", 80, Some(0))),
        Err(HandleError::RangeIdUsed),
        "not even when it is gone"
    );
    assert_eq!(
        show.announce(range("b", 3, Some(0))),
        Err(HandleError::RangeOver)
    );
    for count in 0..DATE_RANGES_MAX {
        show.announce(range(&format!("many {count}"), 80, Some(0)))
            .unwrap();
    }
    assert_eq!(
        show.announce(range("c", 80, Some(0))),
        Err(HandleError::TooManyRanges)
    );
    show.live.handle(at(80_000), Input::End).unwrap();
    assert_eq!(
        show.announce(range("d", 80, Some(0))),
        Err(HandleError::Ended)
    );
}
