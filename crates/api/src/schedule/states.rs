//! What may become of a show: a pure function of what it is.
//!
//! ```text
//! scheduled --start--> live --stop--> ended
//!     |                  ^              |
//!     |                  +----undo------+
//!     +--cancel--> cancelled           (undo also leads from live and from cancelled back to scheduled)
//! ```

use fanwave_store::catalogue::{
    Show,
    ShowState::{self, Cancelled, Ended, Live, Scheduled},
};

/// What somebody wants done with a show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Start,
    Stop,
    Cancel,
    /// Takes back the last of the others.
    Undo,
}

impl Act {
    /// In the audit log.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Start => "show.started",
            Self::Stop => "show.stopped",
            Self::Cancel => "show.cancelled",
            Self::Undo => "show.undone",
        }
    }

    /// What a show has to be for it.
    pub(super) const fn of(self) -> &'static str {
        match self {
            Self::Start | Self::Cancel => "only one that is scheduled can be",
            Self::Stop => "only one that is live can be",
            Self::Undo => "nothing was done with it that could be undone",
        }
    }
}

/// The show after an act; `None` if that cannot be done with it.
pub(super) fn after(show: &Show, act: Act, now: i64) -> Option<Show> {
    let (state, started_at, ended_at) = match (act, show.state) {
        (Act::Start, Scheduled) => (Live, Some(now), None),
        (Act::Stop, Live) => (Ended, show.started_at, Some(now)),
        (Act::Cancel, Scheduled) => (Cancelled, None, Some(now)),
        (Act::Undo, Live | Cancelled) => (Scheduled, None, None),
        (Act::Undo, Ended) => (Live, show.started_at, None),
        (Act::Start | Act::Cancel, Live | Ended | Cancelled)
        | (Act::Stop, Scheduled | Ended | Cancelled)
        | (Act::Undo, Scheduled) => return None,
    };
    Some(Show {
        state,
        started_at,
        ended_at,
        ..show.clone()
    })
}

/// Whether what was announced of a show may still be changed.
pub(super) const fn is_open(state: ShowState) -> bool {
    match state {
        Scheduled | Live => true,
        Ended | Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheduled() -> Show {
        Show {
            id: "w-1".into(),
            channel: "demo".into(),
            title: "Late show".into(),
            artist: "Mina".into(),
            languages: Vec::new(),
            home_region: None,
            state: Scheduled,
            starts_at: 10,
            ends_at: 20,
            started_at: None,
            ended_at: None,
            created_at: 0,
            version: 1,
        }
    }

    /// Every show that can come to be, with what led there.
    fn all() -> Vec<(Vec<Act>, Show)> {
        let mut found = vec![(Vec::new(), scheduled())];
        for depth in 0..6 {
            for (acts, show) in found.clone() {
                if acts.len() != depth {
                    continue;
                }
                for act in [Act::Start, Act::Stop, Act::Cancel, Act::Undo] {
                    if let Some(next) = after(&show, act, 100) {
                        found.push(([&*acts, &[act]].concat(), next));
                    }
                }
            }
        }
        found
    }

    #[test]
    fn the_times_say_what_the_state_says() {
        let all = all();
        assert!(all.len() > 50, "{}", all.len());
        for (acts, show) in all {
            let times = (show.started_at.is_some(), show.ended_at.is_some());
            let expected = match show.state {
                Scheduled => (false, false),
                Live => (true, false),
                Ended => (true, true),
                Cancelled => (false, true),
            };
            assert_eq!(times, expected, "{acts:?}");
        }
    }

    #[test]
    fn whatever_was_done_is_undone() {
        for (acts, show) in all() {
            for act in [Act::Start, Act::Stop, Act::Cancel] {
                if let Some(next) = after(&show, act, 100) {
                    assert_eq!(
                        after(&next, Act::Undo, 200).as_ref(),
                        Some(&show),
                        "{acts:?}"
                    );
                }
            }
        }
        assert_eq!(after(&scheduled(), Act::Undo, 100), None);
    }
}
