use fanwave_wire::envelope::Sent;
use proptest::prelude::*;

use super::*;
use crate::limits::HEARTBEAT;

const OWN: NodeId = NodeId(0);
const SILENCE_MS: u64 = 5_000;

fn about(state: NodeState) -> About {
    About {
        name: "a".parse().unwrap(),
        release: "0.1.0".into(),
        started_at: UnixMillis(0),
        state,
        connections: 0,
        connections_max: 1,
        rooms: 0,
        busy_permille: 0,
        region: None,
        viewers: 0,
        sent: Sent::default(),
    }
}

fn channel(number: u32) -> Channel {
    format!("chat:{number}").parse().unwrap()
}

fn said(node: u64, serial: u64, crowds: &[(u32, u32, u32)]) -> Hearsay {
    let crowds = crowds.iter().map(|(number, clients, users)| {
        let crowd = Crowd {
            clients: *clients,
            users: *users,
        };
        (channel(*number), crowd)
    });
    Hearsay {
        node: NodeId(node),
        serial,
        about: about(NodeState::Serving),
        crowds: crowds.collect(),
        taps: BTreeMap::new(),
    }
}

fn with_state(state: NodeState, hearsay: Hearsay) -> Hearsay {
    Hearsay {
        about: about(state),
        ..hearsay
    }
}

fn stats(num_clients: usize, num_users: usize) -> Stats {
    Stats {
        num_clients,
        num_users,
    }
}

fn nobody_new() -> Heard {
    Heard::Taken(BTreeMap::new())
}

#[test]
fn counts_are_the_sum_over_the_nodes_that_are_there() {
    let mut census = Census::new(OWN);
    assert_eq!(
        census.hear(UnixMillis(0), said(1, 1, &[(7, 3, 2)])),
        nobody_new()
    );
    assert_eq!(
        census.hear(UnixMillis(9), said(2, 1, &[(7, 4, 4), (8, 1, 1)])),
        nobody_new()
    );
    assert_eq!(census.others(&channel(7)), stats(7, 6));
    census.hear(UnixMillis(9), said(1, 2, &[(7, 0, 0)]));
    assert_eq!(census.others(&channel(7)), stats(4, 4));
    census.hear(UnixMillis(9), with_state(NodeState::Gone, said(2, 2, &[])));
    assert_eq!(census.others(&channel(7)), stats(0, 0));
    assert_eq!(census.totals.len(), 0);
    let ids: Vec<NodeId> = census.nodes().map(|node| node.id).collect();
    assert_eq!(ids, [NodeId(1)], "whoever says farewell is gone at once");
}

#[test]
fn own_words_and_late_ones_are_passed_over() {
    let mut census = Census::new(OWN);
    assert_eq!(
        census.hear(UnixMillis(0), said(0, 1, &[(7, 3, 2)])),
        Heard::Own
    );
    let taps = BTreeMap::from([("demo".parse().unwrap(), Taps::new())]);
    let tapped = Hearsay {
        taps: taps.clone(),
        ..said(1, 5, &[])
    };
    assert_eq!(
        census.hear(UnixMillis(0), tapped.clone()),
        Heard::Taken(taps)
    );
    assert_eq!(
        census.hear(UnixMillis(0), tapped),
        Heard::Late,
        "a tap counts once"
    );
    assert_eq!(
        census.hear(UnixMillis(0), said(1, 4, &[(7, 3, 2)])),
        Heard::Late
    );
    census.hear(UnixMillis(0), with_state(NodeState::Gone, said(1, 6, &[])));
    assert_eq!(
        census.hear(UnixMillis(0), said(1, 3, &[(7, 3, 2)])),
        Heard::Late
    );
    assert_eq!(census.nodes().count(), 0, "nothing late brings it back");
    assert_eq!(census.others(&channel(7)), stats(0, 0));
}

#[test]
fn a_node_that_is_silent_is_gone_with_its_fans() {
    let mut census = Census::new(OWN);
    census.hear(UnixMillis(1_000), said(1, 1, &[(7, 3, 2)]));
    census.handle_timeout(UnixMillis(1_000 + SILENCE_MS - 1));
    assert_eq!(
        census.nodes().map(|node| node.heard_at).next(),
        Some(UnixMillis(1_000))
    );
    census.handle_timeout(UnixMillis(1_000 + SILENCE_MS));
    assert_eq!(
        (census.nodes().count(), census.others(&channel(7))),
        (0, stats(0, 0))
    );
    assert_eq!(Duration::from_millis(SILENCE_MS), NODE_SILENCE_MAX);
    assert!(
        HEARTBEAT * 4 < NODE_SILENCE_MAX,
        "one lost heartbeat is none"
    );
}

#[test]
fn a_channel_that_is_mentioned_no_more_is_forgotten_though_its_node_is_there() {
    let mut census = Census::new(OWN);
    census.hear(UnixMillis(0), said(1, 1, &[(7, 3, 2), (8, 1, 1)]));
    census.hear(UnixMillis(SILENCE_MS - 1), said(1, 2, &[(8, 1, 1)]));
    census.handle_timeout(UnixMillis(SILENCE_MS));
    assert_eq!(census.others(&channel(7)), stats(0, 0));
    assert_eq!(census.others(&channel(8)), stats(1, 1));
}

