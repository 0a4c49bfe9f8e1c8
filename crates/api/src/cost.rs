//! `GET /api/v1/cost`: what the servers have sent and how long they have run, and what that has cost. For staff alone.
//!
//! Only what is there is counted: each server since it was started, as it tells it itself. A server that was started anew
//! begins at 0, and one that is gone is out of the sum. What a CDN sends to viewers is on the CDN's bill and not here; what it
//! fetches from these servers is. Bytes are those of answers and messages, without the headers of any protocol below them.

use std::sync::Arc;

use axum::extract::State;
use fanwave_room::census::Node;
use fanwave_wire::UnixMillis;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api,
    channels::{Answer, fresh},
    extract::Staff,
};

/// A gigabyte as networks are billed: of powers of ten.
const GB: f64 = 1e9;

const HOUR_MS: f64 = 3_600_000.0;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What things cost, as the operator says it. Prices are not negative.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Prices {
    /// Of what: three letters, as ISO 4217 has them.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
    pub currency: Arc<str>,
    /// Of 1,000,000,000 bytes that are sent.
    #[schema(minimum = 0, example = 0.085)]
    pub per_gb: f64,
    /// Of a server, for an hour.
    #[schema(minimum = 0, example = 0.34)]
    pub per_server_hour: f64,
}

/// What the servers that are there have used since each of them was started, and what it has cost.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cost)]
pub(crate) struct Described {
    /// Milliseconds since 1970.
    #[schema(value_type = u64)]
    now: UnixMillis,
    /// When the first of them was started, milliseconds since 1970.
    #[schema(value_type = u64)]
    since: UnixMillis,
    /// How many there are.
    servers: usize,
    /// Hours that they have run, together.
    #[schema(minimum = 0)]
    server_hours: f64,
    /// Sent to fans' sockets, bytes.
    chat_bytes: u64,
    /// Sent in answers over HTTP, bytes: the broadcast, pages and the API.
    http_bytes: u64,
    /// People at this moment: those who watch or those who are connected to the chat, whichever are more.
    audience: u64,
    /// What things cost; null where the operator has not said it.
    prices: Option<Prices>,
    /// What it has come to; null without prices.
    money: Option<Money>,
}

/// Sums in the currency of the prices, not rounded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CostSums)]
struct Money {
    /// Of the chat's bytes.
    #[schema(minimum = 0)]
    chat: f64,
    /// Of the bytes over HTTP.
    #[schema(minimum = 0)]
    http: f64,
    /// Of the servers' hours.
    #[schema(minimum = 0)]
    servers: f64,
    /// Of all of this.
    #[schema(minimum = 0)]
    total: f64,
    /// The total for each 1,000 of `audience`; null while nobody is there.
    per_thousand: Option<f64>,
}

/// Reads what it has cost
///
/// What the servers that are there have sent and how long they have run, each since it was started, and what that has cost. What
/// a CDN in front sends is not seen. For staff.
#[utoipa::path(
    get, path = "/cost", tag = "servers", operation_id = "readCost", security(("bearer" = [])),
    responses((status = 200, description = "So far.", body = Described)),
)]
async fn show(State(api): State<Arc<Api>>, Staff { now }: Staff) -> Answer<Described> {
    fresh(describe(now, &api.nodes.nodes(), api.prices.as_ref()))
}

fn describe(now: UnixMillis, nodes: &[Node], prices: Option<&Prices>) -> Described {
    let started = nodes.iter().map(|node| node.about.started_at);
    let age_ms = |since: UnixMillis| now.0.saturating_sub(since.0);
    let used = Used {
        hours: started.clone().map(|at| float(age_ms(at))).sum::<f64>() / HOUR_MS,
        chat_bytes: sum(nodes.iter().map(|node| node.about.sent.chat_bytes)),
        http_bytes: sum(nodes.iter().map(|node| node.about.sent.http_bytes)),
    };
    let people = |of: fn(&Node) -> u32| nodes.iter().map(of).map(u64::from).sum::<u64>();
    let audience = people(|node| node.about.viewers).max(people(|node| node.about.connections));
    Described {
        now,
        since: started.min().unwrap_or(now),
        servers: nodes.len(),
        server_hours: used.hours,
        chat_bytes: used.chat_bytes,
        http_bytes: used.http_bytes,
        audience,
        money: prices.map(|prices| money(&used, prices, audience)),
        prices: prices.cloned(),
    }
}

