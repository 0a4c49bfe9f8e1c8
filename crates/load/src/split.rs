//! Who does which part: worker processes, and source addresses within them.
//!
//! A process has a limit of open descriptors, one thread can read only so much, and one source address has only so many
//! ports to one destination. The plan covers all fans, keeps every limit, and can say in words what it does.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{DESCRIPTORS_OWN, FANS_PER_SOURCE_MAX, WORKERS_MAX};

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// Virtual fans.
    pub fans: u32,
    /// HLS viewers: one connection each.
    pub viewers: u32,
    /// Feeds that are spoken into: a sender's connection each.
    pub senders: u32,
    /// Descriptors that one process may have open.
    pub descriptors: u64,
    /// Processors of this machine.
    pub processors: u32,
    /// How many workers the user wants; `None`: as many as make sense.
    pub workers: Option<u32>,
    /// Servers that the fans are dealt out to.
    pub servers: u32,
    /// All servers are on this machine, under IPv4 loopback addresses: 127.0.0.0/8 has addresses enough.
    pub loopback: bool,
    /// Ports that one source address has.
    pub ports: u32,
}

/// A worker's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its first fan.
    pub first_fan: u32,
    /// How many from there.
    pub fans: u32,
    /// Its viewers.
    pub viewers: u32,
    /// Its senders' feeds.
    pub feeds: Vec<u32>,
    /// From where its fans connect, in turn.
    pub sources: Vec<Source>,
}

