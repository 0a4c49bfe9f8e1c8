//! `history`: a page of a channel's log.
//!
//! A room that is open here answers from its recovery window whenever the page lies wholly within it: when a show
//! begins, everybody loads the newest page at once, and the log need not be read a hundred thousand times.

use std::sync::Arc;

use fanwave_bus::{EngineError, History, HistoryQuery};
use fanwave_room::recent::{Recent, Recovery};
use fanwave_wire::{
    Channel, Epoch, Offset, Publication,
    limits::HISTORY_PAGE_MAX,
    protocol::{ErrorCode, HistoryRequest, HistoryResult, Response},
};

use super::subscribe::reply_bytes;
use crate::{
    engine_calls::{Asked, Call},
    limits,
    reactor::{
        Reactor,
        deliver::explain,
        room::{OpenRoom, Refill},
    },
};

impl Reactor {
    /// A page of history.
    pub(super) fn handle_history_request(
        &mut self,
        index: usize,
        id: u32,
        request: &HistoryRequest,
    ) {
        let Some(channel) = self.parse_channel(id, &request.channel) else {
            return;
        };
        // "All that there are" is a page too: the client reads on from its end.
        let limit = usize::try_from(request.limit)
            .unwrap_or(HISTORY_PAGE_MAX)
            .min(HISTORY_PAGE_MAX);
        let since = request
            .since
            .as_ref()
            .map(|position| Offset(position.offset));
        let epoch = request
            .since
            .as_ref()
            .map(|position| position.epoch.as_str());
        let epoch = epoch
            .filter(|epoch| !epoch.is_empty())
            .map(|epoch| Epoch(epoch.into()));
        let query = HistoryQuery {
            since,
            limit,
            reverse: request.reverse,
        };
        // What a busy chat shows is a sample, or waits for its tick; its history is everything that was said.
        let head = self.calls.desk().head(&channel);
        if let Some(page) = self
            .open_room(&channel)
            .filter(|open| Some(open.recent.head()) == head)
            .and_then(|open| page_of(open, query))
        {
            self.reply_history(id, epoch.as_ref(), &page);
            return;
        }
        if !self.has_room_for_call(index) {
            self.replies.refuse(id, ErrorCode::TooManyRequests);
            return;
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let asked = Asked {
            by: connection.key(index),
            command: id,
        };
        self.call(index, asked, Call::History(asked, channel, query, epoch));
    }

    /// The engine has answered a history command.
    pub(crate) fn handle_history(
        &mut self,
        asked: Asked,
        epoch: Option<&Epoch>,
        result: Result<History, EngineError>,
    ) {
        let Some(index) = self.find_open(asked.by) else {
            return;
        };
        match result {
            Ok(history) => self.reply_history(asked.command, epoch, &history),
            Err(error) => {
                tracing::warn!(%error, "history could not be read");
                self.replies
                    .refuse_because(asked.command, ErrorCode::Internal, explain(&error));
            }
        }
        self.call_next(index);
        self.flush(index);
    }

    fn reply_history(&mut self, id: u32, epoch: Option<&Epoch>, history: &History) {
        if epoch.is_some_and(|epoch| *epoch != history.epoch) {
            self.replies.refuse(id, ErrorCode::UnrecoverablePosition);
            return;
        }
        let publications = within_reply(&history.publications);
        let result = HistoryResult {
            publications,
            epoch: &history.epoch,
            offset: history.head,
        };
        self.replies.reply(id, Response::History(result));
    }

    fn open_room(&self, channel: &Channel) -> Option<&OpenRoom> {
        let key = self.rooms_by_channel.get(channel)?;
        self.rooms.get(key.index())?.open()
    }
}

/// As many as one reply may hold; the client reads on from the last.
fn within_reply(publications: &[Arc<Publication>]) -> &[Arc<Publication>] {
    let mut bytes = 0;
    let fits = publications.iter().take_while(|publication| {
        bytes += reply_bytes(publication);
        bytes <= limits::REPLY_PUBLICATIONS_BYTES_MAX
    });
    &publications[..fits.count()]
}

/// The page, if the room's window holds all of it.
fn page_of(open: &OpenRoom, query: HistoryQuery) -> Option<History> {
    if open.refill != Refill::Idle || !open.recent.is_dense() {
        return None;
    }
    let recent = &open.recent;
    let publications = match (query.since, query.reverse) {
        (Some(since), false) => match recent.after(since) {
            Recovery::Recovered(missed) => missed.take(query.limit).cloned().collect(),
            Recovery::Unrecoverable => return None,
        },
        (None, true) => newest_first(recent, query.limit)?,
        (None, false) if recent.is_whole() => recent.all().take(query.limit).cloned().collect(),
        (None, false) | (Some(_), true) => return None,
    };
    Some(History {
        epoch: recent.epoch().clone(),
        head: recent.head(),
        publications,
    })
}

fn newest_first(recent: &Recent, limit: usize) -> Option<Vec<Arc<Publication>>> {
    let all = recent.all();
    (all.len() >= limit || recent.is_whole()).then(|| all.rev().take(limit).cloned().collect())
}

#[cfg(test)]
mod tests {
    use fanwave_bus::Snapshot;
    use fanwave_wire::{Body, ClientMessageId, Draft, Role, Sender, Text, UnixMillis, UserId};

