//! `[regions]`: where else the same rooms and shows are.

use std::collections::BTreeSet;

use fanwave_api::{Region, Regions, limits::REGIONS_MAX};
use fanwave_wire::limits::REGION_BYTES_MAX;

use super::{check::Check, http::is_origin, schema, settings::KeyPath};

pub(super) fn plan(check: &mut Check<'_>, regions: &schema::Regions) -> Regions {
    let key = |name| KeyPath::of("regions", name);
    if regions.ranked.len() > REGIONS_MAX {
        check.refuse(
            key("ranked"),
            format!("has at most {REGIONS_MAX} entries: a client asks all of them"),
        );
    }
    let mut ranked = Vec::new();
    let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for entry in &regions.ranked {
        let parts = entry.split_once('=');
        let Some((name, url)) = parts.filter(|(name, url)| is_name(name) && is_origin(url)) else {
            check.refuse(
                key("ranked"),
                format!("holds \"{entry}\"; a region is NAME=ADDRESS: 1 to {REGION_BYTES_MAX} of a-z, 0-9 and -, and http:// or https:// and a host, without a slash at the end"),
            );
            continue;
        };
        if !names.insert(name) || !addresses.insert(url) {
            check.refuse(
                key("ranked"),
                format!("holds \"{entry}\" or a part of it twice"),
            );
        }
        ranked.push(Region {
            name: name.into(),
            url: url.into(),
        });
    }
    let here = regions.here.as_str();
    let is_ranked = ranked.is_empty() || ranked.iter().any(|region| &*region.name == here);
    let is_one = is_name(here) && is_ranked;
    if !here.is_empty() && !is_one {
        check.refuse(key("here"), "is the name of no region of regions.ranked");
    }
    Regions {
        here: (!here.is_empty()).then(|| here.into()),
        ranked,
    }
}

fn is_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=REGION_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal)
}
