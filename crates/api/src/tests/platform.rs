//! A platform of one server in memory: real rooms over a list, and what back ends and moderators show.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use fanwave_bus::limits::EVENTS_PAGE_MAX;
use fanwave_room::{
    machine::{Act, Answer as Waits, Input, Output, Room, Say, Settings, Standing, Ticket},
    moderation::Policy,
    presence::{Page, Presence, Stats},
};
use fanwave_wire::{Event, Lane};

use super::*;
use crate::keys::ApiKeys;

/// May do everything.
pub(super) const ALL: &str = "canary-key-for-everything";
/// May publish only.
pub(super) const PUBLISHER: &str = "canary-key-for-publishing";
/// May make tokens and read.
pub(super) const ISSUER: &str = "canary-key-for-tokens-and-reading";

#[derive(Default)]
pub(crate) struct Platform(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    lanes: BTreeMap<Channel, Vec<Arc<Publication>>>,
    /// Offsets given, which deleting does not give back.
    heads: BTreeMap<Channel, u64>,
    rooms: BTreeMap<RoomId, Room>,
    dismissed: Vec<Dismissal>,
    presence: Presence,
    /// The log refuses to write.
    broken: bool,
}

impl Platform {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn break_log(&self) {
        self.lock().broken = true;
    }

    pub(crate) fn mend_log(&self) {
        self.lock().broken = false;
    }

    pub(crate) fn dismissed(&self) -> Vec<Dismissal> {
        self.lock().dismissed.clone()
    }

    /// A connection follows the chat.
    pub(crate) fn join(&self, user: &str) {
        let channel = "chat:demo".parse().unwrap();
        let _ = self.lock().presence.join(&channel, &UserId(user.into()));
    }

    pub(super) fn app(self: &Arc<Self>) -> Router {
        router(self.api())
    }

    pub(crate) fn api(self: &Arc<Self>) -> Api {
        let keys = format!(
            "all publish,moderate,read,tokens {ALL}\nshop publish {PUBLISHER}\nid tokens,read {ISSUER}\n"
        );
        let channel = |id: &str| ChannelInfo {
            id: id.parse().unwrap(),
            title: id.into(),
        };
        Api {
            accounts: None,
            webhooks: None,
            log: None,
            recorded: false,
            channels: vec![channel("demo"), channel("second")],
            part_target: Duration::from_millis(500),
            guest_ttl: Duration::from_secs(86_400),
            key: key(),
            keys: ApiKeys::parse(&keys).unwrap(),
            engine: Arc::clone(self) as Arc<dyn Engine>,
            rooms: Arc::clone(self) as Arc<dyn Rooms>,
            shows: Arc::new(Shows),
            library: Arc::new(TwoRecordings),
            nodes: Arc::new(TwoNodes),
            regions: Regions::default(),
            doors: doors(),
            prices: None,
            rates: RateLimits::default(),
            quality: quality::Quality::default(),
            now: || NOW,
        }
    }

    /// Asks with a key, and answers what came.
    pub(super) async fn ask(
        self: &Arc<Self>,
        shown: &str,
        (method, path): (&str, &str),
        body: Option<Value>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {shown}"));
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        call(self.app(), request.body(body).unwrap()).await
    }

    /// Asks with the key that may do everything.
    pub(crate) async fn post(self: &Arc<Self>, path: &str, body: Value) -> Answer {
        self.ask(ALL, ("POST", path), Some(body)).await
    }

    /// Reads with the key that may do everything.
    pub(crate) async fn get(self: &Arc<Self>, path: &str) -> Answer {
        self.ask(ALL, ("GET", path), None).await
    }
}

/// A person's token.
pub(crate) fn token(user: &str, role: Role) -> String {
    let sender = Sender::new(UserId(user.into()), user, role);
    let claims = Claims::new(sender, NOW, UnixMillis(NOW.0 + DAY_MS)).unwrap();
    key().issue(&claims)
}

impl Inner {
    fn head(&self, channel: &Channel) -> Offset {
        Offset(self.heads.get(channel).copied().unwrap_or_default())
    }

    fn history(&self, channel: &Channel, publications: Vec<Arc<Publication>>) -> History {
        History {
            epoch: Epoch("e1".into()),
            head: self.head(channel),
            publications,
        }
    }

    fn room(&mut self, id: &RoomId) -> &mut Room {
        let new = || Room::new(id, Settings::default());
        self.rooms.entry(id.clone()).or_insert_with(new)
    }

