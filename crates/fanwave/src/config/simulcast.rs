//! `[[simulcast]]`: where shows are pushed on to.

use std::{path::PathBuf, sync::Arc};

use fanwave_origin::{
    PushAddress, is_push_name,
    limits::{SIMULCAST_CHANNEL_TARGETS_MAX, SIMULCAST_NAME_CHARS_MAX, SIMULCAST_TARGETS_MAX},
};
use fanwave_wire::RoomId;

use super::{check::Check, keys::SIMULCAST, schema, settings::KeyPath};

/// A platform that a channel's shows are pushed on to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The channel.
    pub channel: RoomId,
    /// What the platform is called.
    pub name: Arc<str>,
    /// Where it takes streams.
    pub address: PushAddress,
    /// Where the stream key is that it has given.
    pub key_file: PathBuf,
    /// Where the authorities are whose certificates are believed there; `None`: those of the machine.
    pub tls_authorities: Option<PathBuf>,
}

/// Plans them. What is refused is not repeated: an address may have a key in it.
pub(super) fn plan(check: &mut Check<'_>, config: &schema::Config) -> Vec<Target> {
    let mut planned: Vec<Target> = Vec::with_capacity(config.simulcast.len());
    if config.simulcast.len() > SIMULCAST_TARGETS_MAX {
        let reason = format!("must have at most {SIMULCAST_TARGETS_MAX} entries");
        check.refuse(KeyPath::entry(SIMULCAST, 0, "channel"), reason);
    }
    for (index, target) in config.simulcast.iter().enumerate() {
        let key = |name| KeyPath::entry(SIMULCAST, index, name);
        let known = config.channels.iter().find(|one| one.id == target.channel);
        let channel = known.and_then(|channel| channel.id.parse::<RoomId>().ok());
        if channel.is_none() {
            check.refuse(key("channel"), "is no channel's id");
        }
        if !is_push_name(&target.name) {
            check.refuse(
                key("name"),
                format!("must have 1 to {SIMULCAST_NAME_CHARS_MAX} characters, on one line"),
            );
        }
        let address = target.url.parse::<PushAddress>();
        if let Err(error) = address {
            check.refuse(key("url"), error.to_string());
        }
        let key_file = check.secret_file(key("key_file"), &target.key_file);
        if key_file.is_none() {
            check.refuse(
                key("key_file"),
                "must be set: it holds the stream key that the platform has given",
            );
        }
        let is_plain = address.as_ref().is_ok_and(|address| !address.is_secure());
        if is_plain && !target.tls_authorities.is_empty() {
            check.refuse(key("tls_authorities"), "is for rtmps:// alone");
        }
        let (Some(channel), Ok(address), Some(key_file)) = (channel, address, key_file) else {
            continue;
        };
        let others = planned.iter().filter(|other| other.channel == channel);
        if others.clone().count() >= SIMULCAST_CHANNEL_TARGETS_MAX {
            let reason = format!("has more than {SIMULCAST_CHANNEL_TARGETS_MAX} platforms");
            check.refuse(key("channel"), reason);
        }
        if others.clone().any(|other| *other.name == *target.name) {
            let reason = format!("is the name of another platform of {channel} too");
            check.refuse(key("name"), reason);
        }
        planned.push(Target {
            channel,
            name: target.name.as_str().into(),
            address,
            key_file,
            tls_authorities: (!target.tls_authorities.is_empty())
                .then(|| (&target.tls_authorities).into()),
        });
    }
    planned
}
