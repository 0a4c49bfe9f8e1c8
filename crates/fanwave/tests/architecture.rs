//! The layers, guarded: which crate may import which, and what a pure crate may never import.
//!
//! Each manifest says its crate's layer in `[package.metadata.layer] kind`. A wrong edge or a banned dependency fails
//! this test by name. The rules are pure functions over a small model of the workspace, and are tested themselves: with
//! models that break them, and with a real workspace on disk in which a pure crate has gained tokio.

use std::{collections::BTreeMap, fs, path::Path};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// One crate of the workspace, as far as the rules care.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    /// Without the prefix `fanwave-`.
    name: String,
    /// What its manifest says; `None` when it says nothing.
    layer: Option<String>,
    /// Names of all dependencies it is built from, ours without the prefix.
    imports: Vec<String>,
    /// The same of its tests.
    test_imports: Vec<String>,
    /// Whether a `clippy.toml` of its own bans clocks, threads and hash maps.
    has_own_lints: bool,
}

/// What each crate may import of ours, beside what its layer forbids to all. A new edge belongs here with its reason.
///
/// * `room -> wire`: a room speaks of ids, messages and limits, which `wire` defines.
/// * `bus -> room`: the in-process engine drives the room's sequencer, and both engines keep a room's window;
///   `bus -> store`: the log of the in-process engine is the store.
/// * `origin -> vault`: media that no longer fits into memory. `vault` knows files, and nothing of ours.
/// * `load -> wire` and `sim -> wire, room`: they speak the protocol, or drive the pure machines. Nobody but the root
///   imports `load`, for its subcommand, and nobody at all `sim`.
/// * `fuzz` calls the parsers of the pure crates and of `judge`, and in `origin` what reads the answers of platforms that shows
///   are pushed on to; it is no part of the binary.
/// * `judge` imports nothing of ours: it must not share a mistake with what it judges. Only the root imports it, for its
///   subcommand, and `fuzz`.
/// * Shells meet through the bus, HTTP or `wire`; the root alone sees them all.
const EDGES: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("room", &["wire"]),
    ("live", &[]),
    ("media", &[]),
    ("http2", &[]),
    ("store", &["wire"]),
    ("vault", &[]),
    ("bus", &["wire", "room", "store"]),
    ("gateway", &["wire", "room", "bus"]),
    ("origin", &["wire", "media", "live", "vault"]),
    ("api", &["wire", "room", "bus", "store"]),
    ("load", &["wire"]),
    ("judge", &[]),
    ("sim", &["wire", "room"]),
    (
        "fuzz",
        &["wire", "live", "media", "http2", "origin", "judge"],
    ),
    (
        "fanwave",
        &[
            "wire", "room", "live", "media", "http2", "store", "vault", "bus", "gateway", "origin",
            "api", "load", "judge",
        ],
    ),
];

/// `dev` crates prove the others; only the root may import one, and only for a command of its own.
const LAYERS: [&str; 5] = ["pure", "port", "shell", "dev", "root"];

/// Runtimes, sockets, clocks, threads, randomness, stores: whatever makes a machine depend on more than its input.
const BANNED_IN_PURE: &[&str] = &[
    "async-nats",
    "async-std",
    "axum",
    "chrono",
    "crossbeam-channel",
    "futures-executor",
    "getrandom",
    "hyper",
    "hyper-util",
    "jiff",
    "mio",
    "parking_lot",
    "rand",
    "rayon",
    "redis",
    "reqwest",
    "rskafka",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "time",
    "tokio",
    "tokio-tungstenite",
    "tokio-util",
    "tower",
    "tower-http",
    "tracing",
    "tungstenite",
    "uuid",
];

