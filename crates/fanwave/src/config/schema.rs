//! The plain structs that a configuration is read into, with their defaults.
//!
//! Each field is a key of the table in [`super::keys`], where it is documented; a test compares the two.

use serde::{Deserialize, Serialize};

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "each field is documented once, as its key in `keys::KEYS`")]
        pub struct $name { $(pub $field: $kind,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

section!(
    /// `[http]`.
    Http {
        listen: String = "0.0.0.0:8080".to_owned(),
        public_url: String = String::new(),
        allowed_origins: Vec<String> = Vec::new(),
        connections_max: u64 = 10_000,
        header_wait: String = "10s".to_owned(),
        header_bytes_max: u64 = 16_384,
        tls_listen: String = String::new(),
        tls_certificate: String = String::new(),
        tls_key: String = String::new(),
        h3_listen: String = String::new(),
        proxies: Vec<String> = vec!["private".to_owned()],
    }
);
section!(
    /// `[api]`.
    Api {
        guests_per_minute: u64 = 600,
        requests_per_minute: u64 = 0,
        keys_file: String = String::new(),
    }
);
section!(
    /// `[regions]`.
    Regions {
        here: String = String::new(),
        ranked: Vec<String> = Vec::new(),
    }
);
section!(
    /// `[cost]`.
    Cost {
        currency: String = String::new(),
        per_gb: String = "0".to_owned(),
        per_server_hour: String = "0".to_owned(),
    }
);
section!(
    /// `[rtmp]`.
    Rtmp {
        listen: String = "0.0.0.0:1935".to_owned(),
        public_url: String = String::new(),
        tls_listen: String = String::new(),
        tls_public_url: String = String::new(),
        tls_certificate: String = String::new(),
        tls_key: String = String::new(),
        connections_per_address: u64 = 16,
    }
);
section!(
    /// `[srt]`.
    Srt {
        listen: String = String::new(),
        public_url: String = String::new(),
        latency: String = "120ms".to_owned(),
        passphrase_file: String = String::new(),
    }
);
section!(
    /// `[whip]`.
    Whip {
        listen_udp: String = String::new(),
        public_url: String = String::new(),
        addresses: Vec<String> = Vec::new(),
        keyframe_interval: String = "2s".to_owned(),
    }
);
section!(
    /// `[authorise]`.
    Authorise {
        url: String = String::new(),
        form: String = "fanwave".to_owned(),
        timeout: String = "3s".to_owned(),
        secret_file: String = String::new(),
        stream_keys: String = "known".to_owned(),
        recheck: String = "0s".to_owned(),
    }
);
section!(
    /// `[webhook]`.
    Webhook {
        url: String = String::new(),
        timeout: String = "5s".to_owned(),
        secret_file: String = String::new(),
    }
);
section!(
    /// `[webhooks]`.
    Webhooks {
        kind: String = "off".to_owned(),
        timeout: String = "5s".to_owned(),
        attempts: u64 = 16,
    }
);
section!(
    /// `[proxy]`.
    Proxy {
        secret_file: String = String::new(),
        connect_url: String = String::new(),
        connect_timeout: String = "2s".to_owned(),
        connect_on_failure: String = "refuse".to_owned(),
        subscribe_url: String = String::new(),
        subscribe_timeout: String = "2s".to_owned(),
        subscribe_on_failure: String = "refuse".to_owned(),
        publish_url: String = String::new(),
        publish_timeout: String = "2s".to_owned(),
        publish_on_failure: String = "refuse".to_owned(),
    }
);
section!(
    /// `[outgoing]`.
    Outgoing {
        allow: Vec<String> = Vec::new(),
    }
);
section!(
    /// `[live]`.
    Live {
        part_target: String = "1s".to_owned(),
        reconnect_window: String = "30s".to_owned(),
    }
);
section!(
    /// `[dvr]`.
    Dvr {
        window: String = "2h".to_owned(),
    }
);
section!(
    /// `[recording]`.
    Recording {
        channels: Vec<String> = Vec::new(),
        keep: String = "30d".to_owned(),
        gib_max: u64 = 0,
        storage: String = String::new(),
        waiting_gib_max: u64 = 100,
    }
);
section!(
    /// `[s3]`.
    S3 {
        endpoint: String = String::new(),
        region: String = "us-east-1".to_owned(),
        addressing: String = "path".to_owned(),
        access_key: String = String::new(),
        secret_key_file: String = String::new(),
        tls_authorities: String = String::new(),
    }
);
section!(
    /// `[ladder]`.
    Ladder {
        rungs: Vec<String> = Vec::new(),
        rungs_max: u64 = 0,
        program: String = "ffmpeg".to_owned(),
        encoder: String = "x264".to_owned(),
        aac: String = String::new(),
        slate: String = String::new(),
    }
);
section!(
    /// `[thumbnails]`.
    Thumbnails {
        channels: Vec<String> = Vec::new(),
        interval: String = "10s".to_owned(),
        lines: u64 = 90,
    }
);
section!(
    /// `[quality]`.
    Quality {
        reporters_max: u64 = 5_000,
        every: String = "10s".to_owned(),
        beacons_per_minute: u64 = 6_000,
    }
);
section!(
    /// One entry of `[[channels]]`.
    Channel {
        id: String = "demo".to_owned(),
        title: String = "Fanwave demo".to_owned(),
        stream_key_file: String = String::new(),
        takeover: String = "refuse".to_owned(),
        numbering: String = "counted".to_owned(),
        keep: String = String::new(),
    }
);
section!(
    /// One entry of `[[simulcast]]`.
    Simulcast {
        channel: String = String::new(),
        name: String = String::new(),
        url: String = String::new(),
        key_file: String = String::new(),
        tls_authorities: String = String::new(),
    }
);
section!(
    /// `[chat]`.
    Chat {
        connections_max: u64 = 100_000,
        message_chars_max: u64 = 500,
        burst: u64 = 5,
        refill: String = "1s".to_owned(),
        commands_per_second: u64 = 30,
        ping_interval: String = "25s".to_owned(),
        pong_timeout: String = "10s".to_owned(),
        tick: String = "20ms".to_owned(),
        shown_per_second: u64 = 10,
        subscribe_tokens: String = "off".to_owned(),
        room_log_kib: u64 = 1024,
    }
);
section!(
    /// `[gateway]`.
    Gateway {
        reactors: u64 = 0,
        listen: Vec<String> = Vec::new(),
        tls_certificate: String = String::new(),
        tls_key: String = String::new(),
        accepts_per_second: u64 = 10_000,
        handshake_timeout: String = "10s".to_owned(),
        compression: String = "offered".to_owned(),
    }
);
section!(
    /// `[engine]`.
    Engine {
        kind: String = "memory".to_owned(),
        tick: String = "20ms".to_owned(),
        name: String = String::new(),
    }
);
section!(
    /// `[store]`.
    Store {
        kind: String = "sqlite".to_owned(),
        keep: String = "90d".to_owned(),
        record: String = "off".to_owned(),
        person_keys: String = "off".to_owned(),
    }
);
section!(
    /// `[postgresql]`.
    Postgresql {
        host: String = "127.0.0.1".to_owned(),
        port: u64 = 5432,
        database: String = "fanwave".to_owned(),
        schema: String = "fanwave".to_owned(),
        username: String = "fanwave".to_owned(),
        password_file: String = String::new(),
        tls: String = "verified".to_owned(),
        tls_authorities: String = String::new(),
        readers: u64 = 4,
        replicas: Vec<String> = Vec::new(),
        replica_lag: String = "1s".to_owned(),
    }
);
section!(
    /// `[cassandra]`.
    Cassandra {
        contact_points: Vec<String> = vec!["127.0.0.1:9042".to_owned()],
        keyspace: String = "fanwave".to_owned(),
        datacenter: String = String::new(),
        replicas: u64 = 3,
        consistency: String = "local_quorum".to_owned(),
        username: String = String::new(),
        password_file: String = String::new(),
        tls: String = "verified".to_owned(),
        tls_authorities: String = String::new(),
    }
);
section!(
    /// `[redis]`.
    Redis {
        topology: String = "single".to_owned(),
        servers: Vec<String> = vec!["redis://127.0.0.1:6379".to_owned()],
        primary: String = "fanwave".to_owned(),
        username: String = String::new(),
        password_file: String = String::new(),
        tls_authorities: String = String::new(),
        tls_certificate: String = String::new(),
        tls_key: String = String::new(),
        partitions: u64 = 128,
        log_messages: u64 = 100_000,
        replicas: u64 = 0,
    }
);
section!(
    /// `[nats]`.
    Nats {
        servers: Vec<String> = vec!["nats://127.0.0.1:4222".to_owned()],
        username: String = String::new(),
        password_file: String = String::new(),
        credentials_file: String = String::new(),
        tls_authorities: String = String::new(),
        tls_certificate: String = String::new(),
        tls_key: String = String::new(),
        prefix: String = "fanwave".to_owned(),
        partitions: u64 = 128,
        replicas: u64 = 1,
        chat_age: String = "30d".to_owned(),
        chat_mib: u64 = 0,
    }
);
section!(
    /// `[kafka]`.
    Kafka {
        brokers: Vec<String> = vec!["127.0.0.1:9092".to_owned()],
        username: String = String::new(),
        password_file: String = String::new(),
        sasl: String = "scram-sha-512".to_owned(),
        topic: String = "fanwave".to_owned(),
        partitions: u64 = 32,
        snapshot_every: u64 = 50_000,
    }
);
section!(
    /// `[tokens]`.
    Tokens {
        guest_ttl: String = "30d".to_owned(),
        secret_file: String = String::new(),
        jwks_url: String = String::new(),
        jwks_refresh: String = "10m".to_owned(),
        audience: String = String::new(),
        issuer: String = String::new(),
        algorithms: Vec<String> = ["RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec(),
    }
);
section!(
    /// `[accounts]`.
    Accounts {
        registration: String = "off".to_owned(),
        kind: String = "sqlite".to_owned(),
        session_ttl: String = "30d".to_owned(),
    }
);
section!(
    /// `[oidc]`.
    Oidc {
        issuer: String = String::new(),
        client_id: String = String::new(),
        client_secret_file: String = String::new(),
        scopes: Vec<String> = vec!["openid".to_owned(), "profile".to_owned()],
        algorithms: Vec<String> = ["RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec(),
        role_claim: String = String::new(),
        roles: Vec<String> = Vec::new(),
        name: String = "OpenID".to_owned(),
    }
);
section!(
    /// `[data]`.
    Data {
        dir: String = "./data".to_owned(),
    }
);
section!(
    /// `[log]`.
    Log {
        level: String = "info".to_owned(),
        format: String = "human".to_owned(),
    }
);
section!(
    /// `[drain]`.
    Drain {
        propagation: String = "5s".to_owned(),
        percent_per_second: u64 = 2,
        grace: String = "180s".to_owned(),
        prefer: String = String::new(),
    }
);
section!(
    /// `[shutdown]`.
    Shutdown {
        deadline: String = "10s".to_owned(),
    }
);
section!(
    /// `[demo]`.
    Demo {
        ffmpeg: String = "ffmpeg".to_owned(),
        preset: String = "ultrafast".to_owned(),
        fans: u64 = 6,
    }
);
section!(
    /// `[commands]`.
    Commands {
        take: String = "off".to_owned(),
        stream: String = String::new(),
        scopes: Vec<String> = vec!["publish".to_owned(), "moderate".to_owned()],
    }
);
section!(
    /// The whole file.
    Config {
        http: Http = Http::default(),
        api: Api = Api::default(),
        regions: Regions = Regions::default(),
        cost: Cost = Cost::default(),
        rtmp: Rtmp = Rtmp::default(),
        srt: Srt = Srt::default(),
        whip: Whip = Whip::default(),
        authorise: Authorise = Authorise::default(),
        webhook: Webhook = Webhook::default(),
        webhooks: Webhooks = Webhooks::default(),
        outgoing: Outgoing = Outgoing::default(),
        proxy: Proxy = Proxy::default(),
        live: Live = Live::default(),
        dvr: Dvr = Dvr::default(),
        recording: Recording = Recording::default(),
        s3: S3 = S3::default(),
        ladder: Ladder = Ladder::default(),
        thumbnails: Thumbnails = Thumbnails::default(),
        quality: Quality = Quality::default(),
        channels: Vec<Channel> = vec![
            Channel::default(),
            Channel { id: "stage".to_owned(), title: "Your stage".to_owned(), ..Channel::default() },
        ],
        simulcast: Vec<Simulcast> = Vec::new(),
        chat: Chat = Chat::default(),
        gateway: Gateway = Gateway::default(),
        engine: Engine = Engine::default(),
        store: Store = Store::default(),
        postgresql: Postgresql = Postgresql::default(),
        cassandra: Cassandra = Cassandra::default(),
        redis: Redis = Redis::default(),
        nats: Nats = Nats::default(),
        kafka: Kafka = Kafka::default(),
        commands: Commands = Commands::default(),
        tokens: Tokens = Tokens::default(),
        accounts: Accounts = Accounts::default(),
        oidc: Oidc = Oidc::default(),
        data: Data = Data::default(),
        log: Log = Log::default(),
        drain: Drain = Drain::default(),
        shutdown: Shutdown = Shutdown::default(),
        demo: Demo = Demo::default(),
    }
);
