//! `publish` and the calls by RPC: a fan asks something of a room.
//!
//! What cannot be asked at all is refused here; everything else is the room's to judge, and the engine's to store. The
//! answer comes when the message is durable. A failure of the engine is told as temporary: the same command under the
//! same message id may be sent again and is one message.

use std::time::Duration;

use fanwave_room::machine::{Act, Refusal, Say};
use fanwave_wire::{
    Call as RoomCall, CallError, Channel, ClientMessageId, RoomId, UserId,
    call::Languages,
    protocol::{
        ClientMessage, ErrorCode, ErrorReply, PresencePage, PublishRequest, PublishResult,
        Response, RpcRequest, SendCall, SendResult,
    },
};

use crate::{
    desk::{Outcome, Request},
    engine_calls::{Asked, Call, ReplyForm},
    reactor::{
        Reactor,
        deliver::explain,
        feed::{Choice, FeedKind},
    },
};

impl Reactor {
    /// The protocol's own `publish`.
    pub(super) fn handle_publish(&mut self, index: usize, id: u32, request: &PublishRequest) {
        let Some(channel) = self.parse_channel(id, &request.channel) else {
            return;
        };
        match ClientMessage::parse(request.data.as_deref()) {
            Ok(message) => self.say(index, id, ReplyForm::Publish, (channel, message)),
            Err(error) => {
                self.replies
                    .refuse_because(id, ErrorCode::BadRequest, &error.to_string());
            }
        }
    }

    /// A call of a room's method.
    pub(super) fn handle_rpc(&mut self, index: usize, id: u32, request: &RpcRequest) {
        let call = match RoomCall::parse(&request.method, request.data.as_deref()) {
            Ok(call) => call,
            Err(CallError::UnknownMethod) => {
                return self.replies.refuse(id, ErrorCode::MethodNotFound);
            }
            Err(error) => {
                let words = error.to_string();
                return self
                    .replies
                    .refuse_because(id, ErrorCode::BadRequest, &words);
            }
        };
        let identity = self
            .connections
            .get(index)
            .and_then(|connection| connection.identity.as_ref());
        let Some(identity) = identity else { return };
        let (sender, follows_since) = (identity.sender(), identity.follows_since());
        let (room, request) = match call {
            RoomCall::Send(SendCall { channel, message }) => {
                if let Some(channel) = self.parse_channel(id, &channel) {
                    self.say(index, id, ReplyForm::Rpc, (channel, message));
                }
                return;
            }
            RoomCall::Follow { room, languages } => {
                return self.handle_follow(index, id, (room, languages));
            }
            RoomCall::PresencePage { room, after, limit } => {
                return self.handle_presence_page(id, (room, after, limit));
            }
            RoomCall::Act { room, action } => {
                let act = Act {
                    sender,
                    follows_since,
                    id: self.new_message_id(),
                    action,
                };
                (room, Request::Act(Box::new(act)))
            }
            RoomCall::React { room, batch, taps } => (
                room,
                Request::React {
                    sender,
                    batch,
                    taps,
                },
            ),
            RoomCall::Vote { room, poll, choice } => (
                room,
                Request::Vote {
                    sender,
                    poll,
                    choice,
                },
            ),
        };
        self.ask(index, (id, ReplyForm::Rpc), room, request);
    }

    fn say(
        &mut self,
        index: usize,
        command: u32,
        form: ReplyForm,
        (channel, message): (Channel, ClientMessage),
    ) {
        let identity = self
            .connections
            .get(index)
            .and_then(|connection| connection.identity.as_ref());
        let Some(identity) = identity else { return };
        let (sender, follows_since) = (identity.sender(), identity.follows_since());
        let id = message.id.unwrap_or_else(|| self.new_message_id());
        let say = Say {
            lane: channel.lane,
            sender,
            follows_since,
            id,
            text: message.text.into(),
            reply_to: message.reply_to.map(Box::new),
            unpaced: false,
            held: false,
        };
        self.ask(
            index,
            (command, form),
            channel.room,
            Request::Say(Box::new(say)),
        );
    }

