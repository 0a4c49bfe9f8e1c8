//! The scripts that the log is written and read with: their keys, their arguments and their answers.

use std::sync::Arc;

use ::redis::{Cmd, Script, cmd};
use fanwave_room::{limits::DUPLICATE_WINDOW, sequence::Repeat};
use fanwave_store::{Kind, Order, Page, Standing};
use fanwave_wire::{
    Body, Channel, Epoch, Event, Lane, Offset, Publication, UnixMillis,
    envelope::{Batch, Record},
};

use crate::shared::{Appended, BrokerError, Extract, Placed};

/// The three scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    append: Lua,
    read: Lua,
    renew: Lua,
}

/// A script, and the hash that Redis knows it by.
#[derive(Debug)]
struct Lua {
    code: &'static str,
    hash: String,
}

impl Lua {
    fn new(code: &'static str) -> Self {
        let hash = Script::new(code).get_hash().to_owned();
        Self { code, hash }
    }
}

/// The names of a channel's keys.
pub(super) struct Keys<'a> {
    pub(super) tag: u32,
    pub(super) channel: &'a Channel,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            append: Lua::new(include_str!("append.lua")),
            read: Lua::new(include_str!("read.lua")),
            renew: Lua::new(include_str!("renew.lua")),
        }
    }

    /// What makes a server know them.
    pub(super) fn load(&self) -> [Cmd; 3] {
        [&self.append, &self.read, &self.renew].map(|script| {
            let mut command = cmd("SCRIPT");
            command.arg("LOAD").arg(script.code);
            command
        })
    }

    pub(super) fn append(
        &self,
        keys: &Keys<'_>,
        known: &Standing,
        log_messages: u64,
        records: &[Record],
    ) -> Cmd {
        let mut command = evaluate(&self.append, 8);
        command
            .arg(keys.standing())
            .arg(keys.log())
            .arg(keys.events());
        command.arg(keys.of(Lane::Chat).log());
        let window = Window::at(keys.channel.lane, records);
        for name in window.names {
            command.arg(keys.ids(name));
        }
        command.arg(place(keys.tag));
        command
            .arg(fresh_epoch())
            .arg(&*known.epoch.0)
            .arg(known.head.0);
        command.arg(log_messages).arg(window.kept_ms);
        command.arg(Batch::opening(keys.channel));
        for record in records {
            let user = &record.draft.sender.user.0;
            command.arg(format!("{user}\0{}", record.draft.id.0));
            command.arg(&**user).arg(record.at.0);
            command.arg(effect(keys.channel.lane, &record.draft.body));
            command.arg(Batch::framed(&record.encode()));
        }
        command
    }

    pub(super) fn read(&self, keys: &Keys<'_>, page: Page) -> Cmd {
        let mut command = evaluate(&self.read, 2);
        command.arg(keys.standing()).arg(match page.kind {
            Kind::Everything => keys.log(),
            Kind::Events => keys.events(),
        });
        command.arg(fresh_epoch());
        command
            .arg(page.after.0.saturating_add(1))
            .arg(page.through.0);
        command.arg(page.limit);
        command.arg(u8::from(page.order == Order::NewestFirst));
        command
    }

    pub(super) fn renew(&self, keys: &Keys<'_>, lost: &Epoch) -> Cmd {
        let mut command = evaluate(&self.renew, 1);
        command
            .arg(keys.standing())
            .arg(&*lost.0)
            .arg(fresh_epoch());
        command
    }
}

impl Keys<'_> {
    fn standing(&self) -> String {
        self.name("standing")
    }

    fn log(&self) -> String {
        self.name("log")
    }

    fn events(&self) -> String {
        self.name("events")
    }

    fn ids(&self, window: u64) -> String {
        self.name(&format!("ids:{window}"))
    }

    fn of(&self, lane: Lane) -> KeysOf {
        KeysOf {
            tag: self.tag,
            channel: Channel {
                lane,
                room: self.channel.room.clone(),
            },
        }
    }

    /// Rooms have no braces in their names, so the tag is the first there is.
    fn name(&self, what: &str) -> String {
        format!("fanwave:{{{}}}:{}:{what}", self.tag, self.channel)
    }
}

/// The same of another lane of the room.
struct KeysOf {
    tag: u32,
    channel: Channel,
}

impl KeysOf {
    fn log(&self) -> String {
        let Self { tag, channel } = self;
        Keys { tag: *tag, channel }.log()
    }
}

/// Where the appends to a partition are told.
pub(super) fn place(tag: u32) -> String {
    format!("fanwave:{{{tag}}}")
}

