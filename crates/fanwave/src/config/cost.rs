//! `[cost]`: what servers and what they send cost, for the page of the operators.

use fanwave_api::Prices;

use super::{check::Check, schema, settings::KeyPath};

/// Higher prices are mistakes.
const PRICE_MAX: f64 = 1e9;

/// Longest way to write a price, characters.
const PRICE_CHARS_MAX: usize = 20;

/// The prices; `None` where no currency is said.
pub(super) fn plan(check: &mut Check<'_>, cost: &schema::Cost) -> Option<Prices> {
    let per_gb = price(check, "per_gb", &cost.per_gb);
    let per_server_hour = price(check, "per_server_hour", &cost.per_server_hour);
    let currency = cost.currency.as_str();
    if currency.is_empty() {
        for (name, price) in [("per_gb", per_gb), ("per_server_hour", per_server_hour)] {
            if price > 0.0 {
                let key = KeyPath::of("cost", name);
                check.refuse(key, "needs cost.currency: a price is of something");
            }
        }
        return None;
    }
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        check.refuse(
            KeyPath::of("cost", "currency"),
            "must be three letters, as ISO 4217 has them: \"EUR\", \"KRW\"",
        );
    }
    Some(Prices {
        currency: currency.into(),
        per_gb,
        per_server_hour,
    })
}

fn price(check: &mut Check<'_>, name: &'static str, text: &str) -> f64 {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let read = Some(text).filter(|text| is_plain && text.len() <= PRICE_CHARS_MAX);
    let read = read.and_then(|text| text.parse::<f64>().ok());
    let fits = |price: &f64| (0.0..=PRICE_MAX).contains(price);
    read.filter(fits).unwrap_or_else(|| {
        check.refuse(
            KeyPath::of("cost", name),
            "must be a price, with a point where it has a fraction: \"0.085\"",
        );
        0.0
    })
}