    /// Hands a request to its room, unless the node does not have the room or the connection asks too much at once.
    fn ask(
        &mut self,
        index: usize,
        (command, form): (u32, ReplyForm),
        room: RoomId,
        request: Request,
    ) {
        if !self.config.rooms.contains(&room) {
            return self.replies.refuse(command, ErrorCode::UnknownChannel);
        }
        if !self.has_room_for_call(index) {
            return self.replies.refuse(command, ErrorCode::TooManyRequests);
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let asked = Asked {
            by: connection.key(index),
            command,
        };
        self.call(index, asked, Call::Ask(asked, form, room, request));
    }

    /// An id for what came without one.
    fn new_message_id(&mut self) -> ClientMessageId {
        self.messages += 1;
        ClientMessageId(format!("{:016x}{:016x}", self.node, self.messages).into())
    }

    /// A room has answered a request.
    pub(crate) fn handle_outcome(&mut self, asked: Asked, form: ReplyForm, outcome: &Outcome) {
        let Some(index) = self.find_open(asked.by) else {
            return;
        };
        match (outcome, form) {
            (Outcome::Stored { ack, .. }, ReplyForm::Publish) => {
                let result = PublishResult {
                    offset: ack.offset,
                    epoch: &ack.epoch,
                };
                self.replies.reply(asked.command, Response::Publish(result));
            }
            (Outcome::Stored { id, ack }, ReplyForm::Rpc) => {
                let result = SendResult {
                    offset: ack.offset,
                    epoch: &ack.epoch,
                    at: ack.at,
                    id,
                    duplicate: ack.duplicate,
                };
                self.replies.reply(asked.command, Response::Sent(result));
            }
            // Held for review, or counted: there is nothing more to tell.
            (Outcome::Done, _) => self.replies.reply(asked.command, Response::Done),
            (Outcome::Refused(refusal), _) => self.refuse_politely(asked.command, *refusal),
            (Outcome::Declined(why), _) => {
                self.replies
                    .refuse_because(asked.command, ErrorCode::PermissionDenied, why);
            }
            (Outcome::Failed(error), _) => {
                self.replies
                    .refuse_because(asked.command, ErrorCode::Internal, explain(error));
            }
        }
        self.call_next(index);
        self.flush(index);
    }

    /// A room's refusal in the protocol's codes: what may pass by itself says when to come again.
    fn refuse_politely(&mut self, command: u32, refusal: Refusal) {
        let code = match refusal {
            Refusal::TooFast { .. } | Refusal::Busy { .. } => ErrorCode::TooManyRequests,
            Refusal::Empty | Refusal::NotFound => ErrorCode::BadRequest,
            Refusal::TooLong { .. } => ErrorCode::LimitExceeded,
            _ => ErrorCode::PermissionDenied,
        };
        let wait = refusal.retry_after(self.clock.unix);
        let words = match wait {
            Some(wait) => format!("{refusal}, try again in {} ms", wait_millis(wait)),
            None => refusal.to_string(),
        };
        let error = ErrorReply::with_message(code, &words);
        self.replies.reply(command, Response::Error(error));
    }

    /// Chooses the languages of a room's chat. What the fan has not been sent of the former choice is skipped.
    fn handle_follow(&mut self, index: usize, id: u32, (room, languages): (RoomId, Languages)) {
        let channel = Channel {
            lane: fanwave_wire::Lane::Chat,
            room,
        };
        let key = self.rooms_by_channel.get(&channel).copied();
        let at = key.and_then(|key| Some((key, self.subscription_of(index, key)?)));
        let Some((key, at)) = at else {
            let words = "subscribe to the chat first";
            return self
                .replies
                .refuse_because(id, ErrorCode::BadRequest, words);
        };
        self.flush(index);
        self.catch_reader_up(index, at);
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let kind = FeedKind {
            format: connection.format,
            choice: Choice::of_languages(languages),
        };
        if let Some(feed) = self.feed_key(key, kind) {
            self.change_feed(index, key, feed);
        }
        self.speak_to(index);
        self.replies.reply(id, Response::Done);
    }

    /// One page of who follows a room's chat on this node, and how many do on all of them.
    fn handle_presence_page(
        &mut self,
        id: u32,
        (room, after, limit): (RoomId, Option<UserId>, usize),
    ) {
        let Some(channel) = self.parse_channel(id, &format!("chat:{room}")) else {
            return;
        };
        let count = self.shared.stats(&channel).num_users;
        let presence = self.shared.presence();
        let page = presence
            .audience(&channel)
            .map(|audience| audience.page(after.as_ref(), limit));
        drop(presence);
        let (users, more) = page.map_or((Vec::new(), false), |page| {
            let users: Vec<UserId> = page.users.into_iter().map(|(user, _)| user).collect();
            (users, page.next.is_some())
        });
        let result = PresencePage {
            count: count as u64,
            users: &users,
            more,
        };
        self.replies.reply(id, Response::PresencePage(result));
    }
}

/// At least one: nobody is told to wait for nothing.
fn wait_millis(wait: Duration) -> u128 {
    wait.as_millis().max(1)
}
