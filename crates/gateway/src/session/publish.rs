//! `publish` and RPC `send`: a fan says something.
//!
//! The gate answers at once whether the fan may; the engine answers, once the message is durable, where it is. A failure
//! of the engine is told as temporary: the same command under the same message id may be sent again and is one message.

use fanwave_bus::{Ack, EngineError};
use fanwave_room::admit::{Attempt, Verdict};
use fanwave_wire::{
    Body, Channel, ClientMessageId, Draft, Text,
    protocol::{
        ClientMessage, ErrorCode, PublishRequest, PublishResult, Response, RpcRequest, SendCall,
        SendResult,
    },
};

use crate::{
    engine_calls::{Asked, Call, PublishReply},
    reactor::{Reactor, deliver::explain},
};

/// Which of the two commands it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Publish,
    Send,
}

impl Reactor {
    /// The protocol's own `publish`.
    pub(super) fn handle_publish(&mut self, index: usize, id: u32, request: &PublishRequest) {
        let Some(channel) = self.parse_channel(id, &request.channel) else {
            return;
        };
        match ClientMessage::parse(request.data.as_deref()) {
            Ok(message) => self.say(index, id, Form::Publish, (channel, message)),
            Err(error) => {
                self.replies
                    .refuse_because(id, ErrorCode::BadRequest, &error.to_string());
            }
        }
    }

    /// RPC `send`: a publish whose answer says more.
    pub(super) fn handle_send(&mut self, index: usize, id: u32, request: &RpcRequest) {
        match SendCall::parse(request.data.as_deref()) {
            Ok(SendCall { channel, message }) => {
                let Some(channel) = self.parse_channel(id, &channel) else {
                    return;
                };
                self.say(index, id, Form::Send, (channel, message));
            }
            Err(error) => {
                self.replies
                    .refuse_because(id, ErrorCode::BadRequest, &error.to_string());
            }
        }
    }

    fn say(
        &mut self,
        index: usize,
        command: u32,
        form: Form,
        (channel, message): (Channel, ClientMessage),
    ) {
        if !self.has_room_for_call(index) {
            self.replies.refuse(command, ErrorCode::TooManyRequests);
            return;
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let Some(identity) = &connection.identity else {
            return;
        };
        let asked = Asked {
            by: connection.key(index),
            command,
        };
        let sender = identity.sender();
        let attempt = Attempt {
            lane: channel.lane,
            role: sender.role,
            text: &message.text,
        };
        let verdict =
            self.shared
                .users()
                .admit(self.clock.unix, &self.config.rules, &sender.user, attempt);
        let text = match verdict {
            Verdict::Admit { text } => text,
            refused => return self.refuse_message(command, &refused),
        };
        let message_id = message.id.unwrap_or_else(|| {
            self.messages += 1;
            ClientMessageId(format!("{:016x}{:016x}", self.node, self.messages).into())
        });
        let reply = match form {
            Form::Publish => PublishReply::Publish,
            Form::Send => PublishReply::Send(message_id.clone()),
        };
        let draft = Draft {
            id: message_id,
            sender,
            body: Body::Text(Text::plain(text)),
        };
        self.call(index, asked, Call::Publish(asked, reply, channel, draft));
    }

    fn refuse_message(&mut self, command: u32, verdict: &Verdict) {
        let (code, message) = match verdict {
            Verdict::Admit { .. } => return,
            Verdict::NotAllowed => (
                ErrorCode::PermissionDenied,
                "you may not write here".to_owned(),
            ),
            Verdict::Empty => (ErrorCode::BadRequest, "the message is empty".to_owned()),
            Verdict::TooLong { chars, chars_max } => {
                let message =
                    format!("a message has at most {chars_max} characters, this one has {chars}");
                (ErrorCode::LimitExceeded, message)
            }
            Verdict::TooFast { retry_after } => {
                let message = format!(
                    "too many messages, try again in {} ms",
                    retry_after.as_millis().max(1)
                );
                (ErrorCode::TooManyRequests, message)
            }
        };
        self.replies.refuse_because(command, code, &message);
    }

    /// The engine has answered a publish.
    pub(crate) fn handle_published(
        &mut self,
        asked: Asked,
        reply: &PublishReply,
        result: &Result<Ack, EngineError>,
    ) {
        if let Err(error) = result {
            // The engine tells the operator once; a line for every fan's message would fill the disk that is full.
            tracing::debug!(%error, "a message was not stored");
        }
        let Some(index) = self.find_open(asked.by) else {
            return;
        };
        match (result, reply) {
            (Ok(ack), PublishReply::Publish) => {
                let result = PublishResult {
                    offset: ack.offset,
                    epoch: &ack.epoch,
                };
                self.replies.reply(asked.command, Response::Publish(result));
            }
            (Ok(ack), PublishReply::Send(id)) => {
                let Ack {
                    offset,
                    epoch,
                    at,
                    duplicate,
                } = ack;
                let result = SendResult {
                    offset: *offset,
                    epoch,
                    at: *at,
                    id,
                    duplicate: *duplicate,
                };
                self.replies.reply(asked.command, Response::Sent(result));
            }
            (Err(error), _) => {
                self.replies
                    .refuse_because(asked.command, ErrorCode::Internal, explain(error));
            }
        }
        self.call_next(index);
        self.flush(index);
    }
}