    fn append(&mut self, room: &RoomId, lane: Lane, draft: Draft) -> Result<Ack, EngineError> {
        if self.broken {
            return Err(EngineError::Busy);
        }
        let channel = Channel {
            lane,
            room: room.clone(),
        };
        let ack = |offset, duplicate| Ack {
            epoch: Epoch("e1".into()),
            offset,
            at: NOW,
            duplicate,
        };
        let known = self.lanes.entry(channel.clone()).or_default();
        let same = known.iter().find(|known| {
            known.draft.id == draft.id && known.draft.sender.user == draft.sender.user
        });
        if let Some(same) = same {
            return Ok(ack(same.offset, true));
        }
        let offset = self.head(&channel).next();
        self.heads.insert(channel.clone(), offset.0);
        if let Some(Event::Deleted { offset: gone }) = draft.body.as_event() {
            let chat = Channel {
                lane: Lane::Chat,
                room: room.clone(),
            };
            let chat = self.lanes.entry(chat).or_default();
            chat.retain(|said| said.offset != *gone);
        }
        let publication = Arc::new(Publication {
            offset,
            at: NOW,
            draft,
        });
        let known = self.lanes.entry(channel).or_default();
        known.push(Arc::clone(&publication));
        self.room(room)
            .handle(NOW, Input::Published { lane, publication });
        Ok(ack(offset, false))
    }

    fn ask(&mut self, room: &RoomId, input: Input) -> Result<Taken, RoomError> {
        self.room(room).handle(NOW, input);
        let mut answer = None;
        while let Some(output) = self.room(room).poll_output() {
            match output {
                Output::Publish(publish) => {
                    let id = publish.draft.id.clone();
                    let stored = self.append(room, publish.lane, publish.draft);
                    let stored = stored.map(|ack| match publish.answer {
                        Waits::Stored => Taken::Stored { id, ack },
                        Waits::Waits => Taken::Waits,
                    });
                    answer = Some(stored.map_err(RoomError::Failed));
                }
                Output::Refuse { refusal, .. } => answer = Some(Err(RoomError::Refused(refusal))),
                Output::Done { .. } => answer = Some(Ok(Taken::Waits)),
                _ => {}
            }
        }
        answer.expect("every request is answered")
    }
}

impl Rooms for Platform {
    fn say<'a>(&'a self, room: &'a RoomId, say: Say) -> BoxFuture<'a, Result<Taken, RoomError>> {
        let say = Input::Say {
            ticket: Ticket(1),
            say: Box::new(say),
        };
        Box::pin(async move { self.lock().ask(room, say) })
    }

    fn act<'a>(&'a self, room: &'a RoomId, act: Act) -> BoxFuture<'a, Result<Taken, RoomError>> {
        let act = Input::Act {
            ticket: Ticket(1),
            act: Box::new(act),
        };
        Box::pin(async move { self.lock().ask(room, act) })
    }

    fn rules<'a>(
        &'a self,
        room: &'a RoomId,
    ) -> BoxFuture<'a, Result<(Policy, Standing), EngineError>> {
        Box::pin(async move {
            let mut inner = self.lock();
            let room = inner.room(room);
            Ok((room.policy().clone(), room.standing()))
        })
    }

    fn catch_up<'a>(&'a self, _: &'a Channel, _: Offset) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }

    fn dismiss(&self, dismissal: Dismissal) -> BoxFuture<'_, Result<Ack, EngineError>> {
        Box::pin(async move {
            let mut inner = self.lock();
            if inner.broken {
                return Err(EngineError::Busy);
            }
            inner.dismissed.push(dismissal);
            Ok(Ack {
                epoch: Epoch("e1".into()),
                offset: Offset(1),
                at: NOW,
                duplicate: false,
            })
        })
    }

    fn followers(&self, channel: &Channel) -> Followers {
        let here = self.lock().presence.stats(channel);
        Followers {
            here,
            everywhere: Stats {
                num_clients: here.num_clients + 40,
                num_users: here.num_users + 30,
            },
        }
    }

    fn followers_page(&self, channel: &Channel, after: Option<&UserId>, limit: usize) -> Page {
        let inner = self.lock();
        let audience = inner.presence.audience(channel);
        audience.map_or_else(Page::default, |audience| audience.page(after, limit))
    }
}

impl Engine for Platform {
    fn attach(&self, _: Arc<dyn Sink>) {}

    fn subscribe<'a>(&'a self, _: &'a Channel) -> BoxFuture<'a, Result<Snapshot, EngineError>> {
        Box::pin(async { Err(EngineError::Stopping) })
    }

    fn unsubscribe<'a>(&'a self, _: &'a Channel) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }

    fn publish<'a>(&'a self, _: &'a Channel, _: Draft) -> BoxFuture<'a, Result<Ack, EngineError>> {
        Box::pin(async { Err(EngineError::Stopping) })
    }

    fn events<'a>(
        &'a self,
        channel: &'a Channel,
        after: Offset,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(async move {
            let inner = self.lock();
            let all = inner.lanes.get(channel).into_iter().flatten();
            let events = all
                .filter(|known| known.offset > after && known.draft.body.as_event().is_some())
                .take(EVENTS_PAGE_MAX);
            Ok(inner.history(channel, events.cloned().collect()))
        })
    }

    fn history<'a>(
        &'a self,
        channel: &'a Channel,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(async move {
            assert!(query.reverse, "the API reads back");
            let inner = self.lock();
            let all = inner.lanes.get(channel).into_iter().flatten().rev();
            let page = all
                .filter(|known| query.since.is_none_or(|before| known.offset < before))
                .take(query.limit);
            Ok(inner.history(channel, page.cloned().collect()))
        })
    }
}