#[test]
fn nodes_and_counts_are_bounded() {
    let mut census = Census::new(OWN);
    let nodes = u64::try_from(NODES_MAX).unwrap();
    for node in 1..=nodes {
        assert_eq!(census.hear(UnixMillis(0), said(node, 1, &[])), nobody_new());
    }
    assert_eq!(
        census.hear(UnixMillis(0), said(nodes + 1, 1, &[])),
        Heard::Full
    );
    assert_eq!(
        census.hear(UnixMillis(0), said(nodes, 2, &[])),
        nobody_new()
    );
    let many = u32::try_from(CENSUS_CROWDS_MAX).unwrap() + 5;
    let crowds: Vec<_> = (0..many).map(|number| (number, 1, 1)).collect();
    census.hear(UnixMillis(0), said(1, 2, &crowds));
    assert_eq!(census.crowds, CENSUS_CROWDS_MAX);
    assert_eq!(census.totals.len(), CENSUS_CROWDS_MAX);
}

/// What happens to a census, and a plain list of it.
#[derive(Debug, Clone)]
enum Step {
    Say(u64, u64, NodeState, Vec<(u32, u32)>),
    Look,
}

fn any_step() -> impl Strategy<Value = (u64, Step)> {
    let state = prop::sample::select(vec![
        NodeState::Serving,
        NodeState::Serving,
        NodeState::Draining,
        NodeState::Gone,
    ]);
    let crowds = prop::collection::vec((0u32..3, 0u32..4), 0..4);
    let step = prop_oneof![
        4 => (0u64..4, 1u64..30, state, crowds)
            .prop_map(|(node, serial, state, crowds)| Step::Say(node, serial, state, crowds)),
        1 => Just(Step::Look),
    ];
    (0u64..2_500, step)
}

/// The newest that was taken of each node, in the order in which it came.
type Taken = BTreeMap<u64, Vec<(u64, Hearsay)>>;

/// A node's count of a channel, by reading all that it has said since it was last forgotten.
fn expected(taken: &Taken, now: u64, wanted: &Channel) -> Stats {
    let mut sum = stats(0, 0);
    for said in taken.values() {
        let (_, last) = said.last().expect("nobody is known who has said nothing");
        let mention = said.iter().rev().find_map(|(at, hearsay)| {
            let crowd = hearsay.crowds.get(wanted)?;
            Some((*at, *crowd))
        });
        if last.about.state == NodeState::Gone {
            continue;
        }
        if let Some((at, crowd)) = mention
            && now - at < SILENCE_MS
            && crowd.clients > 0
        {
            sum.num_clients += wide(crowd.clients);
            sum.num_users += wide(crowd.users);
        }
    }
    sum
}

proptest! {
    /// The census is what a reader of all that was said would find, at every moment.
    #[test]
    fn it_is_what_a_reader_of_everything_would_find(steps in prop::collection::vec(any_step(), 0..80)) {
        let mut census = Census::new(OWN);
        let mut taken = Taken::new();
        let mut now = 0;
        for (gap, step) in steps {
            now += gap;
            census.handle_timeout(UnixMillis(now));
            taken.retain(|_, said| said.last().is_some_and(|(at, _)| now - at < SILENCE_MS));
            if let Step::Say(node, serial, state, crowds) = step {
                let crowds: Vec<_> = crowds.into_iter().map(|(number, clients)| (number, clients, clients / 2)).collect();
                let hearsay = with_state(state, said(node, serial, &crowds));
                let last = taken.get(&node).and_then(|said| said.last());
                let is_late = last.is_some_and(|(_, last)| last.serial >= serial);
                let expected = match node {
                    0 => Heard::Own,
                    _ if is_late => Heard::Late,
                    _ => nobody_new(),
                };
                if expected == nobody_new() {
                    let said = taken.entry(node).or_default();
                    // With its last words everything before is forgotten, should it speak again all the same.
                    if state == NodeState::Gone {
                        said.clear();
                    }
                    let kept = if state == NodeState::Gone { Vec::new() } else { crowds };
                    said.push((now, with_state(state, self::said(node, serial, &kept))));
                }
                prop_assert_eq!(census.hear(UnixMillis(now), hearsay), expected);
            }
            for number in 0..3 {
                let channel = channel(number);
                prop_assert_eq!(census.others(&channel), expected(&taken, now, &channel));
            }
            let there = taken.iter().filter(|(_, said)| {
                said.last().is_some_and(|(_, last)| last.about.state != NodeState::Gone)
            });
            let there: Vec<NodeId> = there.map(|(node, _)| NodeId(*node)).collect();
            prop_assert_eq!(census.nodes().map(|node| node.id).collect::<Vec<_>>(), there);
            prop_assert!(census.totals.values().all(|total| total.nodes > 0));
        }
    }
}
