//! The processes of one server, when they are on this machine: their processor time and their memory.
//!
//! A server that is found by its port is looked for again when its process is gone: it may have been killed, and come
//! back. What the old process took stays counted.

use std::net::SocketAddr;

use crate::machine;

/// One server's processes.
#[derive(Debug)]
pub(super) struct Watch {
    /// Where it listens; `None`: the user said which processes they are, or they are on another machine.
    address: Option<SocketAddr>,
    pids: Vec<u32>,
    /// Processor time of processes that are gone.
    gone_micros: u64,
    /// Processor time of those that are there, as last seen.
    micros: u64,
}

/// What is known of it now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Processor time since it was first seen.
    pub(super) cpu_micros: Option<u64>,
    /// Memory of its own; none while it is gone.
    pub(super) bytes: Option<u64>,
}

impl Watch {
    /// Watches these processes.
    pub(super) const fn of(pids: Vec<u32>) -> Self {
        Self {
            address: None,
            pids,
            gone_micros: 0,
            micros: 0,
        }
    }

    /// Watches whoever listens there, if that is on this machine.
    pub(super) fn at(address: SocketAddr) -> Self {
        let here = address.ip().is_loopback();
        Self {
            address: here.then_some(address),
            pids: if here {
                machine::listeners(address)
            } else {
                Vec::new()
            },
            gone_micros: 0,
            micros: 0,
        }
    }

    /// The processes.
    pub(super) fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// How many files they may open together.
    pub(super) fn descriptors(&self) -> Option<u64> {
        sum(&self.pids, machine::descriptors_of)
    }

    /// Looks at them.
    pub(super) fn look(&mut self) -> Seen {
        let known = !self.pids.is_empty() || self.gone_micros > 0;
        if let Some(micros) = sum(&self.pids, machine::cpu_micros) {
            self.micros = micros;
        }
        // A process that has ended and that nobody has asked for its end still has its time, but no memory.
        let mut bytes = sum(&self.pids, machine::resident_bytes);
        if bytes.is_none()
            && let Some(address) = self.address
        {
            self.gone_micros += std::mem::take(&mut self.micros);
            self.pids = machine::listeners(address);
            self.micros = sum(&self.pids, machine::cpu_micros).unwrap_or(0);
            bytes = sum(&self.pids, machine::resident_bytes);
        }
        let seen = known || !self.pids.is_empty();
        Seen {
            cpu_micros: seen.then_some(self.gone_micros + self.micros),
            bytes,
        }
    }
}

/// The sum over all processes; `None` when there are none, or one is gone.
fn sum(pids: &[u32], of: fn(u32) -> Option<u64>) -> Option<u64> {
    let values: Option<Vec<u64>> = pids.iter().map(|pid| of(*pid)).collect();
    values
        .filter(|values| !values.is_empty())
        .map(|values| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_comes_back_is_found_again_and_keeps_its_account() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut watch = Watch::at(address);
        assert_eq!(watch.pids(), [std::process::id()]);
        assert!(watch.look().bytes.is_some());
        // As if the process that listened had been another one, which is gone now.
        watch.pids = vec![u32::MAX];
        watch.micros = 5_000_000;
        let back = watch.look();
        assert_eq!(watch.pids(), [std::process::id()]);
        assert!(back.bytes.is_some() && back.cpu_micros.is_some_and(|micros| micros >= 5_000_000));
        drop(listener);
        watch.pids = vec![u32::MAX];
        let away = watch.look();
        assert!(away.bytes.is_none() && away.cpu_micros >= back.cpu_micros);
    }

    #[test]
    fn a_server_elsewhere_is_not_measured() {
        let mut watch = Watch::at("192.0.2.1:80".parse().unwrap());
        assert_eq!(watch.look(), Seen::default());
        assert_eq!(watch.descriptors(), None);
    }
}
