//! What this machine can hold, and what to raise when it is less than what is configured.
//!
//! Each limit is read where the system tells it and turned into a number of fans; the smallest decides. Nothing is
//! changed here but the soft limit of open files ([`descriptors`](super::descriptors)): the others belong to the whole
//! machine.

use std::{fmt, fs, path::Path};

use super::descriptors::Descriptors;

/// What an idle socket takes of the kernel's memory for objects, bytes: measured, and the same whatever the server.
const KERNEL_BYTES_PER_SOCKET: u64 = 4 * 1024;

/// What a fan takes on average of the kernel's memory for socket buffers while messages flow, pages of 4 KiB. Idle
/// sockets take none; a sweep leaves one page with each fan until it is read.
const BUFFER_PAGES_PER_FAN: u64 = 1;

/// Fans that come within one round trip of a storm and should fit the queue of a listening socket.
const QUEUE_WANTED: u64 = 4_096;

/// The machine's limits; see the module. One that the system does not tell does not limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Machine {
    files: Option<u64>,
    system_files: Option<u64>,
    memory_bytes: Option<u64>,
    buffer_pages: Option<u64>,
    queue: Option<u64>,
}

/// One limit that is lower than what is configured needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// So many fans it allows; `None` when it only makes storms slower.
    pub fans: Option<u64>,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fans {
            Some(fans) => write!(f, "{fans} fans: {}", self.advice),
            None => f.write_str(&self.advice),
        }
    }
}

/// Reads the limits.
#[must_use]
pub fn read(descriptors: Descriptors) -> Machine {
    let first = |path: &str| nth(Path::new(path), 0);
    Machine {
        files: descriptors.limit(),
        system_files: first("/proc/sys/fs/file-max"),
        memory_bytes: fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| available(&text)),
        // Low, pressure, high: beyond the middle one the kernel begins to save on buffers.
        buffer_pages: nth(Path::new("/proc/sys/net/ipv4/tcp_mem"), 1),
        queue: first("/proc/sys/net/core/somaxconn"),
    }
}

impl Machine {
    /// How many fans fit, at most so many.
    #[must_use]
    pub fn fans(&self, configured_max: usize) -> u64 {
        let configured = u64::try_from(configured_max).unwrap_or(u64::MAX);
        self.bounds()
            .into_iter()
            .filter_map(|(fans, _)| fans)
            .fold(configured, u64::min)
    }

    /// Everything that is in the way of so many fans.
    #[must_use]
    pub fn shortages(&self, configured_max: usize) -> Vec<Shortage> {
        let configured = u64::try_from(configured_max).unwrap_or(u64::MAX);
        let mut short: Vec<Shortage> = self
            .bounds()
            .into_iter()
            .filter_map(|(fans, advice)| {
                let fans = fans.filter(|fans| *fans < configured)?;
                Some(Shortage {
                    fans: Some(fans),
                    advice: advice.to_owned(),
                })
            })
            .collect();
        if let Some(queue) = self.queue.filter(|queue| *queue < QUEUE_WANTED) {
            short.push(Shortage {
                fans: None,
                advice: format!(
                    "a storm of arrivals overflows a queue of {queue}: sysctl net.core.somaxconn={QUEUE_WANTED}"
                ),
            });
        }
        short
    }

    /// How many fans each limit allows, and how it is raised.
    fn bounds(&self) -> [(Option<u64>, &'static str); 4] {
        [
            (
                self.files
                    .map(|files| Descriptors::new(files).fans(usize::MAX)),
                "open files of this process: LimitNOFILE= of the service, or ulimit -n",
            ),
            (
                self.system_files
                    .map(|files| Descriptors::new(files).fans(usize::MAX)),
                "open files of the machine: sysctl fs.file-max",
            ),
            (
                self.memory_bytes
                    .map(|bytes| bytes / KERNEL_BYTES_PER_SOCKET),
                "free memory, at 4 KiB of the kernel's for each socket",
            ),
            (
                self.buffer_pages.map(|pages| pages / BUFFER_PAGES_PER_FAN),
                "memory for socket buffers: sysctl net.ipv4.tcp_mem",
            ),
        ]
    }
}

/// The number at a place in a file of numbers.
fn nth(path: &Path, place: usize) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.split_whitespace().nth(place)?.parse().ok()
}

/// `MemAvailable` of `/proc/meminfo`, bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Machine = Machine {
        files: Some(1_048_576),
        system_files: Some(2_000_000),
        memory_bytes: Some(64 << 30),
        buffer_pages: Some(1_000_000),
        queue: Some(65_535),
    };

    #[test]
    fn the_smallest_limit_decides_and_is_named() {
        assert_eq!(LARGE.fans(100_000), 100_000);
        assert_eq!(LARGE.shortages(100_000), []);
        let machine = Machine {
            files: Some(20_000),
            memory_bytes: Some(200 << 20),
            ..LARGE
        };
        assert_eq!(machine.fans(100_000), 19_744);
        let told: Vec<String> = machine
            .shortages(100_000)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "19744 fans: open files of this process: LimitNOFILE= of the service, or ulimit -n",
                "51200 fans: free memory, at 4 KiB of the kernel's for each socket",
            ]
        );
    }

    #[test]
    fn a_short_queue_is_told_whatever_is_configured() {
        let machine = Machine {
            queue: Some(128),
            ..LARGE
        };
        let short = machine.shortages(10);
        assert_eq!(short.len(), 1);
        assert_eq!(short[0].fans, None);
        assert!(short[0].advice.contains("net.core.somaxconn=4096"));
    }

    #[test]
    fn what_the_system_does_not_tell_does_not_limit() {
        assert_eq!(Machine::default().fans(7), 7);
        assert_eq!(Machine::default().shortages(7), []);
    }

    #[test]
    fn free_memory_is_read_from_the_kernel_s_text() {
        let text = "MemTotal:       24689764 kB\nMemFree:   1 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(available(text), Some(1 << 20));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(available("MemAvailable: many kB\n"), None);
    }
}
