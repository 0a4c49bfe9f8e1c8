//! What this machine says about itself and its processes: limits, processor time, memory, and who listens where.
//!
//! Everything is read from `/proc`, and everything may be missing: on another system, or about another user's process.
//! The report then leaves the figure out.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

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

/// How many files a process may open.
pub(crate) fn descriptors_of(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    descriptors_of_limits(&text)
}

fn descriptors_of_limits(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The processes that listen at an address of this machine, as far as this user may see them.
pub(crate) fn listeners(address: SocketAddr) -> Vec<u32> {
    let sockets: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .flat_map(|table| listening_inodes(table, address))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return Vec::new();
    }
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

fn listening_inodes(table: &str, address: SocketAddr) -> Vec<String> {
    let Ok(table) = File::open(table) else {
        return Vec::new();
    };
    // The kernel names the sockets that listen first. The others may be hundreds of thousands, and are not read.
    let lines = BufReader::new(table).lines().skip(1).map_while(Result::ok);
    let listening = lines.map_while(|line| Listening::parse(&line));
    listening
        .filter(|socket| socket.is_at(address))
        .map(|socket| socket.inode)
        .collect()
}

/// A line about a socket that listens.
struct Listening {
    /// `None`: an address of IPv6, or every address.
    address: Option<Ipv4Addr>,
    port: u16,
    inode: String,
}

impl Listening {
    /// `None`: a socket in another state.
    fn parse(line: &str) -> Option<Self> {
        /// `TCP_LISTEN`.
        const LISTEN: &str = "0A";
        let mut fields = line.split_whitespace();
        let (address, port) = fields.nth(1)?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        if state != LISTEN {
            return None;
        }
        // The four bytes are shown as one number of this machine.
        let number = u32::from_str_radix(address, 16);
        let address = number.map(|number| Ipv4Addr::from(number.to_ne_bytes()));
        Some(Self {
            address: address.ok().filter(|address| !address.is_unspecified()),
            port: u16::from_str_radix(port, 16).ok()?,
            inode: fields.nth(5)?.to_owned(),
        })
    }

    fn is_at(&self, wanted: SocketAddr) -> bool {
        let same = self
            .address
            .is_none_or(|address| IpAddr::from(address) == wanted.ip());
        same && self.port == wanted.port()
    }
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
    fn a_neighbour_on_the_same_port_is_somebody_else() {
        let line = "0: 0200007F:1F90 00000000:0000 0A 0:0 0:0 0 1000 0 4711 1 0";
        let here = Listening::parse(line).unwrap();
        assert_eq!(here.inode, "4711");
        assert!(here.is_at("127.0.0.2:8080".parse().unwrap()));
        assert!(!here.is_at("127.0.0.1:8080".parse().unwrap()));
        assert!(!here.is_at("127.0.0.2:8081".parse().unwrap()));
        let everywhere = line.replace("0200007F", "00000000");
        let everywhere = Listening::parse(&everywhere).unwrap();
        assert!(everywhere.is_at("127.0.0.1:8080".parse().unwrap()));
        assert!(Listening::parse(&line.replace(" 0A ", " 01 ")).is_none());
    }

    #[test]
    fn the_limit_of_files_is_read() {
        let limits =
            "Max cpu time  unlimited  unlimited  seconds\nMax open files  20000  20000  files";
        assert_eq!(descriptors_of_limits(limits), Some(20_000));
        assert!(descriptors_of(std::process::id()).is_some());
    }

    #[test]
    fn this_process_is_measured() {
        let pid = std::process::id();
        assert!(cpu_micros(pid).is_some());
        assert!(resident_bytes(pid).is_some_and(|bytes| bytes > 100_000));
        assert!(raise_descriptors() > 0 && ports() > 1_000 && processors() > 0);
    }
}
