//! One seed of the simulation: `make sim SEED=7`. Prints what happened, and fails when a promise was broken.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::process::ExitCode;

use fanwave_sim::{Plan, run};

fn main() -> ExitCode {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok());
    let Some(seed) = seed else {
        println!("usage: sim SEED [small]");
        return ExitCode::FAILURE;
    };
    let is_small = std::env::args().nth(2).is_some_and(|size| size == "small");
    let plan = if is_small {
        Plan::of_seed(seed)
    } else {
        Plan::mega(seed)
    };
    let report = run(&plan);
    println!("{plan:#?}\n{report:#?}");
    if report.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
