//! What is on and what comes next, in memory: everybody who opens a page asks for it, and nobody's question is a database's.
//!
//! The root has it [`refresh`](Board::refresh)ed every [`BOARD_EVERY`](crate::limits::BOARD_EVERY), whoever changes a show here at
//! once. While the catalogue is away, it shows what it has shown last.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanwave_store::catalogue::{Catalogue, CatalogueError, Show, ShowState};

/// See the module.
#[derive(Debug, Default)]
pub struct Board(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    /// How often the catalogue was asked.
    asked: u64,
    /// Which of these questions was answered by what is shown.
    shown: u64,
    channels: HashMap<String, Pair>,
}

/// Of one channel.
#[derive(Debug, Default, Clone)]
pub(crate) struct Pair {
    /// The show that is on.
    pub(crate) live: Option<Arc<Show>>,
    /// The one that comes next.
    pub(crate) next: Option<Arc<Show>>,
}

impl Board {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what there is to show now, in milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    ///
    /// The catalogue does not answer; what was shown stays.
    pub async fn refresh(&self, catalogue: &Catalogue, now: i64) -> Result<(), CatalogueError> {
        let question = {
            let mut shelf = self.shelf();
            shelf.asked += 1;
            shelf.asked
        };
        let shows = catalogue.shows_on_board(now).await?;
        self.put(question, shows);
        Ok(())
    }

    /// Puts an answer up, unless that of a later question is there already.
    fn put(&self, question: u64, shows: Vec<Show>) {
        let mut channels = HashMap::<String, Pair>::new();
        for show in shows {
            let pair = channels.entry(show.channel.clone()).or_default();
            match show.state {
                ShowState::Live => pair.live = Some(Arc::new(show)),
                ShowState::Scheduled => pair.next = Some(Arc::new(show)),
                ShowState::Ended | ShowState::Cancelled => {}
            }
        }
        let mut shelf = self.shelf();
        if question > shelf.shown {
            shelf.shown = question;
            shelf.channels = channels;
        }
    }

    /// What a channel has.
    pub(crate) fn of(&self, channel: &str, now: i64) -> Pair {
        let pair = self.shelf().channels.get(channel).cloned();
        let Pair { live, next } = pair.unwrap_or_default();
        Pair {
            live,
            // It may be long since the catalogue has answered.
            next: next.filter(|show| show.ends_at > now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(id: &str, state: ShowState) -> Show {
        Show {
            id: id.into(),
            channel: "demo".into(),
            title: "Late show".into(),
            artist: "Mina".into(),
            languages: Vec::new(),
            home_region: None,
            state,
            starts_at: 10,
            ends_at: 20,
            started_at: None,
            ended_at: None,
            created_at: 0,
            version: 1,
        }
    }

    #[test]
    fn an_answer_that_comes_late_takes_nothing_back() {
        let board = Board::default();
        let shown = |now| {
            let Pair { live, next } = board.of("demo", now);
            [live, next].map(|show| show.map(|show| show.id.clone()))
        };
        assert_eq!(shown(0), [None, None]);
        let both = vec![
            show("w-1", ShowState::Live),
            show("w-2", ShowState::Scheduled),
        ];
        board.put(2, both);
        board.put(1, vec![show("w-1", ShowState::Scheduled)]);
        assert_eq!(shown(19), [Some("w-1".into()), Some("w-2".into())]);
        assert_eq!(shown(20), [Some("w-1".into()), None]);
        assert!(board.of("other", 0).live.is_none());
        board.put(3, Vec::new());
        assert_eq!(shown(0), [None, None]);
    }
}
