//! The arguments as clients write them, and the way from there to a [`Call`].

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Action, Call, CallError, LanguageSet, Languages};
use crate::{
    ClientMessageId, Language, Mode, Offset, ReportReason, RoomId, UserId,
    limits::{
        FOLLOWERS_MINUTES_MAX, GIFT_COUNT_MAX, GIFT_NAME_BYTES_MAX, GIFT_TEXT_CHARS_MAX,
        MESSAGE_TEXT_CHARS_MAX, PENALTY_SECONDS_MAX, POLL_CHOICE_CHARS_MAX, POLL_CHOICES_MAX,
        POLL_CHOICES_MIN, POLL_QUESTION_CHARS_MAX, POLL_SECONDS_MAX, PRESENCE_PAGE_MAX,
        REACTION_KINDS_MAX, SLOW_SECONDS_MAX, WORD_BYTES_MAX, WORDS_MAX,
    },
    protocol::{SendCall, parse_id, parse_object, parse_user},
};

/// Reads the argument of a method.
pub(super) fn parse(method: &str, data: Option<&RawValue>) -> Result<Call, CallError> {
    if method == SendCall::METHOD {
        return Ok(Call::Send(SendCall::parse(data)?));
    }
    let read = reader(method).ok_or(CallError::UnknownMethod)?;
    let RoomField { room } = parse_object(data)?;
    let room = room.parse().map_err(|_| CallError::Room)?;
    read(room, data)
}

/// What reads the argument of a method whose room is known already.
type Reader = fn(RoomId, Option<&RawValue>) -> Result<Call, CallError>;

fn reader(method: &str) -> Option<Reader> {
    Some(match method {
        "delete" => |room, data| act(room, data, DeleteFields::into_action),
        "clear" => |room, data| act(room, data, |f: UserFields| f.into_action(clear)),
        "pardon" => |room, data| act(room, data, |f: UserFields| f.into_action(pardon)),
        "mute" => |room, data| act(room, data, |f: PenaltyFields| f.into_action(mute)),
        "ban" => |room, data| act(room, data, |f: PenaltyFields| f.into_action(ban)),
        "mode" => |room, data| act(room, data, mode),
        "pin" => |room, data| act(room, data, PinFields::into_action),
        "unpin" => |room, data| act(room, data, UnpinFields::into_action),
        "gift" => |room, data| act(room, data, GiftFields::into_action),
        "poll.open" => |room, data| act(room, data, PollFields::into_action),
        "poll.close" => |room, data| act(room, data, PollCloseFields::into_action),
        "report" => |room, data| act(room, data, ReportFields::into_action),
        "reports.dismiss" => |room, data| act(room, data, DismissFields::into_action),
        "review" => |room, data| act(room, data, ReviewFields::into_action),
        "words" => |room, data| act(room, data, WordsFields::into_action),
        "vote" => vote,
        "react" => react,
        "follow" => follow,
        "presence.page" => presence_page,
        _ => return None,
    })
}

fn act<'de, F: Deserialize<'de>>(
    room: RoomId,
    data: Option<&'de RawValue>,
    into_action: impl FnOnce(F) -> Result<Action, CallError>,
) -> Result<Call, CallError> {
    let action = into_action(parse_object(data)?)?;
    Ok(Call::Act { room, action })
}

#[derive(Deserialize)]
struct RoomField {
    room: String,
}

#[derive(Deserialize)]
struct DeleteFields {
    offset: u64,
}

impl DeleteFields {
    fn into_action(self) -> Result<Action, CallError> {
        let offset = Offset(self.offset);
        Ok(Action::Delete { offset })
    }
}

#[derive(Deserialize)]
struct UserFields {
    user: String,
}

impl UserFields {
    fn into_action(self, action: fn(UserId) -> Action) -> Result<Action, CallError> {
        Ok(action(user(&self.user)?))
    }
}

fn clear(user: UserId) -> Action {
    Action::Clear { user }
}

fn pardon(user: UserId) -> Action {
    Action::Pardon { user }
}

#[derive(Deserialize)]
struct PenaltyFields {
    user: String,
    #[serde(default)]
    seconds: Option<u32>,
}

impl PenaltyFields {
    fn into_action(self, action: fn(UserId, Option<u32>) -> Action) -> Result<Action, CallError> {
        let seconds = within(self.seconds, PENALTY_SECONDS_MAX, CallError::Penalty)?;
        Ok(action(user(&self.user)?, seconds))
    }
}

