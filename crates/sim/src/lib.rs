//! A room with a hundred thousand fans on several nodes, in one thread and in virtual time.
//!
//! Real: the room's machine on every node, the sequencers, the recovery windows. Modelled: the log (`engine`), a node's
//! frames and cursors (`node`), fans, their links, and what they do. A seed decides everything that is chance, so that
//! a failure is repeated by its seed, and the same seed twice gives the same trace.
//!
//! The fans are the judges: each looks at every frame it is shown, and says at once what is wrong with it. What only the
//! whole can show is checked at the end (`verdict`). What is promised is listed in [`Report::violations`].
//!
//! ```
//! let plan = fanwave_sim::Plan { fans: 50, seconds: 2, ..fanwave_sim::Plan::of_seed(1) };
//! assert_eq!(fanwave_sim::run(&plan).violations, Vec::<String>::new());
//! ```

mod clock;
mod crowd;
mod dice;
mod engine;
mod fan;
mod node;
mod staff;
mod verdict;
mod world;

use world::World;

/// What is simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Decides all chance.
    pub seed: u64,
    /// Fans, spread over the nodes.
    pub fans: u32,
    /// Gateway nodes, 1 to 16.
    pub nodes: usize,
    /// How long fans write, drop out and are moderated, in virtual seconds; then all comes to rest.
    pub seconds: u64,
    /// Messages that fans try to send in a second, beside the flooder's 50.
    pub messages_per_second: u64,
    /// Fans of a thousand whose connection breaks in a second.
    pub drops_per_mille: u64,
}

impl Plan {
    /// A small room: 300 fans on 3 nodes for 20 seconds.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self {
            seed,
            fans: 300,
            nodes: 3,
            seconds: 20,
            messages_per_second: 60,
            drops_per_mille: 30,
        }
    }

    /// A mega-room: 100,000 fans on 4 nodes for 20 seconds.
    #[must_use]
    pub fn mega(seed: u64) -> Self {
        Self {
            fans: 100_000,
            nodes: 4,
            messages_per_second: 150,
            drops_per_mille: 5,
            ..Self::of_seed(seed)
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// A hash of everything that nodes put out and the engine answered, in order.
    pub trace: u64,
    /// Messages in the log of the chat lane.
    pub chat_stored: u64,
    /// Publications in the log of the lossless lane.
    pub room_stored: u64,
    /// Messages of the chat lane that the first node showed to everybody.
    pub chat_shown: u64,
    /// Messages that the first node did not show to everybody, but to their authors.
    pub chat_sampled_away: u64,
    /// Frames that fans have looked at.
    pub deliveries: u64,
    /// Connections that came back.
    pub returns: u64,
    /// How often a fan was told that not everything could be recovered.
    pub told_unrecovered: u64,
    /// How often a slow fan was told that messages were missed.
    pub told_missed: u64,
    /// Requests that rooms refused.
    pub refused: u64,
    /// Messages that waited for review.
    pub held: u64,
    /// Messages that were deleted.
    pub deleted: u64,
    /// Votes in the log.
    pub votes: u64,
    /// Taps that were told.
    pub taps: u64,
    /// Every broken promise, at most [`VIOLATIONS_MAX`]; empty when all were kept.
    pub violations: Vec<String>,
}

/// Broken promises that a report lists.
pub const VIOLATIONS_MAX: usize = 20;

/// Plays a plan to its end, in virtual time.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut world = World::new(plan.clone());
    world.play();
    verdict::report(world)
}