/// Everything that is wrong with a workspace.
fn violations(members: &[Member]) -> Vec<String> {
    let layers: BTreeMap<&str, &str> = members
        .iter()
        .map(|m| (m.name.as_str(), m.layer.as_deref().unwrap_or("")))
        .collect();
    let mut found = Vec::new();
    for member in members {
        let name = &member.name;
        let layer = member.layer.as_deref().unwrap_or("");
        if !LAYERS.contains(&layer) {
            found.push(format!(
                "{name}: [package.metadata.layer] kind must be one of {LAYERS:?}"
            ));
        }
        let allowed = EDGES
            .iter()
            .find(|(crate_name, _)| crate_name == name)
            .map(|(_, allowed)| *allowed);
        if allowed.is_none() {
            found.push(format!(
                "{name}: the architecture test does not know this crate"
            ));
        }
        let allowed = allowed.unwrap_or(&[]);
        for (import, in_tests) in all_imports(member) {
            let Some(import_layer) = layers.get(import).copied() else {
                continue;
            };
            // A shell's tests may stand on a real port instead of an imitation: the shell's code still cannot see it.
            let on_a_port = in_tests && layer == "shell" && import_layer == "port";
            if import_layer == "shell" && layer == "shell" {
                found.push(format!("{name} -> {import}: a shell never imports a shell"));
            } else if !allowed.contains(&import) && !on_a_port {
                found.push(format!(
                    "{name} -> {import}: this edge is not in the architecture"
                ));
            }
        }
        if layer == "pure" {
            let banned = member
                .imports
                .iter()
                .filter(|import| BANNED_IN_PURE.contains(&import.as_str()));
            found.extend(
                banned.map(|import| format!("{name} -> {import}: a pure crate never imports it")),
            );
            if !member.has_own_lints {
                found.push(format!(
                    "{name}: a pure crate has a clippy.toml that bans clocks, threads and hash maps"
                ));
            }
        }
    }
    found
}

/// Every import, and whether only the tests have it.
fn all_imports(member: &Member) -> impl Iterator<Item = (&str, bool)> {
    let code = member.imports.iter().map(|import| (import.as_str(), false));
    code.chain(
        member
            .test_imports
            .iter()
            .map(|import| (import.as_str(), true)),
    )
}

/// Reads a workspace from disk, without asking the network.
fn read(manifest: &Path) -> Vec<Member> {
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo can describe the workspace");
    let members = metadata.packages.iter().map(|package| {
        let imports = |kinds: &[DependencyKind]| {
            let of_kind = package
                .dependencies
                .iter()
                .filter(|dependency| kinds.contains(&dependency.kind));
            of_kind
                .map(|dependency| short(&dependency.name).to_owned())
                .collect()
        };
        let lints = package.manifest_path.with_file_name("clippy.toml");
        Member {
            name: short(&package.name).to_owned(),
            layer: package.metadata["layer"]["kind"]
                .as_str()
                .map(str::to_owned),
            imports: imports(&[DependencyKind::Normal, DependencyKind::Build]),
            test_imports: imports(&[DependencyKind::Development]),
            has_own_lints: fs::read_to_string(lints).is_ok_and(|text| bans_impurity(&text)),
        }
    });
    members.collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix("fanwave-").unwrap_or(name)
}

/// Whether a `clippy.toml` bans the standard library's ways to be impure.
fn bans_impurity(text: &str) -> bool {
    [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "std::thread::spawn",
        "std::collections::HashMap",
    ]
    .iter()
    .all(|path| text.contains(path))
}

/// A member that breaks nothing.
fn member(name: &str, layer: &str, imports: &[&str]) -> Member {
    Member {
        name: name.to_owned(),
        layer: Some(layer.to_owned()),
        imports: imports.iter().map(|import| (*import).to_owned()).collect(),
        test_imports: Vec::new(),
        has_own_lints: true,
    }
}

#[test]
fn this_workspace_keeps_to_its_layers() {
    let members = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
    assert_eq!(
        members.len(),
        EDGES.len(),
        "every crate of the architecture is there, and no other"
    );
    assert_eq!(violations(&members), Vec::<String>::new());
}

#[test]
fn what_the_architecture_allows_passes() {
    let fine = [
        member("wire", "pure", &["serde", "thiserror"]),
        member("room", "pure", &["wire"]),
        member("bus", "port", &["wire", "room", "store", "tokio"]),
        member("store", "port", &["wire", "sqlx"]),
        member("gateway", "shell", &["wire", "room", "bus", "tokio", "mio"]),
        member("fanwave", "root", &["wire", "gateway", "tokio"]),
    ];
    assert_eq!(violations(&fine), Vec::<String>::new());
}

#[test]
fn a_pure_crate_that_gains_tokio_fails() {
    let broken = [member("wire", "pure", &["serde", "tokio"])];
    assert_eq!(
        violations(&broken),
        ["wire -> tokio: a pure crate never imports it"]
    );
}

