//! When to ask a publisher for a keyframe. Browsers send one at the start, and after that only when they are asked.
//!
//! Pure: the caller says what time it is.

use tokio::time::Instant;

use std::time::Duration;

use crate::limits::WHIP_ASK_PAUSE;

/// Asks when a group of pictures gets too long, and when pictures are lost.
#[derive(Debug)]
pub(super) struct Asker {
    interval: Duration,
    /// When the newest keyframe came, or pictures began.
    since: Instant,
    /// When it was last asked.
    asked: Option<Instant>,
    /// Whether pictures were lost since the newest keyframe.
    has_loss: bool,
}

impl Asker {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            since: now,
            asked: None,
            has_loss: false,
        }
    }

    /// A picture came. One that does not follow the one before it is decoded with errors until the next keyframe.
    pub(super) fn saw(&mut self, now: Instant, is_keyframe: bool, follows: bool) {
        if is_keyframe {
            self.since = now;
            self.has_loss = false;
        } else if !follows {
            self.has_loss = true;
        }
    }

    /// When to ask next; never more often than every [`WHIP_ASK_PAUSE`].
    pub(super) fn due(&self) -> Instant {
        let wanted = if self.has_loss {
            self.since
        } else {
            self.since + self.interval
        };
        self.asked
            .map_or(wanted, |asked| wanted.max(asked + WHIP_ASK_PAUSE))
    }

    /// It was asked.
    pub(super) fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_when_a_group_gets_long_and_again_until_it_is_heard() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut asker = Asker::new(Duration::from_secs(2), start);
        assert_eq!(asker.due(), at(2_000));
        asker.saw(at(1_000), true, true);
        asker.saw(at(1_040), false, true);
        assert_eq!(asker.due(), at(3_000));
        asker.ask(at(3_000));
        assert_eq!(asker.due(), at(3_000) + WHIP_ASK_PAUSE);
        asker.saw(at(3_100), true, true);
        assert_eq!(asker.due(), at(5_100));
    }

    #[test]
    fn a_loss_is_asked_about_at_once_but_not_again_and_again() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut asker = Asker::new(Duration::from_secs(2), start);
        asker.saw(at(100), true, true);
        asker.saw(at(400), false, false);
        assert!(asker.due() <= at(400));
        asker.ask(at(400));
        asker.saw(at(440), false, false);
        assert_eq!(asker.due(), at(400) + WHIP_ASK_PAUSE);
        // A keyframe that itself follows a loss mends it.
        asker.saw(at(500), true, false);
        assert_eq!(asker.due(), at(2_500));
    }
}