impl Part {
    /// The number of a fan among all workers' fans.
    #[must_use]
    pub fn number_of(&self, index: usize) -> u32 {
        self.first_fan
            .saturating_add(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// A source address and its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `None`: whatever the system takes.
    pub address: Option<IpAddr>,
    /// Connections from there.
    pub fans: u32,
}

/// All parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// One per worker.
    pub parts: Vec<Part>,
    /// Descriptors that one process may have open.
    pub descriptors: u64,
    /// Servers that the fans are dealt out to.
    pub servers: u32,
    /// Most connections that the plan has for one server, while all servers are there.
    pub per_server: u32,
}

/// Why there is no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SplitError {
    /// Not even many processes have descriptors enough.
    #[error(
        "{connections} connections need {needed} worker processes with {descriptors} descriptors each, and {max} is the \
         most: raise the limit (`ulimit -n 100000`; as root, `ulimit -Hn 1000000` first) or ask for fewer fans"
    )]
    Descriptors {
        /// What was asked for.
        connections: u64,
        /// Descriptors of one process.
        descriptors: u64,
        /// Workers that would be needed.
        needed: u64,
        /// Workers that there may be.
        max: u32,
    },
    /// One source address has not ports enough for one server on another machine.
    #[error(
        "{connections} connections from one address to one server need as many ports, and this machine gives out \
         {ports}: widen the range (`sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"`), or run the load from several \
         machines"
    )]
    Ports {
        /// What was asked for.
        connections: u64,
        /// What there is.
        ports: u32,
    },
}

/// Makes the plan.
///
/// # Errors
///
/// The machine's limits do not suffice; see [`SplitError`].
pub fn split(situation: &Situation) -> Result<Split, SplitError> {
    let connections = [situation.fans, situation.viewers, situation.senders];
    let connections: u64 = connections.into_iter().map(u64::from).sum();
    let per_worker = situation.descriptors.saturating_sub(DESCRIPTORS_OWN);
    let needed = connections.checked_div(per_worker).map_or(u64::MAX, |_| {
        // Parts differ by one fan, one viewer and one sender at most.
        connections.div_ceil(per_worker.saturating_sub(3).max(1))
    });
    if needed > u64::from(WORKERS_MAX) {
        return Err(SplitError::Descriptors {
            connections,
            descriptors: situation.descriptors,
            needed,
            max: WORKERS_MAX,
        });
    }
    let per_server = connections.div_ceil(u64::from(situation.servers.max(1)));
    // A port serves one connection to each server.
    let ports = situation.ports;
    if !situation.loopback && per_server > u64::from(ports) {
        return Err(SplitError::Ports {
            connections: per_server,
            ports,
        });
    }
    let per_source = u32::min(FANS_PER_SOURCE_MAX, situation.fans);
    if situation.loopback && ports < per_source {
        return Err(SplitError::Ports {
            connections: per_source.into(),
            ports,
        });
    }
    // The server under test needs processors, too, when it is on this machine.
    let usual = if situation.loopback {
        situation.processors / 2
    } else {
        situation.processors
    };
    let least = u32::try_from(needed).unwrap_or(WORKERS_MAX).max(1);
    let wanted = situation.workers.unwrap_or(usual).min(situation.fans);
    let workers = wanted.clamp(least, WORKERS_MAX);
    Ok(Split {
        parts: parts(situation, workers),
        descriptors: situation.descriptors,
        servers: situation.servers.max(1),
        per_server: u32::try_from(per_server).unwrap_or(u32::MAX),
    })
}

fn parts(situation: &Situation, workers: u32) -> Vec<Part> {
    let mut first_fan = 0;
    let mut source = 0;
    let mut parts = Vec::new();
    for worker in 0..workers {
        let fans = share(situation.fans, worker, workers);
        let feeds = (0..situation.senders).filter(|feed| feed % workers == worker);
        parts.push(Part {
            first_fan,
            fans,
            viewers: share(situation.viewers, worker, workers),
            feeds: feeds.collect(),
            sources: sources(situation.loopback, fans, &mut source),
        });
        first_fan += fans;
    }
    parts
}

/// The share of one of so many, the first ones getting what does not divide.
fn share(total: u32, index: u32, of: u32) -> u32 {
    total / of + u32::from(index < total % of)
}

fn sources(loopback: bool, fans: u32, next: &mut u32) -> Vec<Source> {
    if !loopback {
        return vec![Source {
            address: None,
            fans,
        }];
    }
    let mut sources = Vec::new();
    let mut rest = fans;
    while rest > 0 {
        let fans = rest.min(FANS_PER_SOURCE_MAX);
        sources.push(Source {
            address: Some(loopback_address(*next)),
            fans,
        });
        *next += 1;
        rest -= fans;
    }
    sources
}

/// 127.0.0.2, 127.0.0.3 and so on; 127.0.0.1 is left to everybody else on the machine.
fn loopback_address(index: u32) -> IpAddr {
    let third = u8::try_from(index / 250 % 250).unwrap_or(0);
    let fourth = u8::try_from(index % 250 + 2).unwrap_or(2);
    Ipv4Addr::new(127, 0, third, fourth).into()
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self.parts.len();
        let fans = self.parts.iter().map(|part| part.fans).max().unwrap_or(0);
        let addresses: usize = self.parts.iter().map(|part| part.sources.len()).sum();
        write!(
            f,
            "{workers} worker process{} with at most {fans} fans each (a process may have {} descriptors open), from \
             {addresses} source address{}",
            if workers == 1 { "" } else { "es" },
            self.descriptors,
            if addresses == 1 { "" } else { "es" },
        )?;
        let first = self.parts.first().and_then(|part| part.sources.first());
        if let Some(address) = first.and_then(|source| source.address) {
            write!(
                f,
                " (at most {FANS_PER_SOURCE_MAX} connections each, beginning with {address})"
            )?;
        }
        if self.servers > 1 {
            let (servers, connections) = (self.servers, self.per_server);
            write!(
                f,
                ", to {servers} servers with at most {connections} connections each"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const USUAL: Situation = Situation {
        fans: 100_000,
        viewers: 0,
        senders: 1,
        descriptors: 20_000,
        processors: 2,
        workers: None,
        servers: 1,
        loopback: true,
        ports: 28_232,
    };

    #[test]
    fn a_hundred_thousand_fans_on_a_laptop() {
        let split = split(&USUAL).unwrap();
        assert_eq!(
            split.to_string(),
            "6 worker processes with at most 16667 fans each (a process may have 20000 descriptors open), from 18 \
             source addresses (at most 6000 connections each, beginning with 127.0.0.2)"
        );
    }

    #[test]
    fn several_servers_share_the_connections_and_the_ports() {
        let six = Situation {
            servers: 6,
            loopback: false,
            ..USUAL
        };
        let split = split(&six).unwrap();
        let words = split.to_string();
        assert!(
            words.ends_with("to 6 servers with at most 16667 connections each"),
            "{words}"
        );
    }

    #[test]
    fn too_few_descriptors_and_ports_are_explained() {
        let few = Situation {
            descriptors: 256,
            ..USUAL
        };
        let error = split(&few).unwrap_err().to_string();
        assert!(
            error.contains("256 descriptors") && error.contains("ulimit -n"),
            "{error}"
        );
        let none = Situation {
            descriptors: 10,
            ..USUAL
        };
        assert!(matches!(split(&none), Err(SplitError::Descriptors { .. })));
        let remote = Situation {
            loopback: false,
            ..USUAL
        };
        let error = split(&remote).unwrap_err().to_string();
        assert!(
            error.contains("100001 connections")
                && error.contains("28232")
                && error.contains("ip_local_port_range"),
            "{error}"
        );
    }

    fn situations() -> impl Strategy<Value = Situation> {
        (
            1_u32..300_000,
            0_u32..2_000,
            0_u32..400,
            200_u64..70_000,
            1_u32..64,
            prop::option::of(1_u32..40),
            any::<bool>(),
        )
            .prop_map(
                |(fans, viewers, senders, descriptors, processors, workers, loopback)| Situation {
                    fans,
                    viewers,
                    senders,
                    descriptors,
                    processors,
                    workers,
                    servers: 1,
                    loopback,
                    ports: 28_232,
                },
            )
    }

    proptest! {
        #[test]
        fn every_fan_has_a_place_and_every_limit_holds(situation in situations()) {
            let Ok(split) = split(&situation) else { return Ok(()) };
            let mut next = 0;
            let mut addresses = BTreeSet::new();
            let mut feeds = BTreeSet::new();
            for part in &split.parts {
                prop_assert_eq!(part.first_fan, next);
                next += part.fans;
                let connections = u64::from(part.fans) + u64::from(part.viewers) + part.feeds.len() as u64;
                prop_assert!(connections + DESCRIPTORS_OWN <= situation.descriptors);
                prop_assert_eq!(part.sources.iter().map(|source| source.fans).sum::<u32>(), part.fans);
                for source in &part.sources {
                    if situation.loopback {
                        prop_assert!(source.fans <= FANS_PER_SOURCE_MAX);
                        prop_assert!(addresses.insert(source.address), "an address twice");
                    }
                }
                for feed in &part.feeds {
                    prop_assert!(feeds.insert(*feed), "a sender twice");
                }
            }
            prop_assert_eq!(next, situation.fans);
            prop_assert_eq!(feeds.len(), usize::try_from(situation.senders).unwrap());
            prop_assert_eq!(split.parts.iter().map(|part| part.viewers).sum::<u32>(), situation.viewers);
            prop_assert!(split.parts.len() <= usize::try_from(WORKERS_MAX).unwrap());
        }
    }
}