/// What is paid for.
struct Used {
    hours: f64,
    chat_bytes: u64,
    http_bytes: u64,
}

fn money(used: &Used, prices: &Prices, audience: u64) -> Money {
    let of_bytes = |bytes| float(bytes) / GB * prices.per_gb;
    let (chat, http) = (of_bytes(used.chat_bytes), of_bytes(used.http_bytes));
    let servers = used.hours * prices.per_server_hour;
    let total = chat + http + servers;
    Money {
        chat,
        http,
        servers,
        total,
        per_thousand: (audience > 0).then(|| total / float(audience) * 1_000.0),
    }
}

/// What others say of themselves may be anything.
fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

/// Exact up to 2^53, which is 9,000 terabytes; beyond it, to 16 digits.
#[expect(
    clippy::cast_precision_loss,
    reason = "16 digits are more than anybody is billed by"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use fanwave_wire::envelope::{About, NodeId, NodeState, Sent};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn node(id: u64, hours: u64, (viewers, connections): (u32, u32), sent: Sent) -> Node {
        Node {
            id: NodeId(id),
            about: About {
                name: "a".parse().unwrap(),
                release: "0.1.0".into(),
                started_at: UnixMillis(NOW.0 - hours * 3_600_000),
                state: NodeState::Serving,
                connections,
                connections_max: 1,
                rooms: 1,
                busy_permille: 0,
                region: None,
                viewers,
                sent,
            },
            heard_at: NOW,
        }
    }

    fn prices() -> Prices {
        Prices {
            currency: "EUR".into(),
            per_gb: 0.05,
            per_server_hour: 0.5,
        }
    }

    fn near(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn what_all_servers_have_used_is_added_up_and_priced() {
        let sent = |chat_bytes, http_bytes| Sent {
            chat_bytes,
            http_bytes,
        };
        let nodes = [
            node(1, 10, (400, 900), sent(1_000_000_000, 40_000_000_000)),
            node(2, 4, (100, 100), sent(500_000_000, 19_000_000_000)),
        ];
        let cost = describe(NOW, &nodes, Some(&prices()));
        assert_eq!((cost.servers, cost.audience), (2, 1_000));
        assert_eq!(cost.since, UnixMillis(NOW.0 - 36_000_000));
        assert!(near(cost.server_hours, 14.0), "{}", cost.server_hours);
        assert_eq!(cost.chat_bytes, 1_500_000_000);
        assert_eq!(cost.http_bytes, 59_000_000_000);
        let money = cost.money.unwrap();
        assert!(near(money.chat, 0.075), "{money:?}");
        assert!(near(money.http, 2.95), "{money:?}");
        assert!(near(money.servers, 7.0), "{money:?}");
        assert!(near(money.total, 10.025), "{money:?}");
        assert!(near(money.per_thousand.unwrap(), 10.025), "{money:?}");
    }

    #[test]
    fn without_prices_there_is_no_money_and_without_people_no_share() {
        let none = describe(NOW, &[node(1, 1, (0, 0), Sent::default())], None);
        assert!(none.money.is_none() && none.prices.is_none());
        assert!(near(none.server_hours, 1.0));
        let alone = describe(NOW, &[node(1, 1, (0, 0), Sent::default())], Some(&prices()));
        assert_eq!(alone.money.unwrap().per_thousand, None);
    }

    #[test]
    fn nothing_that_a_server_says_of_itself_overflows() {
        let most = Sent {
            chat_bytes: u64::MAX,
            http_bytes: u64::MAX,
        };
        let mut later = node(2, 0, (u32::MAX, u32::MAX), most);
        later.about.started_at = UnixMillis(u64::MAX);
        let nodes = [node(1, 1, (u32::MAX, u32::MAX), most), later];
        let cost = describe(NOW, &nodes, Some(&prices()));
        assert_eq!(cost.chat_bytes, u64::MAX);
        assert_eq!(cost.audience, 2 * u64::from(u32::MAX));
        assert!(cost.money.unwrap().total.is_finite());
    }
}