fn mute(user: UserId, seconds: Option<u32>) -> Action {
    Action::Mute { user, seconds }
}

fn ban(user: UserId, seconds: Option<u32>) -> Action {
    Action::Ban { user, seconds }
}

fn mode(mode: Mode) -> Result<Action, CallError> {
    let legal = mode.slow_seconds <= SLOW_SECONDS_MAX
        && mode
            .followers_minutes
            .is_none_or(|minutes| minutes <= FOLLOWERS_MINUTES_MAX);
    if legal {
        Ok(Action::Mode(mode))
    } else {
        Err(CallError::Mode)
    }
}

#[derive(Deserialize)]
struct PinFields {
    #[serde(default)]
    id: Option<String>,
    text: String,
    #[serde(default)]
    offset: Option<u64>,
}

impl PinFields {
    fn into_action(self) -> Result<Action, CallError> {
        Ok(Action::Pin {
            id: own_id(self.id.as_deref())?,
            text: text(&self.text, MESSAGE_TEXT_CHARS_MAX).ok_or(CallError::Pin)?,
            offset: self.offset.map(Offset),
        })
    }
}

#[derive(Deserialize)]
struct UnpinFields {
    pin: String,
}

impl UnpinFields {
    fn into_action(self) -> Result<Action, CallError> {
        let pin = parse_id(&self.pin)?;
        Ok(Action::Unpin { pin })
    }
}

#[derive(Deserialize)]
struct GiftFields {
    #[serde(default)]
    id: Option<String>,
    gift: String,
    #[serde(default = "one")]
    count: u32,
    #[serde(default)]
    text: Option<String>,
}

fn one() -> u32 {
    1
}

impl GiftFields {
    fn into_action(self) -> Result<Action, CallError> {
        let named = self.gift.len() <= GIFT_NAME_BYTES_MAX && !self.gift.contains(char::is_control);
        let said = self
            .text
            .map(|said| text(&said, GIFT_TEXT_CHARS_MAX).ok_or(CallError::Gift));
        if !named || self.gift.is_empty() || !(1..=GIFT_COUNT_MAX).contains(&self.count) {
            return Err(CallError::Gift);
        }
        Ok(Action::Gift {
            id: own_id(self.id.as_deref())?,
            gift: self.gift.into(),
            count: self.count,
            text: said.transpose()?,
        })
    }
}

#[derive(Deserialize)]
struct PollFields {
    #[serde(default)]
    id: Option<String>,
    question: String,
    choices: Vec<String>,
    #[serde(default)]
    seconds: Option<u32>,
}

impl PollFields {
    fn into_action(self) -> Result<Action, CallError> {
        if !(POLL_CHOICES_MIN..=POLL_CHOICES_MAX).contains(&self.choices.len()) {
            return Err(CallError::Poll);
        }
        let choices = self
            .choices
            .iter()
            .map(|choice| text(choice, POLL_CHOICE_CHARS_MAX));
        Ok(Action::OpenPoll {
            id: own_id(self.id.as_deref())?,
            question: text(&self.question, POLL_QUESTION_CHARS_MAX).ok_or(CallError::Poll)?,
            choices: choices.collect::<Option<_>>().ok_or(CallError::Poll)?,
            seconds: within(self.seconds, POLL_SECONDS_MAX, CallError::Poll)?,
        })
    }
}

#[derive(Deserialize)]
struct PollCloseFields {
    poll: String,
}

impl PollCloseFields {
    fn into_action(self) -> Result<Action, CallError> {
        let poll = parse_id(&self.poll)?;
        Ok(Action::ClosePoll { poll })
    }
}

#[derive(Deserialize)]
struct ReportFields {
    offset: u64,
    reason: String,
}

impl ReportFields {
    fn into_action(self) -> Result<Action, CallError> {
        let mut reasons = ReportReason::ALL.into_iter();
        let reason = reasons.find(|reason| reason.name() == self.reason);
        Ok(Action::Report {
            offset: Offset(self.offset),
            reason: reason.ok_or(CallError::Reason)?,
        })
    }
}

#[derive(Deserialize)]
struct DismissFields {
    offset: u64,
}

impl DismissFields {
    fn into_action(self) -> Result<Action, CallError> {
        let offset = Offset(self.offset);
        Ok(Action::DismissReports { offset })
    }
}

