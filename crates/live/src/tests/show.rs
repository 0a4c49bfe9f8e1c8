//! A show from its first keyframe to its last, through cutter and playlists, as text.

use std::time::Duration;

use super::{AUDIO, SHOWTIME, VIDEO, at, config};
use crate::{
    Input, Live, Output, RenditionId, Settings, WallTime,
    cut::{Cutter, Decision, Sample, Sync},
    render::{Form, media_playlist},
};

/// The shell without its bytes: a publisher at 30 pictures a second with a keyframe every two seconds.
struct Show {
    live: Live,
    cutter: Cutter,
    /// Media time of the present publisher, milliseconds; both renditions have been sent up to here.
    sent: u64,
    now: u64,
}

impl Show {
    fn new(settings: Settings) -> Self {
        let config = config(settings);
        let cutter = Cutter::new(&config);
        Self {
            live: Live::new(config, SHOWTIME),
            cutter,
            sent: 0,
            now: 0,
        }
    }

    fn publish(&mut self, millis: u64) {
        let until = self.sent + millis;
        for tick in self.sent..until {
            self.now += 1;
            // A sample is sent in the first millisecond at or past its time.
            if (tick * 30) % 1000 < 30 {
                let count = tick * 30 / 1000;
                let sync = if count.is_multiple_of(60) {
                    Sync::Sync
                } else {
                    Sync::Delta
                };
                self.send(Sample {
                    rendition: VIDEO,
                    dts: count * 3000,
                    duration: 3000,
                    sync,
                });
            }
            if (tick * 48) % 1024 < 48 {
                let dts = tick * 48 / 1024 * 1024;
                self.send(Sample {
                    rendition: AUDIO,
                    dts,
                    duration: 1024,
                    sync: Sync::Sync,
                });
            }
        }
        self.sent = until;
    }

    fn send(&mut self, sample: Sample) {
        self.cutter.handle(sample).unwrap();
        while let Some(decision) = self.cutter.poll_output() {
            self.obey(decision);
        }
    }

    fn obey(&mut self, decision: Decision) {
        self.handle(match decision {
            Decision::Part {
                rendition,
                start,
                duration,
                independence,
                ..
            } => Input::Part {
                rendition,
                start,
                duration,
                independence,
            },
            Decision::SegmentEnd { rendition } => Input::SegmentEnd { rendition },
        });
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.live.handle(at(self.now), input).unwrap();
        std::iter::from_fn(|| self.live.poll_output()).collect()
    }

    fn lose_publisher(&mut self) {
        let cutter = std::mem::replace(&mut self.cutter, Cutter::new(self.live.config()));
        cutter.finish().for_each(|decision| self.obey(decision));
        self.handle(Input::Lost);
        self.sent = 0;
    }

    fn text(&self, rendition: RenditionId) -> String {
        media_playlist(self.live.snapshot(rendition).unwrap(), Form::Whole)
    }
}

#[test]
fn the_first_parts_stand_in_a_playlist_of_no_segment() {
    let mut show = Show::new(Settings::default());
    show.publish(1500);
    assert!(!show.live.ready());
    insta::assert_snapshot!(show.text(VIDEO));
}

#[test]
fn a_running_show_lists_its_window_and_the_parts_of_three_target_durations() {
    let mut show = Show::new(Settings::default());
    show.publish(75_300);
    assert!(show.live.ready());
    insta::assert_snapshot!("running_video", show.text(VIDEO));
    insta::assert_snapshot!("running_audio", show.text(AUDIO));
}

#[test]
fn fast_parts() {
    let part_target = Duration::from_millis(500);
    let mut show = Show::new(Settings {
        part_target,
        ..Settings::default()
    });
    show.publish(5200);
    insta::assert_snapshot!(show.text(VIDEO));
}

#[test]
fn a_publisher_that_returns_with_other_settings_begins_after_one_discontinuity() {
    let mut show = Show::new(Settings::default());
    show.publish(4500);
    show.lose_publisher();
    insta::assert_snapshot!("away_video", show.text(VIDEO));
    show.now += 8000;
    let anchor = WallTime(SHOWTIME.0 + show.now);
    show.handle(Input::Returned {
        anchor,
        new_init: vec![VIDEO],
    });
    insta::assert_snapshot!("returned_before_its_first_part", show.text(VIDEO));
    show.publish(3300);
    insta::assert_snapshot!("returned_video", show.text(VIDEO));
    insta::assert_snapshot!("returned_audio", show.text(AUDIO));
}

#[test]
fn an_ended_show_says_so_and_is_forgotten_in_time() {
    let mut show = Show::new(Settings::default());
    show.publish(4500);
    show.lose_publisher();
    let outputs = show.handle(Input::End);
    assert_eq!(
        outputs,
        [
            Output::Changed { rendition: VIDEO },
            Output::Changed { rendition: AUDIO },
            Output::Ended
        ]
    );
    insta::assert_snapshot!(show.text(VIDEO));
    let (due, reason) = show.live.poll_timeout().unwrap();
    assert_eq!(reason, crate::Reason::Finish);
    assert_eq!(
        due,
        at(show.now + 2 * 18_000),
        "three target durations for the playlist, and again for its media"
    );
    show.now = u64::try_from(due.0.as_millis()).unwrap();
    assert_eq!(show.handle(Input::Timeout), [Output::Finished]);
    assert_eq!(show.live.poll_timeout(), None);
}
