//! What an issuer says of somebody, as far as it means something here.

use std::{borrow::Cow, sync::Arc};

use fanwave_wire::{Role, limits::NAME_CHARS_MAX};
use serde_json::{Map, Value};

use crate::name;

/// What somebody may do, by what their issuer says of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// The claim that says it: its name, or `/` and the names on the way to it. `None`: roles are given here.
    pub claim: Option<String>,
    /// What the values of the claim mean.
    pub values: Vec<(String, Role)>,
}

impl Roles {
    /// The role of somebody, if it is the issuer's to say: the highest that one of their values means, else a fan's.
    pub(super) fn of(&self, claims: &Map<String, Value>) -> Option<Role> {
        let claim = self.claim.as_deref()?;
        let found = match claim.strip_prefix('/') {
            Some(path) => {
                let mut names = path.split('/');
                let first = names.next().and_then(|name| claims.get(name));
                names.fold(first, |value, name| value?.get(name))
            }
            None => claims.get(claim),
        };
        let values = match found {
            Some(Value::Array(values)) => values.as_slice(),
            Some(value) => std::slice::from_ref(value),
            None => &[],
        };
        let roles = values.iter().filter_map(Value::as_str).filter_map(|value| {
            let meant = self.values.iter().find(|(known, _)| known == value);
            meant.map(|(_, role)| *role)
        });
        Some(roles.max().unwrap_or_default())
    }
}

/// What somebody is called, if a claim has it that everybody may see: an address of mail is none.
pub(super) fn name(claims: &Map<String, Value>) -> Option<Arc<str>> {
    let told = ["name", "preferred_username", "nickname"];
    let told = told.iter().filter_map(|claim| claims.get(*claim)?.as_str());
    told.filter(|text| !text.contains('@'))
        .find_map(|text| name::parse(&shortened(text)).ok())
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default().into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_highest_role_that_a_value_means_is_taken_and_else_a_fans() {
        let values = [
            ("crew", Role::Staff),
            ("mods", Role::Moderator),
            ("club", Role::Member),
        ];
        let roles = |claim: Option<&str>| Roles {
            claim: claim.map(str::to_owned),
            values: values
                .map(|(value, role)| (value.to_owned(), role))
                .to_vec(),
        };
        let flat = roles(Some("groups"));
        for (groups, expected) in [
            (json!(["club", "mods", "other"]), Role::Moderator),
            (json!("crew"), Role::Staff),
            (json!("crew mods"), Role::Fan),
            (json!(["CREW", 7, null, ["crew"]]), Role::Fan),
            (json!({ "crew": true }), Role::Fan),
            (json!(null), Role::Fan),
        ] {
            let told = claims(json!({ "groups": groups }));
            assert_eq!(flat.of(&told), Some(expected), "{told:?}");
        }
        assert_eq!(flat.of(&Map::new()), Some(Role::Fan));
        assert_eq!(roles(None).of(&claims(json!({ "groups": "crew" }))), None);
        let deep = claims(json!({ "realm": { "roles": ["mods"] }, "https://a.example/r": "club" }));
        assert_eq!(roles(Some("/realm/roles")).of(&deep), Some(Role::Moderator));
        assert_eq!(roles(Some("/realm/none/x")).of(&deep), Some(Role::Fan));
        assert_eq!(
            roles(Some("https://a.example/r")).of(&deep),
            Some(Role::Member)
        );
    }

    #[test]
    fn a_name_is_one_that_everybody_may_see() {
        for (told, expected) in [
            (json!({ "name": " 미나 ", "nickname": "m" }), Some("미나")),
            (
                json!({ "name": "a@b.example", "preferred_username": "mina" }),
                Some("mina"),
            ),
            (
                json!({ "name": "\u{202E}anim", "nickname": "mina" }),
                Some("mina"),
            ),
            (json!({ "name": 7, "nickname": "  " }), None),
            (json!({ "preferred_username": "mina@b.example" }), None),
        ] {
            assert_eq!(name(&claims(told)).as_deref(), expected);
        }
        let long = claims(json!({ "name": "미".repeat(NAME_CHARS_MAX + 1) }));
        let long = name(&long).unwrap();
        assert_eq!(long.chars().count(), NAME_CHARS_MAX);
    }
}