#[test]
fn a_shell_that_imports_a_shell_fails() {
    let mut broken = vec![
        member("gateway", "shell", &["origin"]),
        member("origin", "shell", &[]),
    ];
    assert_eq!(
        violations(&broken),
        ["gateway -> origin: a shell never imports a shell"]
    );
    // Nor may its tests.
    broken[0].test_imports = std::mem::take(&mut broken[0].imports);
    assert_eq!(
        violations(&broken),
        ["gateway -> origin: a shell never imports a shell"]
    );
}

#[test]
fn a_shell_s_tests_may_stand_on_a_real_port() {
    let mut gateway = member("gateway", "shell", &["bus"]);
    gateway.test_imports = vec!["store".to_owned()];
    let store = member("store", "port", &[]);
    let bus = member("bus", "port", &["store"]);
    assert_eq!(
        violations(&[gateway.clone(), store.clone(), bus.clone()]),
        Vec::<String>::new()
    );
    gateway.imports.append(&mut gateway.test_imports);
    let found = violations(&[gateway, store, bus]);
    assert_eq!(
        found,
        ["gateway -> store: this edge is not in the architecture"]
    );
}

#[test]
fn an_edge_that_nobody_argued_for_fails() {
    let broken = [
        member("wire", "pure", &["room"]),
        member("room", "pure", &[]),
        member("store", "port", &["bus"]),
        member("bus", "port", &["fanwave"]),
        member("fanwave", "root", &[]),
    ];
    assert_eq!(
        violations(&broken),
        [
            "wire -> room: this edge is not in the architecture",
            "store -> bus: this edge is not in the architecture",
            "bus -> fanwave: this edge is not in the architecture",
        ]
    );
}

#[test]
fn a_crate_without_a_layer_or_a_place_fails() {
    let mut stray = member("helpers", "pure", &[]);
    stray.layer = None;
    let found = violations(&[stray]);
    assert!(found[0].contains("kind must be one of"), "{found:?}");
    assert!(found[1].contains("does not know this crate"), "{found:?}");
}

#[test]
fn a_pure_crate_without_its_lints_fails() {
    let mut lax = member("live", "pure", &[]);
    lax.has_own_lints = false;
    assert_eq!(violations(&[lax]).len(), 1);
    assert!(!bans_impurity("disallowed-methods = []"));
}

/// A real workspace in which `wire`, a pure crate, has gained tokio, and the gateway the origin.
#[test]
fn a_broken_workspace_on_disk_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    // A stand-in of the same name, outside the workspace: the rules go by names, and nothing is downloaded.
    let outside = tempfile::tempdir().unwrap();
    let write = |folder: &Path, path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let package = |name: &str, layer: &str, dependencies: &str| {
        let manifest = format!(
            "[package]\nname = \"fanwave-{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [package.metadata.layer]\nkind = \"{layer}\"\n[dependencies]\n{dependencies}\n"
        );
        write(folder.path(), &format!("{name}/Cargo.toml"), &manifest);
        write(folder.path(), &format!("{name}/src/lib.rs"), "");
    };
    let stand_in = "[package]\nname = \"tokio\"\nversion = \"1.0.0\"\nedition = \"2024\"\n";
    write(outside.path(), "Cargo.toml", stand_in);
    write(outside.path(), "src/lib.rs", "");
    let workspace =
        "[workspace]\nresolver = \"3\"\nmembers = [\"wire\", \"gateway\", \"origin\"]\n";
    write(folder.path(), "Cargo.toml", workspace);
    package(
        "wire",
        "pure",
        &format!("tokio = {{ path = \"{}\" }}", outside.path().display()),
    );
    package("origin", "shell", "");
    package(
        "gateway",
        "shell",
        "fanwave-origin = { path = \"../origin\" }",
    );
    let lints = "# std::time::Instant::now std::time::SystemTime::now std::thread::spawn std::collections::HashMap\n";
    write(folder.path(), "wire/clippy.toml", lints);

    let mut found = violations(&read(&folder.path().join("Cargo.toml")));
    found.sort();
    assert_eq!(
        found,
        [
            "gateway -> origin: a shell never imports a shell",
            "wire -> tokio: a pure crate never imports it"
        ]
    );
}
