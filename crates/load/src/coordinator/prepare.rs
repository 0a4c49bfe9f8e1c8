//! What is found out before the crowd comes: what this machine can do, who the fans are, and whose processes the servers
//! are.

use super::{Launch, LoadError, Tokens, watch::Watch};
use crate::{
    Order, limits, machine,
    order::Credentials,
    probe::{self, Manner, ProbeError},
    split::{Situation, Split},
    trust, worker,
};

/// What the plan is made from.
pub(super) fn situation(launch: &Launch) -> Situation {
    let order = &launch.order;
    let loopback = order.servers.iter().all(|server| {
        let address = server.chat.address;
        address.is_ipv4() && address.ip().is_loopback()
    });
    Situation {
        fans: order.fans,
        viewers: order.viewers,
        senders: if order.room_rate.is_zero() {
            0
        } else {
            order.feeds()
        },
        descriptors: machine::raise_descriptors(),
        processors: machine::processors(),
        workers: launch.workers,
        servers: u32::try_from(order.servers.len()).unwrap_or(u32::MAX),
        loopback,
        ports: machine::ports(),
    }
}

/// How the servers are spoken to.
pub(super) fn manner(order: &Order) -> Result<Manner, LoadError> {
    let config = || trust::client_config(order.ca.as_deref());
    Ok(Manner {
        encoding: order.encoding,
        trust: order.has_tls().then(config).transpose()?,
    })
}

/// Who the fans are; guests are asked for.
pub(super) fn credentials(launch: &Launch, manner: &Manner) -> Result<Credentials, LoadError> {
    let order = &launch.order;
    let credentials = match &launch.tokens {
        Tokens::Given(credentials) => credentials.clone(),
        Tokens::Guests {
            count,
            per_second,
            staff,
        } => Credentials::Tokens {
            fans: probe::guests(
                &order.servers[0].http,
                manner,
                (*count).min(order.fans),
                *per_second,
            )?,
            staff: staff.clone(),
        },
    };
    if order.room_rate.is_zero() || credentials.may_announce() {
        Ok(credentials)
    } else {
        Err(LoadError::NoStaff)
    }
}

/// One careful connection to each server.
pub(super) fn probe(
    order: &Order,
    manner: &Manner,
    credentials: &Credentials,
) -> Result<(), ProbeError> {
    let token = worker::first_token(credentials, order);
    let room = order.rooms.first().map_or("", |room| room.as_str());
    order
        .servers
        .iter()
        .try_for_each(|server| probe::check(server, manner, &token, room))
}

/// The servers' processes: as the user says, or whoever listens there.
pub(super) fn watches(launch: &Launch) -> Result<Vec<Watch>, LoadError> {
    let (servers, given) = (&launch.order.servers, &launch.server_pids);
    if given.is_empty() {
        let found = servers.iter().map(|server| Watch::at(server.chat.address));
        return Ok(found.collect());
    }
    if servers.len() == 1 {
        return Ok(vec![Watch::of(given.clone())]);
    }
    if given.len() != servers.len() {
        return Err(LoadError::ServerPids {
            given: given.len(),
            servers: servers.len(),
        });
    }
    Ok(given.iter().map(|pid| Watch::of(vec![*pid])).collect())
}

/// What a reader should know before the run: servers that cannot hold their share.
pub(super) fn warnings(order: &Order, split: &Split, watches: &[Watch]) -> Vec<String> {
    let servers = order.servers.iter().zip(watches);
    let short = servers.filter_map(|(server, watch)| {
        let descriptors = watch.descriptors()?;
        let wanted = u64::from(split.per_server) + limits::DESCRIPTORS_OWN;
        (descriptors < wanted).then(|| {
            format!(
                "the server {} may have {descriptors} files open, and {} connections are meant for it: raise its limit \
                 (`ulimit -n`), or name more servers",
                server.chat.host, split.per_server
            )
        })
    });
    short.collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{order::tests::spread, split};

    fn launch(servers: usize, server_pids: Vec<u32>) -> Launch {
        Launch {
            order: spread(servers, 1, false),
            tokens: Tokens::Given(Credentials::Secret(String::new())),
            workers: None,
            server_pids,
            program: PathBuf::new(),
            arguments: Vec::new(),
            ends: std::sync::Arc::default(),
        }
    }

    #[test]
    fn every_server_has_its_process_or_none_is_named() {
        let one = watches(&launch(1, vec![4, 5])).unwrap();
        assert_eq!(one[0].pids(), [4, 5]);
        let two = watches(&launch(2, vec![4, 5])).unwrap();
        assert_eq!((two[0].pids(), two[1].pids()), (&[4][..], &[5][..]));
        let error = watches(&launch(3, vec![4, 5])).unwrap_err().to_string();
        assert!(error.starts_with("2 --server-pid for 3 servers"), "{error}");
    }

    #[test]
    fn a_server_that_cannot_hold_its_share_is_named() {
        let launch = launch(1, vec![std::process::id()]);
        let plan = split::split(&situation(&launch)).unwrap();
        let watches = watches(&launch).unwrap();
        assert_eq!(
            warnings(&launch.order, &plan, &watches),
            Vec::<String>::new()
        );
        let crowd = Split {
            per_server: u32::MAX,
            ..plan
        };
        let warned = warnings(&launch.order, &crowd, &watches);
        assert_eq!(warned.len(), 1);
        assert!(warned[0].starts_with("the server 127.0.0.1:8080 may have "));
    }
}
