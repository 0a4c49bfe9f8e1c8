//! The plan of what back ends send over the engine's broker.

use fanwave_api::{commands::is_scope, keys::Scope};

use super::{check::Check, schema::Config, settings::KeyPath};

/// Longest name of a stream, bytes: with what is added to it, Kafka takes it for a topic.
const STREAM_BYTES_MAX: usize = 200;

/// Commands that are taken over the engine's broker.
#[derive(Debug, Clone)]
pub struct Commands {
    /// What the broker calls the queue: a key of Redis, a subject of NATS, a topic of Kafka.
    pub stream: String,
    /// What commands may do.
    pub scopes: Vec<Scope>,
}

/// Plans it. Every key is checked, whether or not any are taken.
pub(super) fn plan(check: &mut Check<'_>, config: &Config) -> Option<Commands> {
    let commands = &config.commands;
    let key = |name| KeyPath::of("commands", name);
    let stream = match commands.stream.as_str() {
        "" => usual(config),
        name => name.to_owned(),
    };
    if let Err(reason) = fits(&config.engine.kind, &stream) {
        check.refuse(key("stream"), reason);
    }
    let mut scopes = Vec::new();
    for name in &commands.scopes {
        match name.parse::<Scope>() {
            Ok(scope) if is_scope(scope) => scopes.push(scope),
            _ => check.refuse(
                key("scopes"),
                format!("holds \"{name}\": it is a list of \"publish\" and \"moderate\""),
            ),
        }
    }
    match commands.take.as_str() {
        "on" => {}
        "off" => return None,
        _ => {
            check.refuse(key("take"), "must be \"on\" or \"off\"");
            return None;
        }
    }
    if scopes.is_empty() {
        check.refuse(
            key("scopes"),
            "must not be empty where commands.take is \"on\"",
        );
    }
    if config.engine.kind == "memory" {
        check.refuse(
            key("take"),
            "is \"on\", which needs a broker: set engine.kind to \"redis\", \"nats\" or \"kafka\", or use the HTTP API, which takes the same",
        );
    }
    Some(Commands { stream, scopes })
}

/// What it is called where nothing is configured: after the operator's own names of this platform.
fn usual(config: &Config) -> String {
    match config.engine.kind.as_str() {
        "nats" => format!("{}.commands", config.nats.prefix),
        "kafka" => format!("{}-commands", config.kafka.topic),
        _ => "fanwave:commands".to_owned(),
    }
}

/// Whether the broker takes such a name.
fn fits(kind: &str, stream: &str) -> Result<(), String> {
    let of = |text: &str, more: &str| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b);
        (1..=STREAM_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal)
    };
    let (fits, more) = match kind {
        "nats" => {
            let words = stream.split('.').all(|word| of(word, "-_"));
            let more = "- _, in words with dots between them";
            (words && of(stream, "-_."), more)
        }
        "kafka" => (of(stream, "-_."), "- _ ."),
        _ => (of(stream, "-_.:{}"), "- _ . : { }"),
    };
    fits.then_some(())
        .ok_or_else(|| format!("must be 1 to {STREAM_BYTES_MAX} of a-z A-Z 0-9 {more}"))
}