/// Where servers tell about themselves: beside the place of the partition with this tag, and so at the same server.
pub(super) fn hearsay_place(tag: u32) -> String {
    format!("{}:hearsay", place(tag))
}

/// The partition's tag, of where something was told.
pub(super) fn tag_of(place: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(place).ok()?;
    let tag = text.strip_prefix("fanwave:{")?.strip_suffix('}')?;
    tag.parse().ok()
}

fn evaluate(script: &Lua, keys: usize) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(&script.hash).arg(keys);
    command
}

/// The sets of client message ids that an append looks into: of the chat lane three spans of time, so that each is
/// forgotten as a whole; of the others one that is never forgotten, because a vote counts once for ever.
struct Window {
    /// The one that is written first.
    names: [u64; 3],
    kept_ms: u128,
}

impl Window {
    fn at(lane: Lane, records: &[Record]) -> Self {
        if lane != Lane::Chat {
            return Self {
                names: [0; 3],
                kept_ms: 0,
            };
        }
        let span_ms = u64::try_from(DUPLICATE_WINDOW.as_millis()).unwrap_or(u64::MAX);
        let newest = records.iter().map(|record| record.at.0).max();
        let span = newest.unwrap_or(0) / span_ms + 1;
        Self {
            // The next one, too: the clock of another server may be ahead.
            names: [span, span - 1, span + 1],
            kept_ms: 3 * DUPLICATE_WINDOW.as_millis(),
        }
    }
}

/// What a record does beside being said: nothing, being an event, or deleting from the room's chat lane.
fn effect(lane: Lane, body: &Body) -> String {
    let Body::Event(event) = body else {
        return String::new();
    };
    match &**event {
        Event::Deleted { offset } if lane == Lane::Room => format!("d{}", offset.0),
        Event::Cleared { user, through } if lane == Lane::Room => {
            format!("c{}:{}", through.0, user.0)
        }
        _ => "e".to_owned(),
    }
}

/// A name for a run of offsets that nobody has used.
fn fresh_epoch() -> String {
    let mut random = [0_u8; 16];
    // Without a random source, the clock and the process are as good a name as there is.
    if getrandom::fill(&mut random).is_err() {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.unwrap_or_default().as_nanos() ^ u128::from(std::process::id());
        random = nanos.to_be_bytes();
    }
    format!("{:032x}", u128::from_be_bytes(random))
}

/// Reads what an append has answered.
pub(super) fn appended(answer: &[String]) -> Result<Appended, BrokerError> {
    let (first, rest) = answer.split_first().ok_or_else(strange)?;
    if first == "lost" {
        return Ok(Appended::Lost);
    }
    let placed: Result<Vec<Placed>, BrokerError> = rest.iter().map(|text| placed(text)).collect();
    Ok(Appended::Stored {
        epoch: Epoch(first.as_str().into()),
        placed: placed?,
    })
}

fn placed(text: &str) -> Result<Placed, BrokerError> {
    let mut parts = text.split(':');
    let mut number = || parts.next()?.parse().ok();
    let (offset, at, again): (Option<u64>, Option<u64>, Option<u64>) =
        (number(), number(), number());
    match (offset, at, again) {
        (Some(offset), Some(at), Some(again)) => Ok(Placed {
            offset: Offset(offset),
            at: UnixMillis(at),
            repeat: if again == 0 {
                Repeat::First
            } else {
                Repeat::Again
            },
        }),
        _ => Err(strange()),
    }
}

/// Reads what a read has answered.
pub(super) fn extract(answer: &[Vec<u8>]) -> Result<Extract, BrokerError> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| strange());
    let [epoch, head, entries @ ..] = answer else {
        return Err(strange());
    };
    let standing = Standing {
        epoch: Epoch(text(epoch)?.into()),
        head: Offset(text(head)?.parse().map_err(|_| strange())?),
    };
    let (entries, []) = entries.as_chunks() else {
        return Err(strange());
    };
    let publications = entries.iter().map(|[id, record]| {
        let id = text(id)?;
        let offset = id.split('-').next().and_then(|offset| offset.parse().ok());
        let record = Record::decode(record).map_err(|error| BrokerError::Unreadable {
            reason: error.to_string(),
        })?;
        let offset = Offset(offset.ok_or_else(strange)?);
        Ok(Arc::new(record.at_offset(offset)))
    });
    let publications: Result<Vec<Arc<Publication>>, BrokerError> = publications.collect();
    Ok(Extract {
        standing,
        publications: publications?,
    })
}

/// Somebody else writes to our keys, or a release that has other scripts.
fn strange() -> BrokerError {
    BrokerError::Unreadable {
        reason: "a key of Redis has another form than this release gives it".to_owned(),
    }
}
