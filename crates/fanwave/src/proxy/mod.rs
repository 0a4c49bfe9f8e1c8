//! An app's back end that is asked who may connect, what they may follow and what they may say (`docs/proxies.md`).
//!
//! Each of the three is a hook of its own, with its own address, deadline, breaker and bound, so that one that is slow or away
//! touches neither the others nor anybody who need not be asked about. Every question ends within the hook's deadline, by an answer or by
//! what is to be done without one: let through, or refused.

mod answer;
mod breaker;
mod hook;
pub mod limits;
mod metrics;

use std::{fmt, sync::Arc};

use fanwave_bus::BoxFuture;
use fanwave_gateway::consult::{About, Arrival, Consult, Permit, Ruling, Saying, Welcome};
use fanwave_wire::{Channel, Sender};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

pub use self::hook::{HookConfig, OnFailure};
use self::{hook::Hook, metrics::Metrics};
use crate::clock;

/// Which hooks there are.
#[derive(Debug, Clone, Default)]
pub struct ProxyConfig {
    /// Who connects.
    pub connect: Option<HookConfig>,
    /// What they follow.
    pub subscribe: Option<HookConfig>,
    /// What they say.
    pub publish: Option<HookConfig>,
}

/// The hooks at work.
pub(crate) struct Proxy {
    connect: Option<Hook>,
    subscribe: Option<Hook>,
    publish: Option<Hook>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("about", &self.about())
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Who is consulted, if anybody is.
    pub(crate) fn start(config: ProxyConfig, registry: &mut Registry) -> Option<Arc<dyn Consult>> {
        let ProxyConfig {
            connect,
            subscribe,
            publish,
        } = config;
        if connect.is_none() && subscribe.is_none() && publish.is_none() {
            return None;
        }
        let metrics = Metrics::register(registry);
        let hook = |config: Option<HookConfig>, name| {
            config.map(|config| Hook::new(name, config, metrics.clone()))
        };
        Some(Arc::new(Self {
            connect: hook(connect, "connect"),
            subscribe: hook(subscribe, "subscribe"),
            publish: hook(publish, "publish"),
        }))
    }
}

fn person(sender: &Sender) -> Value {
    json!({ "id": sender.user.0, "name": sender.name, "role": sender.role.name(), "badge": sender.badge })
}

impl Consult for Proxy {
    fn about(&self) -> About {
        About {
            connect: self.connect.is_some(),
            subscribe: self.subscribe.is_some(),
            publish: self.publish.is_some(),
        }
    }

    fn connect(&self, arrival: Arrival) -> BoxFuture<'_, Welcome> {
        Box::pin(async move {
            let Some(hook) = &self.connect else {
                return Welcome::ByToken;
            };
            // What is no JSON was refused as a frame; `null` stands for nothing said.
            let data = arrival
                .data
                .as_deref()
                .and_then(|data| serde_json::from_str::<Value>(data).ok());
            let question = json!({
                "token": arrival.token, "data": data, "stays": arrival.stays.as_ref().map(person),
            });
            let read = |body: &[u8]| answer::welcome(body, clock::now());
            match hook.ask(&question, read).await {
                Ok(welcome) => welcome,
                Err(OnFailure::Allow) => Welcome::ByToken,
                Err(OnFailure::Refuse) => Welcome::Later,
            }
        })
    }

    fn subscribe<'a>(&'a self, who: &'a Sender, channel: &'a Channel) -> BoxFuture<'a, Permit> {
        Box::pin(async move {
            let Some(hook) = &self.subscribe else {
                return Permit::Yes;
            };
            let question = json!({ "user": person(who), "channel": channel.to_string() });
            match hook.ask(&question, answer::permit).await {
                Ok(permit) => permit,
                Err(OnFailure::Allow) => Permit::Yes,
                Err(OnFailure::Refuse) => Permit::Later,
            }
        })
    }

    fn publish<'a>(&'a self, saying: Saying<'a>) -> BoxFuture<'a, Ruling> {
        Box::pin(async move {
            let Some(hook) = &self.publish else {
                return Ruling::Yes;
            };
            let question = json!({
                "user": person(saying.who), "channel": saying.channel.to_string(), "id": saying.id.0, "text": saying.text,
            });
            match hook.ask(&question, answer::ruling).await {
                Ok(ruling) => ruling,
                Err(OnFailure::Allow) => Ruling::Yes,
                Err(OnFailure::Refuse) => Ruling::Later,
            }
        })
    }
}

#[cfg(test)]
mod tests;
