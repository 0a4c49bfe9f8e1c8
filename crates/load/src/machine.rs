//! What this machine says about itself and its processes: limits, processor time, memory, and who listens where.
//!
//! Everything is read from `/proc`, and everything may be missing: on another system, or about another user's process.
//! The report then leaves the figure out.

use std::{collections::BTreeSet, fs, net::SocketAddr};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Processor time in `/proc/PID/stat` is counted in hundredths of a second on every Linux.
const TICK_MICROS: u64 = 10_000;

/// How many files this process may open after it has asked for as many as it may.
pub(crate) fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // A refusal leaves the limit as it was, which is what is reported.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many ports a source address has for connections without a port of their own.
pub(crate) fn ports() -> u32 {
    /// What Linux gives out unless told otherwise.
    const USUAL: u32 = 28_232;
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = text.split_whitespace().map(str::parse::<u32>);
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) if last >= first => last - first + 1,
        _ => USUAL,
    }
}

/// Processors.
pub(crate) fn processors() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(count).unwrap_or(1)
}

/// Processor time of a process with all its threads, microseconds.
pub(crate) fn cpu_micros(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    cpu_of_stat(&text)
}

/// The name of a process may hold anything, blanks and brackets included: fields are counted from its end.
fn cpu_of_stat(text: &str) -> Option<u64> {
    let (_, fields) = text.rsplit_once(')')?;
    // "utime" and "stime" are fields 14 and 15; the state after the name is field 3.
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_MICROS)
}

/// Memory of a process that is really there and its own (not the file cache's), bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The processes that listen on a port of this machine, as far as this user may see them.
pub(crate) fn listeners(address: SocketAddr) -> Vec<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let sockets: BTreeSet<String> = tables
        .iter()
        .flatten()
        .flat_map(|table| {
            table
                .lines()
                .filter_map(|line| listening_inode(line, address.port()))
        })
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut holding: Vec<u32> = pids.filter(|pid| holds(*pid, &sockets)).collect();
    holding.sort_unstable();
    holding
}

fn listening_inode(line: &str, port: u16) -> Option<&str> {
    /// `TCP_LISTEN`.
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let (_, hex_port) = local.rsplit_once(':')?;
    let state = fields.nth(1)?;
    if state != LISTEN || u16::from_str_radix(hex_port, 16) != Ok(port) {
        return None;
    }
    fields.nth(5)
}

fn holds(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|link| link.to_str().is_some_and(|name| sockets.contains(name)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_process_with_an_odd_name_is_read() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1";
        assert_eq!(cpu_of_stat(stat), Some(2_000_000));
        assert_eq!(cpu_of_stat(""), None);
    }

    #[test]
    fn whoever_listens_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(listeners(address), [std::process::id()]);
        drop(listener);
        assert_eq!(listeners(address), Vec::<u32>::new());
    }

    #[test]
    fn this_process_is_measured() {
        let pid = std::process::id();
        assert!(cpu_micros(pid).is_some());
        assert!(resident_bytes(pid).is_some_and(|bytes| bytes > 100_000));
        assert!(raise_descriptors() > 0 && ports() > 1_000 && processors() > 0);
    }
}
