//! The configuration as an operator meets it: files and variables in, a plan or complaints out.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt, time::Duration};

use super::{keys::KEYS, *};

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn plan(text: &str, pairs: &[(&str, &str)]) -> Plan {
    parse(Some((Path::new("fanwave.toml"), text)), variables(pairs))
        .expect("this configuration is fine")
}

fn complaints(text: &str, pairs: &[(&str, &str)]) -> String {
    parse(Some((Path::new("fanwave.toml"), text)), variables(pairs))
        .expect_err("this is no configuration")
        .to_string()
}

#[test]
fn nothing_configured_is_a_plan() {
    let plan = parse(None, []).unwrap();
    assert_eq!(plan.http.listen.port(), 8080);
    assert_eq!(plan.rtmp_listen.port(), 1935);
    assert_eq!(plan.part_target, Duration::from_secs(1));
    assert_eq!(plan.channels[0].id.as_str(), "demo");
    assert_eq!(plan.shutdown_deadline, Duration::from_secs(10));
}

#[test]
fn players_are_asked_how_they_fare_unless_nobody_is() {
    let asked = plan("", &[]);
    assert_eq!(asked.quality.reporters_max, 5_000);
    assert_eq!(asked.quality.every, Duration::from_secs(10));
    assert_eq!(asked.rates.beacons_per_minute.unwrap().get(), 6_000);
    let off = "[quality]\nreporters_max = 0\nbeacons_per_minute = 0\n";
    let off = plan(off, &[("FANWAVE__QUALITY__EVERY", "20s")]);
    assert_eq!(
        (off.quality.reporters_max, off.rates.beacons_per_minute),
        (0, None)
    );
    let told = complaints(
        "[quality]\nreporters_max = 100001\nevery = \"21s\"\nbeacons_per_minute = 1000001\n",
        &[],
    );
    for expected in [
        "`quality.reporters_max` must be from 0 to 100000",
        "`quality.every` must be from 1s to 20s",
        "`quality.beacons_per_minute` must be from 0 to 1000000",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn an_issuer_needs_accounts_an_address_of_ours_and_roles_that_there_are() {
    assert!(
        plan("[accounts]\nregistration = \"open\"", &[])
            .accounts
            .unwrap()
            .oidc
            .is_none()
    );
    let text = "[http]\npublic_url = \"https://live.example/\"\n[accounts]\nregistration = \"closed\"\n[oidc]\n\
        issuer = \"https://id.example/realm/\"\nclient_id = \"fanwave\"\nscopes = [\"email\", \"openid\"]\n\
        role_claim = \"groups\"\nroles = [\"a=b = staff\"]\n";
    let oidc = plan(text, &[]).accounts.unwrap().oidc.unwrap();
    assert_eq!(oidc.issuer, "https://id.example/realm/");
    let described = "https://id.example/realm/.well-known/openid-configuration";
    assert_eq!(oidc.description.to_string(), described);
    assert_eq!(
        (&*oidc.scope, &*oidc.site),
        ("openid email", "https://live.example")
    );
    assert_eq!(
        oidc.roles.values,
        [("a=b".to_owned(), fanwave_wire::Role::Staff)]
    );
    let told = complaints(
        "[oidc]\nissuer = \"https://id.example/?a\"\nscopes = [\"two words\"]\nalgorithms = [\"HS256\"]\nroles = [\"crew=boss\"]\nname = \"\"\n",
        &[],
    );
    for expected in [
        "`oidc.issuer` must be an address",
        "`oidc.issuer` needs accounts",
        "`oidc.client_id` must be what the issuer calls",
        "`http.public_url` must be set with oidc.issuer",
        "`oidc.scopes` is a list",
        "`oidc.algorithms` is a list of RS256, ES256 and EdDSA",
        "`oidc.roles` needs oidc.role_claim",
        "`oidc.roles` holds \"crew=boss\"",
        "`oidc.name` has 1 to 40 characters",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn every_key_is_a_field_and_every_field_is_a_key() {
    let defaults = toml::Table::try_from(schema::Config::default()).unwrap();
    let mut fields = BTreeSet::new();
    let target = toml::Value::try_from(schema::Simulcast::default()).unwrap();
    for (section, value) in &defaults {
        let table = match value.as_array() {
            // By default, nothing is pushed on.
            Some(list) => list.first().unwrap_or(&target),
            None => value,
        };
        fields.extend(
            table
                .as_table()
                .unwrap()
                .keys()
                .map(|name| format!("{section}.{name}")),
        );
    }
    let keys: BTreeSet<String> = KEYS
        .iter()
        .map(|key| format!("{}.{}", key.section, key.name))
        .collect();
    assert_eq!(fields, keys);
    assert_eq!(KEYS.len(), keys.len(), "no key is there twice");
    let sections: BTreeSet<&str> = keys::SECTIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(sections, KEYS.iter().map(|key| key.section).collect());
}

#[test]
fn the_reference_is_a_configuration_that_means_the_defaults() {
    let text = reference::print();
    let path = Path::new("reference.toml");
    let mut read = Settings::defaults();
    assert_eq!(file::apply(path, &text, &mut read), []);
    assert_eq!(read.config().unwrap(), schema::Config::default());
    assert!(parse(Some((path, &text)), []).is_ok());
    for key in KEYS {
        let unset = match key.section {
            keys::SIMULCAST => reference::UNSET,
            _ => "",
        };
        assert!(
            text.contains(&format!("\n{unset}{} = ", key.name)),
            "{} is in the reference",
            key.name
        );
        assert!(
            text.contains(&env::variable(key)),
            "{} has its variable there",
            key.name
        );
    }
}

#[test]
fn the_reference_reads_well() {
    let text = reference::print();
    let beginning: Vec<&str> = text.lines().take(24).collect();
    insta::assert_snapshot!(beginning.join("\n"));
    assert!(
        text.lines().all(|line| line.chars().count() <= 130),
        "no line is too long for a screen"
    );
}

#[test]
fn the_example_file_is_the_reference() {
    let example = include_str!("../../../../fanwave.example.toml");
    assert_eq!(
        example,
        reference::print(),
        "fanwave.example.toml is out of date: cargo run --package fanwave -- config-reference > fanwave.example.toml"
    );
}

#[test]
fn what_is_unknown_is_named_with_its_place_and_the_nearest_name() {
    let text = "\
# a comment
[http]
listn = \"127.0.0.1:8080\"
part_target = \"1s\"

[htpp]
listen = \"127.0.0.1:8080\"

[[channels]]
id = \"a\"
titel = \"A\"
zebra = 1
";
    insta::assert_snapshot!(complaints(text, &[]));
}

#[cfg(feature = "s3")]
#[test]
fn a_bucket_is_planned_whole_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "canary-secret\n").unwrap();
    let only_mine = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&secret, only_mine).unwrap();
    let file = secret.display();
    let text = format!(
        "[recording]\nstorage = \"s3://shows/eu/one/\"\nwaiting_gib_max = 2\n\n[s3]\nendpoint = \"https://s3.example:9000\"\n\
         addressing = \"host\"\naccess_key = \"id\"\nsecret_key_file = \"{file}\"\n"
    );
    let planned = plan(&text, &[("FANWAVE__S3__REGION", "eu-central-1")]);
    let s3 = planned.s3.as_ref().unwrap();
    assert_eq!((&*s3.bucket, &*s3.prefix), ("shows", "eu/one"));
    assert_eq!(s3.endpoint.as_deref(), Some("https://s3.example:9000"));
    assert_eq!(
        (&*s3.region, s3.waiting_bytes_max),
        ("eu-central-1", 2 << 30)
    );
    assert!(!format!("{planned:?}").contains("canary"));
    assert!(plan("", &[]).s3.is_none());
    for (mistake, words) in [
        ("[recording]\nstorage = \"shows\"\n", "s3://BUCKET"),
        ("[recording]\nstorage = \"s3://\"\n", "s3://BUCKET"),
        (
            "[recording]\nstorage = \"s3://shows/../x\"\n",
            "s3://BUCKET",
        ),
        ("[recording]\nwaiting_gib_max = 0\n", "1 to 1000000"),
        ("[s3]\naddressing = \"both\"\n", "\"path\" or \"host\""),
        ("[s3]\nregion = \"\"\n", "must be a region"),
        (
            "[s3]\naccess_key = \"id\"\n",
            "must be set with s3.access_key",
        ),
        (
            "[s3]\nendpoint = \"https://canary:pass@s3.example\"\n",
            "without a path",
        ),
        ("[s3]\nendpoint = \"s3.example\"\n", "http:// or https://"),
    ] {
        let complaint = complaints(mistake, &[]);
        assert!(complaint.contains(words), "{mistake}: {complaint}");
        assert!(!complaint.contains("canary"), "{complaint}");
    }
}

#[test]
fn a_numbering_that_there_is_not_is_refused() {
    let complaint = complaints("[[channels]]\nid = \"a\"\nnumbering = \"clocks\"\n", &[]);
    assert!(
        complaint.contains("must be \"counted\" or \"clock\""),
        "{complaint}"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_named_and_never_repeated() {
    let text = "\
live = 1
rtmp = \"canary\"
[http]
listen = 8080
connections_max = \"many\"
allowed_origins = \"https://a.example\"
header_bytes_max = -1
[log]
level = true
[tokens]
guest_ttl = 30
secret_file = [\"canary\"]
";
    let complaints = complaints(text, &[]);
    assert!(!complaints.contains("canary"));
    insta::assert_snapshot!(complaints);
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_what_would() {
    let text = "\
[http]
listen = \"localhost:8080\"
public_url = \"fans.example/\"
allowed_origins = [\"https://fans.example\", \"https://fans.example/\"]
connections_max = 0
header_wait = \"10\"
header_bytes_max = 100

[live]
part_target = \"5s\"

[chat]
message_chars_max = 501
ping_interval = \"10s\"
pong_timeout = \"10s\"

[tokens]
guest_ttl = \"500d\"
secret_file = \"/nowhere/secret\"

[log]
level = \"loud=very=much\"
format = \"xml\"

[data]
dir = \"\"

[demo]
preset = \"placebo\"
fans = 61
";
    insta::assert_snapshot!(complaints(text, &[]));
}

#[test]
fn prices_are_of_something_and_written_plainly() {
    assert_eq!(plan("", &[]).prices, None);
    let text = "[cost]\ncurrency = \"KRW\"\nper_gb = \"120\"\nper_server_hour = \"450.5\"\n";
    let prices = plan(text, &[]).prices.unwrap();
    assert_eq!(&*prices.currency, "KRW");
    assert!((prices.per_gb - 120.0).abs() < 1e-9);
    assert!((prices.per_server_hour - 450.5).abs() < 1e-9);

    let alone = complaints("[cost]\nper_gb = \"0.1\"\n", &[]);
    assert!(
        alone.contains("`cost.per_gb` needs cost.currency"),
        "{alone}"
    );
    for price in [
        "",
        "-1",
        "0,085",
        "1e9",
        "NaN",
        "inf",
        "free",
        ".",
        "1000000001",
    ] {
        let text = format!("[cost]\ncurrency = \"EUR\"\nper_server_hour = \"{price}\"\n");
        let said = complaints(&text, &[]);
        let expected = "`cost.per_server_hour` must be a price, with a point";
        assert!(said.contains(expected), "{price}: {said}");
    }
    for currency in ["EURO", "eur", "€", "1 2"] {
        let said = complaints(&format!("[cost]\ncurrency = \"{currency}\"\n"), &[]);
        let expected = "`cost.currency` must be three letters";
        assert!(said.contains(expected), "{currency}: {said}");
    }
}

#[test]
fn encoders_are_told_public_addresses_that_can_be_used() {
    assert_eq!(plan("", &[]).public_doors, ingest::PublicDoors::default());
    let text = r#"
[rtmp]
public_url = "rtmps://ingest.example/live"
tls_public_url = "rtmps://ingest.example:1936/live"
[srt]
public_url = "srt://[2001:db8::7]:9000"
[whip]
public_url = "https://ingest.example"
"#;
    let doors = plan(text, &[]).public_doors;
    assert_eq!(doors.rtmp.as_deref(), Some("rtmps://ingest.example/live"));
    assert_eq!(
        doors.rtmps.as_deref(),
        Some("rtmps://ingest.example:1936/live")
    );
    assert_eq!(doors.srt.as_deref(), Some("srt://[2001:db8::7]:9000"));
    assert_eq!(doors.whip.as_deref(), Some("https://ingest.example"));

    for (section, name, wrong) in [
        ("rtmp", "public_url", "ingest.example/live"),
        ("rtmp", "public_url", "rtmp://ingest.example"),
        ("rtmp", "public_url", "rtmp://ingest.example/live?key=1"),
        ("rtmp", "public_url", "rtmp:///live"),
        ("rtmp", "tls_public_url", "rtmp://ingest.example/live"),
        ("srt", "public_url", "srt://ingest.example"),
        ("srt", "public_url", "srt://ingest.example:9000?streamid=x"),
        ("srt", "public_url", "srt://:9000"),
        ("srt", "public_url", "udp://ingest.example:9000"),
        ("whip", "public_url", "https://ingest.example/whip"),
    ] {
        let said = complaints(&format!("[{section}]\n{name} = \"{wrong}\"\n"), &[]);
        let expected = format!("`{section}.{name}` must be ");
        assert!(said.contains(&expected), "{wrong}: {said}");
    }
}

#[test]
fn regions_are_named_addresses_and_this_server_is_in_one() {
    let text = r#"
[regions]
here = "seoul"
ranked = ["seoul=https://kr.example", "paris=http://127.0.0.1:8081"]
[http]
allowed_origins = ["https://app.example"]
"#;
    let plan = plan(text, &[]);
    assert_eq!(plan.regions.here.as_deref(), Some("seoul"));
    assert_eq!(&*plan.regions.ranked[1].url, "http://127.0.0.1:8081");
    assert_eq!(
        plan.readers(),
        [
            "https://app.example",
            "https://kr.example",
            "http://127.0.0.1:8081"
        ]
    );
    let alone = self::plan("[regions]\nhere = \"seoul\"\n", &[]);
    assert!(alone.regions.ranked.is_empty() && alone.readers().is_empty());

    let wrong = |ranked: &str, here: &str| {
        let text = format!("[regions]\nhere = \"{here}\"\nranked = [{ranked}]\n");
        complaints(&text, &[])
    };
    for ranked in [
        r#""https://kr.example""#,
        r#""seoul=https://kr.example/""#,
        r#""seoul=kr.example""#,
        r#""seoul=https://*""#,
        r#""Seoul=https://kr.example""#,
        r#""=https://kr.example""#,
    ] {
        let said = wrong(ranked, "");
        assert!(
            said.contains("a region is NAME=ADDRESS"),
            "{ranked}: {said}"
        );
    }
    let twice = wrong(r#""a=https://kr.example", "b=https://kr.example""#, "a");
    assert!(twice.contains("twice"), "{twice}");
    let nine: Vec<String> = (0..9)
        .map(|n| format!("\"r{n}=https://r{n}.example\""))
        .collect();
    assert!(wrong(&nine.join(","), "").contains("has at most 8 entries"));
    let nowhere = wrong(r#""a=https://kr.example""#, "b");
    assert!(nowhere.contains("is the name of no region"), "{nowhere}");
}

#[test]
fn moving_the_fans_needs_time_before_the_kill() {
    let defaults = plan("", &[]).drain;
    assert_eq!(
        (
            defaults.propagation,
            defaults.percent_per_second,
            defaults.grace
        ),
        (Duration::from_secs(5), 2, Duration::from_secs(180))
    );
    let text = "\
[drain]
propagation = \"5s\"
percent_per_second = 0
grace = \"15s\"
prefer = \"wss://b.example; or c\"

[shutdown]
deadline = \"10s\"
";
    insta::assert_snapshot!(complaints(text, &[]), @r"
    fanwave.toml:3:22: `drain.percent_per_second` must be from 1 to 100
    fanwave.toml:4:9: `drain.grace` must be above drain.propagation and shutdown.deadline together by 1s at least
    fanwave.toml:5:10: `drain.prefer` must be one word of at most 80 printable characters without a semicolon
    ");
}

#[test]
fn channels_are_checked_one_by_one_and_together() {
    let text = "\
[[channels]]
id = \"a\"
[[channels]]
id = \"a\"
[[channels]]
id = \"no spaces\"
[[channels]]
title = \"nameless\"
[[channels]]
id = \"..\"
";
    insta::assert_snapshot!(complaints(text, &[]));
    assert!(complaints("channels = []\n", &[]).contains("must have 1 to 256 entries"));
}

#[test]
fn shows_are_pushed_on_to_platforms_that_are_told_whole() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "canary-key-of-another\n").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let key = key.display();
    assert!(plan("", &[]).simulcast.is_empty());
    let one = format!(
        "[[simulcast]]\nchannel = \"stage\"\nname = \"Elsewhere\"\nurl = \"rtmps://live.example/canary\"\nkey_file = \"{key}\"\n"
    );
    let planned = plan(&one, &[]).simulcast;
    assert_eq!(planned.len(), 1);
    assert_eq!(
        (planned[0].channel.as_str(), &*planned[0].name),
        ("stage", "Elsewhere")
    );
    assert!(planned[0].address.is_secure());
    assert!(!format!("{planned:?}").contains("canary"));
    let text = format!(
        "{one}{one}[[simulcast]]\nchannel = \"none\"\nname = \"\"\nurl = \"https://canary.example/\"\ntls_authorities = \"ca.pem\"\n"
    );
    let told = complaints(&text, &[]);
    for expected in [
        "fanwave.toml:8:8: `simulcast[1].name` is the name of another platform of stage too",
        "fanwave.toml:12:11: `simulcast[2].channel` is no channel's id",
        "fanwave.toml:13:8: `simulcast[2].name` must have 1 to 40 characters, on one line",
        "fanwave.toml:14:7: `simulcast[2].url` must be rtmp:// or rtmps://",
        "fanwave.toml:11:1: `simulcast[2].key_file` must be set: it holds the stream key that the platform has given",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(!told.contains("canary"), "{told}");
    let plain = one.replace("rtmps:", "rtmp:") + "tls_authorities = \"ca.pem\"\n";
    let told = complaints(&plain, &[]);
    assert!(
        told.contains("`simulcast[0].tls_authorities` is for rtmps:// alone"),
        "{told}"
    );
    let many: String = (0..9)
        .map(|n| one.replace("Elsewhere", &format!("Platform {n}")))
        .collect();
    let told = complaints(&many, &[]);
    assert!(
        told.contains("`simulcast[8].channel` has more than 8 platforms"),
        "{told}"
    );
    assert!(complaints("[simulcast]\n", &[]).contains("`simulcast` must be a list of tables"));
}

#[test]
fn broken_syntax_is_named_with_its_place() {
    insta::assert_snapshot!(complaints("[http]\n\nlisten = \"127.0.0.1:8080\n", &[]));
    assert!(complaints("[http]\n[http]\n", &[]).starts_with("fanwave.toml:2:"));
}

#[test]
fn tls_on_the_http_port_takes_all_three_keys_and_a_port_of_its_own() {
    let missing = complaints("[http]\ntls_listen = \"127.0.0.1:9\"\n", &[]);
    for key in ["http.tls_certificate", "http.tls_key"] {
        let said = format!(
            "`{key}` must be set: http.tls_listen, http.tls_certificate and http.tls_key go together"
        );
        assert!(missing.contains(&said), "{missing}");
    }
    assert!(!missing.contains("`http.tls_listen` must"), "{missing}");
    let alone = complaints("[http]\nh3_listen = \"127.0.0.1:9\"\n", &[]);
    assert!(
        alone.contains("`http.h3_listen` needs http.tls_listen"),
        "{alone}"
    );
    let taken = complaints(
        "[http]\nlisten = \"127.0.0.1:9\"\ntls_listen = \"127.0.0.1:9\"\n",
        &[],
    );
    assert!(
        taken.contains("`http.tls_listen` is the address of http.listen or rtmp.listen too"),
        "{taken}"
    );
}

#[test]
fn one_port_cannot_be_both() {
    let text = "[http]\nlisten = \"127.0.0.1:9\"\n[rtmp]\nlisten = \"127.0.0.1:9\"\n";
    assert_eq!(
        complaints(text, &[]),
        "fanwave.toml:4:10: `rtmp.listen` is the address of http.listen too: each needs its own port"
    );
}

#[test]
fn whoever_is_told_what_happens_is_checked_whether_or_not_there_is_an_address() {
    assert!(plan("", &[]).webhook.is_none());
    let text = "[webhook]\nurl = \"https://crew.example/events?key=7\"\n";
    let webhook = plan(text, &[]).webhook.unwrap();
    assert_eq!(webhook.timeout, Duration::from_secs(5));
    assert!(!format!("{webhook:?}").contains("crew"));
    let refused = complaints("[webhook]\ntimeout = \"50ms\"\n", &[]);
    assert!(
        refused.contains("`webhook.timeout` must be from 100ms to 30s"),
        "{refused}"
    );
    let refused = complaints(
        "[webhook]\nurl = \"http://ana:canary@crew.example/\"\n",
        &[],
    );
    assert!(
        refused.contains("`webhook.url` must be an address"),
        "{refused}"
    );
    assert!(!refused.contains("canary"));
}

#[test]
fn aac_beside_opus_is_a_bitrate() {
    assert_eq!(plan("", &[]).ladder.aac_kilobits, None);
    let text = "[ladder]\naac = \"96k\"\n";
    assert_eq!(plan(text, &[]).ladder.aac_kilobits, Some(96));
    for (aac, complaint) in [
        ("96", "must be a bitrate"),
        ("8k", "asks for AAC of 8 kbit/s"),
    ] {
        let refused = complaints(&format!("[ladder]\naac = \"{aac}\"\n"), &[]);
        assert!(
            refused.contains(&format!("`ladder.aac` {complaint}")),
            "{refused}"
        );
    }
}

#[test]
fn whoever_decides_about_publishers_is_checked_whether_or_not_there_is_an_address() {
    assert!(plan("", &[]).authorise.is_none());
    let text = "[authorise]\nurl = \"https://crew.example/may\"\nform = \"nginx-rtmp\"\nrecheck = \"30s\"\n";
    let authorise = plan(text, &[]).authorise.unwrap();
    assert_eq!(authorise.form, fanwave_origin::Form::NginxRtmp);
    assert_eq!(authorise.recheck, Some(Duration::from_secs(30)));
    assert!(!format!("{authorise:?}").contains("crew"));
    let text = "\
[authorise]
form = \"srs\"
timeout = \"9s\"
stream_keys = \"asked\"
recheck = \"10ms\"
";
    insta::assert_snapshot!(complaints(text, &[]), @r#"
    default: `authorise.url` must be set where authorise.stream_keys is "asked": there is nobody to ask
    fanwave.toml:2:8: `authorise.form` must be "fanwave" or "nginx-rtmp"
    fanwave.toml:3:11: `authorise.timeout` must be from 100ms to 8s
    fanwave.toml:5:11: `authorise.recheck` must be 1s or more, or "0s" for never
    "#);
    for url in [
        "crew.example",
        "ftp://crew.example/",
        "http://ana:canary@crew.example/",
    ] {
        let refused = complaints(&format!("[authorise]\nurl = \"{url}\"\n"), &[]);
        assert!(
            refused.contains("`authorise.url` must be an address"),
            "{refused}"
        );
        assert!(!refused.contains("canary"));
    }
}

#[test]
fn a_channel_says_what_becomes_of_a_second_encoder() {
    let takeover = |value: &str| {
        let text = format!("[[channels]]\nid = \"a\"\n{value}");
        plan(&text, &[]).channels[0].takeover
    };
    assert_eq!(takeover(""), fanwave_origin::Takeover::Refuse);
    assert_eq!(
        takeover("takeover = \"replace\"\n"),
        fanwave_origin::Takeover::Replace
    );
    assert_eq!(
        takeover("takeover = \"backup\"\n"),
        fanwave_origin::Takeover::Backup
    );
    let text =
        "[rtmp]\nconnections_per_address = 0\n[[channels]]\nid = \"a\"\ntakeover = \"join\"\n";
    insta::assert_snapshot!(complaints(text, &[]), @r#"
    fanwave.toml:2:27: `rtmp.connections_per_address` must be from 1 to 256
    fanwave.toml:5:12: `channels[0].takeover` must be "refuse", "replace" or "backup"
    "#);
}

#[test]
fn rtmps_needs_its_address_its_certificate_and_its_key() {
    assert!(plan("", &[]).rtmps.is_none());
    let refused = |text: &str| complaints(&format!("[rtmp]\n{text}"), &[]);
    assert!(refused("tls_listen = \"127.0.0.1:1\"\n").contains("`rtmp.tls_key` must be set with"));
    assert!(refused("tls_certificate = \"a\"\n").contains("`rtmp.tls_key` must be set with"));
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "x").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let key = format!("tls_key = \"{}\"\n", key.display());
    assert!(refused(&key).contains("`rtmp.tls_certificate` must be set with"));
    let both = format!("{key}tls_certificate = \"a\"\n");
    assert!(refused(&both).contains("`rtmp.tls_listen` must be set with"));
    let all = format!("[rtmp]\n{both}tls_listen = \"127.0.0.1:1\"\n");
    assert_eq!(plan(&all, &[]).rtmps.unwrap().0.port(), 1);
}

#[test]
fn srt_has_a_port_when_it_is_given_one_and_is_checked_all_the_same() {
    assert!(plan("", &[]).srt.is_none());
    let srt = plan("[srt]\nlisten = \"127.0.0.1:9000\"\n", &[])
        .srt
        .unwrap();
    assert_eq!(
        (srt.listen.port(), srt.latency),
        (9_000, Duration::from_millis(120))
    );
    let text = "[srt]\nlatency = \"10ms\"\npassphrase_file = \"/nowhere/passphrase\"\n";
    let complaints = complaints(text, &[]);
    assert!(
        complaints.contains("`srt.latency` must be from 20ms to 8s"),
        "{complaints}"
    );
    assert!(
        complaints.contains("`srt.passphrase_file` cannot be used"),
        "{complaints}"
    );
}

#[test]
fn whip_has_a_port_and_addresses_that_publishers_reach() {
    assert!(plan("", &[]).whip.is_none());
    let whip = plan("[whip]\nlisten_udp = \"127.0.0.1:8189\"\n", &[])
        .whip
        .unwrap();
    assert_eq!(whip.addresses, [whip.listen.ip()]);
    assert_eq!(whip.keyframe_interval, Duration::from_secs(2));
    let text =
        "[whip]\nlisten_udp = \"0.0.0.0:8189\"\naddresses = [\"203.0.113.7\", \"2001:db8::7\"]\n";
    let whip = plan(text, &[]).whip.unwrap();
    assert_eq!(whip.addresses.len(), 2);
    for (text, complaint) in [
        (
            "listen_udp = \"0.0.0.0:8189\"",
            "`whip.addresses` must be set where",
        ),
        (
            "addresses = [\"stage.example\"]",
            "`whip.addresses` must be a list of IP addresses",
        ),
        (
            "addresses = [\"0.0.0.0\"]",
            "`whip.addresses` must be at most 8 addresses",
        ),
        (
            "keyframe_interval = \"0s\"",
            "`whip.keyframe_interval` must be from 1s to 5s",
        ),
    ] {
        let complaints = complaints(&format!("[whip]\n{text}\n"), &[]);
        assert!(complaints.contains(complaint), "{complaints}");
    }
}

#[test]
fn a_socket_needs_no_tls_and_replicas_are_servers_of_the_network() {
    let text = "\
[store]
kind = \"postgresql\"
[postgresql]
replicas = [\"db-2.example:5433\"]
";
    let store::Place::Postgres { config, .. } = plan(text, &[]).store.place else {
        unreachable!("it was asked for");
    };
    assert_eq!(config.replicas, [("db-2.example".to_owned(), 5433)]);
    assert_eq!(config.replica_lag, Duration::from_secs(1));
    let socket = "[store]\nkind = \"postgresql\"\n[postgresql]\nhost = \"/run/postgresql\"\n";
    let store::Place::Postgres { config, .. } = plan(socket, &[]).store.place else {
        unreachable!("it was asked for");
    };
    assert_eq!(config.encryption, fanwave_store::Encryption::Off);
    let open = complaints(&format!("{socket}replicas = [\"db-2:5432\"]\n"), &[]);
    assert!(
        open.contains("`postgresql.replicas` are reached over the network"),
        "{open}"
    );
}

#[test]
fn keys_per_person_are_in_a_schema_beside_that_of_the_log() {
    use fanwave_store::PersonKeys;

    assert_eq!(plan("", &[]).store.person_keys, PersonKeys::Off);
    let sealed = plan("[store]\nperson_keys = \"on\"\n", &[]).store;
    assert_eq!(sealed.person_keys, PersonKeys::On);
    assert!(sealed.archive_keys.is_none());
    let long = format!(
        "[store]\nkind = \"postgresql\"\nperson_keys = \"on\"\n[postgresql]\nschema = \"{}\"\n",
        "a".repeat(59)
    );
    let long = complaints(&long, &[]);
    assert!(
        long.contains("`postgresql.schema` must leave room for _keys behind it"),
        "{long}"
    );
    let odd = complaints("[store]\nperson_keys = \"yes\"\n", &[]);
    assert!(
        odd.contains("`store.person_keys` must be \"on\" or \"off\""),
        "{odd}"
    );
}

#[test]
fn the_chat_log_is_where_and_for_as_long_as_it_is_told_to_be() {
    use fanwave_store::Encryption;

    let by_default = plan("", &[]).store;
    assert!(!by_default.record);
    let complaints_of = |text| complaints(text, &[]);
    let alone = complaints_of("[store]\nrecord = \"on\"\n");
    assert!(
        alone.contains("`store.record` must be \"off\" with engine.kind = \"memory\""),
        "{alone}"
    );
    assert!(matches!(by_default.place, store::Place::File));
    let days = |count: u64| Some(Duration::from_secs(count * 86_400));
    assert_eq!(by_default.retention.default, days(90));
    let text = "\
[store]
kind = \"postgresql\"
keep = \"0s\"
[postgresql]
host = \"db.example\"
tls_authorities = \"authorities.pem\"
[[channels]]
id = \"brief\"
keep = \"7d\"
[[channels]]
id = \"usual\"
";
    let planned = plan(text, &[]).store;
    assert_eq!(planned.retention.default, None);
    let rooms: Vec<_> = planned.retention.rooms.into_iter().collect();
    assert_eq!(rooms, [("brief".parse().unwrap(), days(7))]);
    let store::Place::Postgres { config, .. } = planned.place else {
        unreachable!("it was asked for");
    };
    let authorities = Some("authorities.pem".into());
    assert_eq!(config.encryption, Encryption::Verified { authorities });
    assert_eq!(
        (&*config.database, &*config.schema, config.port),
        ("fanwave", "fanwave", 5432)
    );
    let text = "\
[engine]
kind = \"nats\"
[store]
kind = \"postgresql\"
keep = \"1h\"
[postgresql]
host = \"\"
port = 0
schema = \"Fan; DROP\"
tls = \"maybe\"
readers = 65
replicas = [\"db-2.example\"]
replica_lag = \"1h\"
[[channels]]
id = \"a\"
keep = \"soon\"
";
    insta::assert_snapshot!(complaints(text, &[]), @r#"
    fanwave.toml:4:8: `store.kind` must be "sqlite" with engine.kind = "nats", which keeps its log itself, unless store.record is "on"
    fanwave.toml:5:8: `store.keep` must be from 1d to 36500d
    fanwave.toml:7:8: `postgresql.host` must not be empty, nor have control characters
    fanwave.toml:8:8: `postgresql.port` must be from 1 to 65535
    fanwave.toml:9:10: `postgresql.schema` must be 1 to 63 small letters, digits and _, and begin with neither a digit nor pg_
    fanwave.toml:10:7: `postgresql.tls` must be "verified" or "off"
    fanwave.toml:11:11: `postgresql.readers` must be from 1 to 64
    fanwave.toml:12:12: `postgresql.replicas` must have up to 16 addresses HOST:PORT
    fanwave.toml:13:15: `postgresql.replica_lag` must be from 500ms to 1m
    fanwave.toml:16:8: `channels[0].keep` must be a duration such as "500ms", "10s", "5m", "12h" or "30d"
    "#);
}

#[cfg(all(feature = "cassandra", feature = "nats"))]
#[test]
fn a_cluster_of_cassandra_is_recorded_in_and_checked_whether_it_is_used_or_not() {
    use fanwave_store::{Consistency, Encryption};

    let begins = "[engine]\nkind = \"nats\"\n[store]\nkind = \"cassandra\"\n";
    let planned = plan(&format!("{begins}record = \"on\"\n"), &[]).store;
    let cassandra = planned.archive.unwrap();
    assert_eq!(cassandra.config.contact_points, ["127.0.0.1:9042"]);
    assert_eq!(cassandra.config.consistency, Consistency::LocalQuorum);
    let authorities = None;
    let encryption = Encryption::Verified { authorities };
    assert_eq!(cassandra.config.encryption, encryption);
    assert_eq!(cassandra.password_file, None);
    assert!(plan("", &[]).store.archive.is_none());

    let idle = complaints(begins, &[]);
    assert!(
        idle.contains("`store.kind` is \"cassandra\", which takes what is said over a broker"),
        "{idle}"
    );
    let text = "\
[cassandra]
contact_points = [\"db.example\"]
keyspace = \"system_auth\"
datacenter = \"dc'1\"
replicas = 0
consistency = \"any\"
username = \"fanwave\"
tls = \"maybe\"
";
    insta::assert_snapshot!(complaints(text, &[]), @r#"
    default: `cassandra.password_file` must be set with cassandra.username, and not without it
    fanwave.toml:2:18: `cassandra.contact_points` must have 1 to 64 addresses HOST:PORT
    fanwave.toml:3:12: `cassandra.keyspace` must be 1 to 48 small letters, digits and _, and begin with a letter, but not with system
    fanwave.toml:4:14: `cassandra.datacenter` must be at most 64 letters, digits and any of -_.:
    fanwave.toml:5:12: `cassandra.replicas` must be from 1 to 16
    fanwave.toml:6:15: `cassandra.consistency` must be "one", "local_quorum", "quorum" or "all"
    fanwave.toml:8:7: `cassandra.tls` must be "verified" or "off"
    "#);
}

#[cfg(feature = "redis")]
#[test]
fn the_engine_is_chosen_by_one_line_and_checked_whichever_it_is() {
    assert!(matches!(plan("", &[]).engine, engine::Engine::Memory));
    let text = "[engine]\nkind = \"redis\"\n";
    let engine::Engine::Redis(redis) = plan(text, &[]).engine else {
        unreachable!("one line is enough");
    };
    assert_eq!(
        redis.config.servers[0].to_string(),
        "redis://127.0.0.1:6379"
    );
    assert_eq!(redis.tick, Duration::from_millis(20));
    let text = "\
[engine]
kind = \"radish\"
tick = \"2s\"
name = \"bell \\u0007\"
[redis]
topology = \"ring\"
servers = [\"redis://:canary@host:1\", \"redis://a:1\"]
partitions = 0
tls_authorities = \"authorities.pem\"
tls_certificate = \"fanwave.pem\"
";
    let complaints = complaints(text, &[]);
    assert!(!complaints.contains("canary"));
    insta::assert_snapshot!(complaints, @r#"
    default: `redis.tls_key` must be set with redis.tls_certificate, and not without it
    fanwave.toml:2:8: `engine.kind` must be "memory", "redis", "nats" or "kafka"
    fanwave.toml:3:8: `engine.tick` must be from 1ms to 1s
    fanwave.toml:4:8: `engine.name` is none: a server's name has 1 to 64 bytes and no control characters
    fanwave.toml:6:12: `redis.topology` must be "single", "sentinel" or "cluster"
    fanwave.toml:7:11: `redis.servers` has an entry that is none: an address is redis://HOST:PORT, or rediss://HOST:PORT for TLS, without a password and without a database
    fanwave.toml:7:11: `redis.servers` must have one entry unless redis.topology is "sentinel" or "cluster"
    fanwave.toml:7:11: `redis.servers` must have rediss:// addresses where redis.tls_authorities or redis.tls_certificate is set
    fanwave.toml:8:14: `redis.partitions` must be from 1 to 1024
    "#);
}

#[cfg(feature = "nats")]
#[test]
fn nats_is_chosen_by_one_line_and_checked_whichever_is_chosen() {
    let engine::Engine::Nats(nats) = plan("[engine]\nkind = \"nats\"\n", &[]).engine else {
        unreachable!("one line is enough");
    };
    assert_eq!(nats.config.servers[0].to_string(), "nats://127.0.0.1:4222");
    assert_eq!(nats.config.chat_age, Some(Duration::from_secs(30 * 86_400)));
    let text = "\
[nats]
servers = [\"nats://user:canary@host:1\", \"tls://a:1\"]
username = \"fanwave\"
tls_certificate = \"cert.pem\"
prefix = \"a.b\"
partitions = 0
replicas = 2
";
    let complaints = complaints(text, &[]);
    assert!(!complaints.contains("canary"));
    for expected in [
        "`nats.servers` has an entry that is none: an address is nats://HOST:PORT or tls://HOST:PORT",
        "`nats.password_file` must be set with nats.username",
        "`nats.tls_key` must be set with nats.tls_certificate",
        "`nats.prefix` cannot be used: a prefix is made of 1 to 32 of",
        "`nats.partitions` must be from 1 to 1024",
        "`nats.replicas` must be 1, 3 or 5",
    ] {
        assert!(complaints.contains(expected), "{expected}: {complaints}");
    }
    assert_eq!(complaints.lines().count(), 6, "{complaints}");
}

#[cfg(feature = "kafka")]
#[test]
fn kafka_is_chosen_by_one_line_and_checked_whichever_is_chosen() {
    let engine::Engine::Kafka(kafka) = plan("[engine]\nkind = \"kafka\"\n", &[]).engine else {
        unreachable!("one line is enough");
    };
    assert_eq!(kafka.config.brokers[0].to_string(), "127.0.0.1:9092");
    assert_eq!(kafka.config.topic.to_string(), "fanwave");
    let text = "\
[kafka]
brokers = [\"user:canary@host:1\", \"a:1\"]
topic = \"a b\"
partitions = 0
snapshot_every = 7
username = \"fan\"
sasl = \"md5\"
";
    let complaints = complaints(text, &[]);
    assert!(!complaints.contains("canary"));
    for expected in [
        "`kafka.brokers` has an entry that is none: an address is HOST:PORT",
        "`kafka.topic` cannot be used: a topic is made of 1 to 239 of",
        "`kafka.partitions` must be from 1 to 1024",
        "`kafka.snapshot_every` must be from 1000 to 100000000",
        "`kafka.password_file` must be set with kafka.username, and not without it",
        "`kafka.sasl` must be \"scram-sha-512\", \"scram-sha-256\" or \"plain\"",
    ] {
        assert!(complaints.contains(expected), "{expected}: {complaints}");
    }
    assert_eq!(complaints.lines().count(), 6, "{complaints}");
}

#[test]
fn a_variable_beats_the_file() {
    let text = "[http]\nlisten = \"127.0.0.1:1\"\nconnections_max = 7\n[[channels]]\nid = \"a\"\ntitle = \"A\"\n";
    let pairs = [
        ("FANWAVE__HTTP__LISTEN", "127.0.0.1:2"),
        (
            "FANWAVE__HTTP__ALLOWED_ORIGINS",
            "https://a.example, https://b.example:8443",
        ),
        ("FANWAVE__CHANNELS__0__TITLE", "Renamed"),
        ("FANWAVE__CHANNELS__1__ID", "b"),
        ("FANWAVE__CHAT__BURST", "9"),
        ("SOMETHING_ELSE", "x"),
    ];
    let plan = plan(text, &pairs);
    assert_eq!(plan.http.listen.port(), 2);
    assert_eq!(plan.http.connections_max, 7);
    assert_eq!(
        plan.http.allowed_origins,
        ["https://a.example", "https://b.example:8443"]
    );
    let channels: Vec<(&str, &str)> = plan
        .channels
        .iter()
        .map(|c| (c.id.as_str(), &*c.title))
        .collect();
    assert_eq!(channels, [("a", "Renamed"), ("b", "b")]);
    assert_eq!(plan.chat.rules.burst.get(), 9);
}

#[test]
fn every_key_can_be_reached_by_its_variable() {
    for key in KEYS {
        let name = env::variable(key).replace("__N__", "__0__");
        let mut settings = Settings::defaults();
        let text = if key.kind == keys::Kind::Number {
            "1"
        } else {
            "x"
        };
        assert_eq!(env::apply(variables(&[(&name, text)]), &mut settings), []);
        let path = settings::KeyPath {
            section: key.section,
            index: key.is_listed().then_some(0),
            name: key.name,
        };
        assert_eq!(
            settings.origin(path),
            problem::Origin::Variable { name },
            "{} was set",
            key.name
        );
    }
}

#[test]
fn a_variable_that_means_nothing_is_refused() {
    let pairs = [
        ("FANWAVE__HTTP__LISTN", "x"),
        ("FANWAVE__HTTP", "x"),
        ("FANWAVE__CHANNELS__X__ID", "x"),
        ("FANWAVE__CHANNELS__9__ID", "x"),
        ("FANWAVE__CHAT__BURST", "many"),
        ("FANWAVE__http__listen", "x"),
    ];
    insta::assert_snapshot!(complaints("", &pairs));
    insta::assert_snapshot!(complaints("", &[("FANWAVE__CHAT__TICK", "5m")]), @"FANWAVE__CHAT__TICK: `chat.tick` must be from 1ms to 1s");
}

#[test]
fn a_secret_file_that_others_may_read_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "0123456789012345678901234567890123456789\n").unwrap();
    let text = format!("[tokens]\nsecret_file = \"{}\"\n", path.display());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let complaint = complaints(&text, &[]);
    assert!(
        complaint.starts_with("fanwave.toml:2:15: `tokens.secret_file` cannot be used:"),
        "{complaint}"
    );
    assert!(complaint.contains("chmod 600"), "{complaint}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(plan(&text, &[]).token_secret_file, Some(path));
}

#[test]
fn the_servers_own_room_is_no_channel() {
    let complaint = complaints("[[channels]]\nid = \"fanwave.system\"\n", &[]);
    let expected = "fanwave.toml:2:6: `channels[0].id` is the servers' own room";
    assert!(complaint.starts_with(expected), "{complaint}");
}

#[test]
fn a_long_list_of_complaints_is_cut() {
    let text: String = (0..100).map(|n| format!("unknown_{n} = 1\n")).collect();
    let complaints = complaints(&text, &[]);
    assert_eq!(complaints.lines().count(), PROBLEMS_SHOWN_MAX + 1);
    assert!(complaints.ends_with("... and 80 more"));
}

#[test]
fn a_file_that_is_not_there_or_too_large_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fanwave.toml");
    assert!(
        load(Some(&path), [])
            .unwrap_err()
            .to_string()
            .contains("fanwave.toml")
    );
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(FILE_BYTES_MAX + 1).unwrap();
    assert!(matches!(
        load(Some(&path), []),
        Err(ConfigError::TooLarge { .. })
    ));
}

#[test]
fn webhooks_are_kept_where_it_is_said_and_call_what_is_allowed() {
    let planned = plan("[webhooks]\nattempts = 3", &[]);
    assert!(planned.webhooks.is_none());
    let text = "[webhooks]\nkind = \"sqlite\"\nattempts = 3\n[outgoing]\nallow = [\"10.1.0.0/16\", \"::1\"]";
    let planned = plan(text, &[]);
    let webhooks = planned.webhooks.expect("they are kept");
    assert_eq!(
        (webhooks.attempts, webhooks.timeout),
        (3, Duration::from_secs(5))
    );
    for (address, is_allowed) in [("10.1.2.3", true), ("::1", true), ("10.2.0.1", false)] {
        let judged = planned.outgoing.judge(address.parse().unwrap());
        assert_eq!(judged.is_ok(), is_allowed, "{address}");
    }
    let wrong = complaints(
        "[webhooks]\nkind = \"mysql\"\nattempts = 0\ntimeout = \"1h\"\n[outgoing]\nallow = [\"private\"]",
        &[],
    );
    for key in [
        "webhooks.kind",
        "webhooks.attempts",
        "webhooks.timeout",
        "outgoing.allow",
    ] {
        assert!(wrong.contains(key), "{key}: {wrong}");
    }
}

#[test]
fn each_hook_of_the_proxy_is_there_when_it_has_an_address() {
    let nobody = plan("", &[]);
    assert!(nobody.proxy.connect.is_none() && nobody.proxy.publish.is_none());
    let text = "[proxy]\npublish_url = \"https://app.example/publish?key=canary\"\npublish_timeout = \"500ms\"\npublish_on_failure = \"allow\"";
    let planned = plan(text, &[]).proxy;
    let publish = planned.publish.as_ref().expect("it is asked");
    assert_eq!(publish.timeout, Duration::from_millis(500));
    assert_eq!(publish.on_failure, crate::proxy::OnFailure::Allow);
    assert!(planned.connect.is_none() && planned.subscribe.is_none());
    let shown = format!("{planned:?}");
    assert!(!shown.contains("canary"), "{shown}");
    let wrong = complaints(
        "[proxy]\nconnect_url = \"app\"\nsubscribe_timeout = \"1h\"\npublish_on_failure = \"perhaps\"",
        &[],
    );
    for key in [
        "proxy.connect_url",
        "proxy.subscribe_timeout",
        "proxy.publish_on_failure",
    ] {
        assert!(wrong.contains(key), "{key}: {wrong}");
    }
}

#[cfg(feature = "redis")]
#[test]
fn commands_need_a_broker_and_scopes_that_they_can_have() {
    use fanwave_api::keys::Scope;

    assert!(plan("", &[]).commands.is_none());
    let redis = "[engine]\nkind = \"redis\"\n[commands]\ntake = \"on\"\n";
    let commands = plan(redis, &[]).commands.unwrap();
    assert_eq!(commands.stream, "fanwave:commands");
    assert_eq!(commands.scopes, [Scope::Publish, Scope::Moderate]);
    let one = [
        ("FANWAVE__COMMANDS__SCOPES", "publish"),
        ("FANWAVE__COMMANDS__STREAM", "{shop}:orders"),
    ];
    let commands = plan(redis, &one).commands.unwrap();
    assert_eq!(
        (&*commands.stream, commands.scopes),
        ("{shop}:orders", vec![Scope::Publish])
    );
    let told = complaints(
        "[commands]\ntake = \"on\"\nstream = \"a b\"\nscopes = [\"tokens\", \"sing\"]\n",
        &[],
    );
    for expected in [
        "`commands.take` is \"on\", which needs a broker: set engine.kind to \"redis\", \"nats\" or \"kafka\", or use the HTTP API",
        "`commands.stream` must be 1 to 200 of",
        "`commands.scopes` holds \"tokens\"",
        "`commands.scopes` holds \"sing\"",
        "`commands.scopes` must not be empty",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let told = complaints("[commands]\ntake = \"yes\"\n", &[]);
    assert!(
        told.contains("`commands.take` must be \"on\" or \"off\""),
        "{told}"
    );
}

#[cfg(feature = "nats")]
#[test]
fn commands_over_nats_are_named_after_its_prefix() {
    let nats = "[engine]\nkind = \"nats\"\n[nats]\nprefix = \"show\"\n[commands]\ntake = \"on\"\n";
    assert_eq!(plan(nats, &[]).commands.unwrap().stream, "show.commands");
    for refused in ["a..b", ".a", "a.*", "a.>"] {
        let told = complaints(nats, &[("FANWAVE__COMMANDS__STREAM", refused)]);
        assert!(
            told.contains("`commands.stream` must be"),
            "{refused}: {told}"
        );
    }
}

#[cfg(feature = "kafka")]
#[test]
fn commands_over_kafka_are_named_after_its_topic() {
    let kafka =
        "[engine]\nkind = \"kafka\"\n[kafka]\ntopic = \"show\"\n[commands]\ntake = \"on\"\n";
    assert_eq!(plan(kafka, &[]).commands.unwrap().stream, "show-commands");
    let told = complaints(kafka, &[("FANWAVE__COMMANDS__STREAM", "a:b")]);
    assert!(told.contains("`commands.stream` must be"), "{told}");
}