    use super::*;

    fn publication(offset: u64, text: &str) -> Arc<Publication> {
        let sender = Sender {
            user: UserId("u".into()),
            name: "n".into(),
            role: Role::Fan,
            badge: None,
        };
        let draft = Draft {
            id: ClientMessageId("i".into()),
            sender,
            body: Body::Text(Text::plain(text)),
        };
        Arc::new(Publication {
            offset: Offset(offset),
            at: UnixMillis(0),
            draft,
        })
    }

    fn room(from: u64, to: u64) -> OpenRoom {
        let recent = (from..=to).map(|offset| publication(offset, "t")).collect();
        OpenRoom::new(Snapshot {
            epoch: Epoch("e".into()),
            head: Offset(to),
            floor: Offset(from - 1),
            recent,
        })
    }

    fn offsets(
        open: &OpenRoom,
        since: Option<u64>,
        limit: usize,
        reverse: bool,
    ) -> Option<Vec<u64>> {
        let page = page_of(
            open,
            HistoryQuery {
                since: since.map(Offset),
                limit,
                reverse,
            },
        )?;
        Some(
            page.publications
                .iter()
                .map(|publication| publication.offset.0)
                .collect(),
        )
    }

    #[test]
    fn the_window_answers_what_it_holds_wholly() {
        let part = room(11, 15);
        assert_eq!(offsets(&part, None, 3, true), Some(vec![15, 14, 13]));
        assert_eq!(
            offsets(&part, None, 6, true),
            None,
            "the sixth is only in the log"
        );
        assert_eq!(offsets(&part, Some(12), 2, false), Some(vec![13, 14]));
        assert_eq!(
            offsets(&part, Some(10), 9, false),
            Some(vec![11, 12, 13, 14, 15])
        );
        assert_eq!(offsets(&part, Some(9), 9, false), None);
        assert_eq!(
            offsets(&part, None, 2, false),
            None,
            "the oldest are only in the log"
        );
        assert_eq!(offsets(&part, Some(12), 2, true), None);
        let whole = room(1, 3);
        assert_eq!(offsets(&whole, None, 9, true), Some(vec![3, 2, 1]));
        assert_eq!(offsets(&whole, None, 2, false), Some(vec![1, 2]));
        assert_eq!(offsets(&whole, None, 0, false), Some(vec![]));
    }

    #[test]
    fn what_a_publication_takes_is_never_underestimated() {
        for text in [
            "plain",
            "사랑해 💜",
            "\"\\\n\u{1}\u{2028}\u{2029}\u{2027}€",
            "",
        ] {
            let publication = publication(u64::MAX, text);
            let mut encoded = Vec::new();
            fanwave_wire::protocol::publication::encode(&publication, &mut encoded);
            let estimate = reply_bytes(&publication);
            assert!(
                estimate >= encoded.len() && estimate < encoded.len() + 256,
                "{estimate} for {}",
                encoded.len()
            );
        }
    }

    #[test]
    fn a_page_is_cut_where_a_reply_is_full() {
        let long = "x".repeat(100_000);
        let page: Vec<_> = (1..=5).map(|offset| publication(offset, &long)).collect();
        assert_eq!(within_reply(&page).len(), 5);
        let long = "\"".repeat(100_000);
        let page: Vec<_> = (1..=5).map(|offset| publication(offset, &long)).collect();
        assert_eq!(within_reply(&page).len(), 2);
        assert_eq!(within_reply(&page[..1]).len(), 1);
    }
}
