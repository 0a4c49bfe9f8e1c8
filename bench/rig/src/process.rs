//! What a process has cost so far, as Linux counts it.

use std::{fs, io};

/// The page size of the machines this runs on (`statm` counts pages).
const PAGE_BYTES: u64 = 4096;

/// Nanoseconds of processor time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Spent running.
    pub used: u64,
    /// Spent ready to run while somebody else had the core.
    pub waited: u64,
}

/// A process that is watched.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Its id.
    pub pid: u32,
}

impl Process {
    /// What its threads that live have had of the processor: the scheduler's own account, user and system, the kernel's
    /// work for its sockets included.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub fn cpu(self) -> io::Result<Cpu> {
        let mut sum = Cpu::default();
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end between the two looks.
            if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
                sum.used += word(&text, 0);
                sum.waited += word(&text, 1);
            }
        }
        Ok(sum)
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub fn resident(self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.pid))?;
        Ok(word(&text, 1) * PAGE_BYTES)
    }
}

fn word(text: &str, at: usize) -> u64 {
    text.split_whitespace()
        .nth(at)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_costs_something() {
        let this = Process {
            pid: std::process::id(),
        };
        assert!(this.resident().unwrap() > PAGE_BYTES);
        let before = this.cpu().unwrap().used;
        let began = crate::clock::thread_cpu();
        while crate::clock::thread_cpu() - began < 20_000_000 {}
        assert!(this.cpu().unwrap().used > before);
        assert!(Process { pid: u32::MAX }.cpu().is_err());
    }
}