#[derive(Deserialize)]
struct ReviewFields {
    held: u64,
    approve: bool,
}

impl ReviewFields {
    fn into_action(self) -> Result<Action, CallError> {
        Ok(Action::Review {
            held: Offset(self.held),
            approve: self.approve,
        })
    }
}

#[derive(Deserialize)]
struct WordsFields {
    language: String,
    words: Vec<String>,
}

impl WordsFields {
    fn into_action(self) -> Result<Action, CallError> {
        let language = Language::of_code(&self.language).ok_or(CallError::Language)?;
        let legal = |word: &String| {
            (1..=WORD_BYTES_MAX).contains(&word.len())
                && !word.trim().is_empty()
                && !word.contains(char::is_control)
        };
        if self.words.len() > WORDS_MAX || !self.words.iter().all(legal) {
            return Err(CallError::Words);
        }
        let words = self.words.into_iter().map(Arc::from).collect();
        Ok(Action::Words { language, words })
    }
}

#[derive(Deserialize)]
struct VoteFields {
    poll: String,
    choice: u8,
}

fn vote(room: RoomId, data: Option<&RawValue>) -> Result<Call, CallError> {
    let VoteFields { poll, choice } = parse_object(data)?;
    let poll = parse_id(&poll)?;
    Ok(Call::Vote { room, poll, choice })
}

#[derive(Deserialize)]
struct ReactFields {
    batch: String,
    taps: BTreeMap<String, u32>,
}

fn react(room: RoomId, data: Option<&RawValue>) -> Result<Call, CallError> {
    let ReactFields { batch, taps } = parse_object(data)?;
    let batch = parse_id(&batch)?;
    if !(1..=REACTION_KINDS_MAX).contains(&taps.len()) || taps.values().any(|count| *count == 0) {
        return Err(CallError::Taps);
    }
    let taps = taps
        .into_iter()
        .map(|(kind, count)| kind.parse().map(|kind| (kind, count)));
    let taps = taps
        .collect::<Result<_, _>>()
        .map_err(|_| CallError::Taps)?;
    Ok(Call::React { room, batch, taps })
}

#[derive(Deserialize)]
struct FollowFields {
    languages: LanguagesField,
}

/// `"all"`, or a list of codes.
#[derive(Deserialize)]
#[serde(untagged)]
enum LanguagesField {
    Word(String),
    Codes(Vec<String>),
}

fn follow(room: RoomId, data: Option<&RawValue>) -> Result<Call, CallError> {
    let FollowFields { languages } = parse_object(data)?;
    let languages = match languages {
        LanguagesField::Word(word) if word == "all" => Languages::All,
        LanguagesField::Word(_) => return Err(CallError::Language),
        LanguagesField::Codes(codes) => {
            let set = codes.iter().map(|code| Language::of_code(code));
            let set: Option<LanguageSet> = set.collect();
            Languages::Only(set.ok_or(CallError::Language)?)
        }
    };
    Ok(Call::Follow { room, languages })
}

#[derive(Deserialize)]
struct PageFields {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

fn presence_page(room: RoomId, data: Option<&RawValue>) -> Result<Call, CallError> {
    let PageFields { after, limit } = parse_object(data)?;
    Ok(Call::PresencePage {
        room,
        after: after.map(|text| user(&text)).transpose()?,
        limit: limit
            .unwrap_or(PRESENCE_PAGE_MAX)
            .clamp(1, PRESENCE_PAGE_MAX),
    })
}

fn user(text: &str) -> Result<UserId, CallError> {
    parse_user(text).ok_or(CallError::User)
}

fn own_id(id: Option<&str>) -> Result<Option<ClientMessageId>, CallError> {
    Ok(id.map(parse_id).transpose()?)
}

/// A time that may be missing, and otherwise is at least a second and at most so many.
fn within(seconds: Option<u32>, max: u32, error: CallError) -> Result<Option<u32>, CallError> {
    match seconds {
        Some(seconds) if !(1..=max).contains(&seconds) => Err(error),
        within => Ok(within),
    }
}

/// A text that says something, in at most so many characters.
fn text(text: &str, chars_max: usize) -> Option<Arc<str>> {
    let short = text.len() <= 4 * chars_max && text.chars().count() <= chars_max;
    (short && !text.trim().is_empty()).then(|| text.into())
}
