//! What to make of a run: whether its figures mean anything, whether anything was lost, and what to do about it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Report;
use crate::{
    Scenario,
    limits::{BUSY_PERCENT_MAX, SCHEDULE_LAG_MAX},
};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The server was measured, not this tool: nothing in [`Verdict::invalid`].
    pub valid: bool,
    /// Why the figures say nothing about the server.
    pub invalid: Vec<String>,
    /// Every fan got every message of the lossless lane exactly once, in order, and nobody anything of another room.
    pub nothing_lost: bool,
    /// What else a reader should know, with what to do about it.
    pub notes: Vec<String>,
}

impl Verdict {
    pub(super) fn of(report: &Report, refused: &BTreeMap<u32, u64>) -> Self {
        let invalid = invalid(report);
        let lane = &report.lossless;
        Self {
            valid: invalid.is_empty(),
            invalid,
            nothing_lost: lane.balance.missing == 0
                && lane.duplicates == 0
                && lane.reorders == 0
                && report.strays == 0,
            notes: notes(report, refused),
        }
    }
}

fn invalid(report: &Report) -> Vec<String> {
    let mut reasons = Vec::new();
    let generator = &report.generator;
    if generator.busy_percent >= BUSY_PERCENT_MAX {
        reasons.push(format!(
            "the generator was busy {} % of the time: it, not the server, was the limit; use more --workers, another \
             machine, or less load",
            generator.busy_percent
        ));
    }
    if report.run.scenario == Scenario::Ramp.name()
        && generator.ramp_busy_percent >= BUSY_PERCENT_MAX
    {
        reasons.push(ramp_was_busy(generator.ramp_busy_percent));
    }
    let lag_max = u64::try_from(SCHEDULE_LAG_MAX.as_micros()).unwrap_or(u64::MAX);
    if generator.lag.p99_us > lag_max {
        reasons.push(format!(
            "messages were sent {} ms late (99th percentile): the offered load is not the ordered one; use more \
             --workers or another machine",
            generator.lag.p99_us / 1_000
        ));
    }
    if report.connect.failures.contains_key("no local port left") {
        reasons.push(
            "this machine ran out of ports: wait a minute for those of the last run, or widen \
             net.ipv4.ip_local_port_range"
                .to_owned(),
        );
    }
    reasons
}

fn ramp_was_busy(percent: u32) -> String {
    format!(
        "the generator was busy {percent} % of the ramp: the times to connect are its own as much as the server's; use a \
         lower --connect-rate or more --workers"
    )
}

fn notes(report: &Report, refused: &BTreeMap<u32, u64>) -> Vec<String> {
    let mut notes = Vec::new();
    let fans = u64::from(report.run.fans);
    if report.connect.connected < fans {
        notes.push(format!(
            "{} of {fans} fans were connected when messages began; a lower --connect-rate may let more in, and the \
             server's own limit of connections bounds them",
            report.connect.connected
        ));
    }
    if report.generator.ramp_busy_percent >= BUSY_PERCENT_MAX
        && report.run.scenario != Scenario::Ramp.name()
    {
        notes.push(ramp_was_busy(report.generator.ramp_busy_percent));
    }
    for (code, count) in refused {
        let hint = match code {
            111 => {
                "; the server limits how fast one user may send: start it with FANWAVE__CHAT__REFILL=0s to measure \
                 beyond that"
            }
            103 => "; the token may not write there: the lossless lane needs a staff token",
            _ => "",
        };
        notes.push(format!(
            "the server refused {count} messages with error {code}{hint}"
        ));
    }
    if report.closes.contains_key(&3013) {
        notes.push(
            "the server cut connections that sent too many commands (3013): start it with a higher \
             FANWAVE__CHAT__COMMANDS_PER_SECOND to measure beyond that"
                .to_owned(),
        );
    }
    push_accounts(report, &mut notes);
    if report.returns.away > 0 {
        notes.push(format!(
            "{} fans were not connected at the end",
            report.returns.away
        ));
    }
    notes
}

/// What the accounts of the fans say.
fn push_accounts(report: &Report, notes: &mut Vec<String>) {
    let lane = &report.lossless;
    if lane.balance.missing > 0 {
        notes.push(format!(
            "{} messages of the lossless lane never reached {} fans",
            lane.balance.missing, lane.balance.fans_missing
        ));
    }
    let silent = report.servers.iter();
    let silent = silent.filter(|server| server.connected > 0 && server.deliveries == 0);
    if lane.balance.missing > 0 && !report.run.each_server_alone && silent.count() > 0 {
        notes.push(
            "a server delivered nothing to its fans: if the servers share nothing, say so with --each-server-alone"
                .to_owned(),
        );
    }
    if lane.duplicates > 0 || lane.reorders > 0 {
        notes.push(format!(
            "the lossless lane had {} duplicates and {} reorders",
            lane.duplicates, lane.reorders
        ));
    }
    if report.strays > 0 {
        notes.push(format!(
            "{} messages reached fans of other rooms",
            report.strays
        ));
    }
    if lane.unanswered > 0 {
        notes.push(format!(
            "{} messages of the lossless lane were never answered",
            lane.unanswered
        ));
    }
}
