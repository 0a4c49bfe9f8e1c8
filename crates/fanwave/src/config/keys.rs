//! The one table of configuration keys: what each is called, takes, does, and costs at worst.
//!
//! Every key is also a field of the plain structs in [`super::schema`], whose `Default` is the key's default. A test
//! compares the two, so that the printed reference can never lag behind the code. Texts get their meaning in
//! [`super::plan`].

use toml::Value;

/// The one section that is a list of tables.
pub const CHANNELS: &str = "channels";

/// What a key's value is in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number, not negative.
    Number,
    /// A list of strings; in a variable, separated by commas.
    TextList,
}

impl Kind {
    /// For error messages, with its article.
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a whole number, 0 or more",
            Self::TextList => "a list of strings",
        }
    }

    /// The value of a key that a list entry leaves out.
    #[must_use]
    pub fn empty(self) -> Value {
        match self {
            Self::Text => Value::String(String::new()),
            Self::Number => Value::Integer(0),
            Self::TextList => Value::Array(Vec::new()),
        }
    }
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// The table it is in.
    pub section: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it does, and what it takes.
    pub doc: &'static str,
    /// What its worst value costs; empty when it costs nothing.
    pub cost: &'static str,
}

impl Key {
    /// Whether the section is a list of tables.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.section == CHANNELS
    }
}

const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    doc: &'static str,
    cost: &'static str,
) -> Key {
    Key {
        section,
        name,
        kind,
        doc,
        cost,
    }
}

/// Every section with its heading in the reference, in the order in which it is printed.
pub const SECTIONS: &[(&str, &str)] = &[
    (
        "http",
        "The one port for the page, the API, the broadcast and the chat; and the same over TLS.",
    ),
    ("rtmp", "Where OBS and other encoders publish to."),
    (
        "srt",
        "Where encoders that speak SRT call with MPEG-TS. The stream id names the key: \"publish:KEY\", or \"#!::r=CHANNEL,m=publish,u=KEY\".",
    ),
    (
        "whip",
        "Where browsers and encoders publish by WHIP: POST /whip/CHANNEL at the HTTP port, with the stream key as bearer token.",
    ),
    (
        "authorise",
        "Who may publish, where that is decided by a server of yours. Without one, the stream keys decide.",
    ),
    (
        "webhook",
        "Who is told what happens to the shows and their encoders (docs/webhooks.md). Without one, the log, the metrics and the API tell it.",
    ),
    ("live", "The broadcast. Fixed at start."),
    (
        "dvr",
        "How far back viewers can go in a show that is on. In files of the data folder; the newest segments are in memory.",
    ),
    (
        "recording",
        "Shows that are kept when they are over, and played from /vod/. In files of the data folder, beside those of [dvr], or in a bucket.",
    ),
    (
        "s3",
        "The bucket of recording.storage: Amazon's S3, or any server that speaks it.",
    ),
    (
        "ladder",
        "Lower qualities of every show, encoded by ffmpeg; what the publisher sends is shown as it is, above them.",
    ),
    (
        "thumbnails",
        "Small pictures for whoever seeks, in a show that is on and in its recording, with a WebVTT track. Made by the ladder's ffmpeg.",
    ),
    (
        CHANNELS,
        "One entry per channel: a show and its two chat lanes, `room:ID` and `chat:ID`. At most 256.",
    ),
    (
        "chat",
        "What the rooms ask of a message, and what each fan's connection may cost.",
    ),
    (
        "gateway",
        "How the sockets of the fans are served: threads, ports of their own, and how many come in at once.",
    ),
    (
        "engine",
        "What makes the rooms of this server, or of many servers, one.",
    ),
    ("redis", "The Redis of the engine of that name."),
    ("nats", "The NATS of the engine of that name."),
    ("kafka", "The Kafka of the engine of that name."),
    ("tokens", "Who a fan is: signed tokens."),
    ("data", "Where everything is kept."),
    ("log", "The log, on standard error."),
    (
        "drain",
        "What SIGTERM does: the fans are moved to other servers before this one stops. Ctrl-C takes a second.",
    ),
    ("shutdown", "Stopping, when the fans have been told."),
    (
        "demo",
        "The demo show of `fanwave serve --demo`; it plays on the first channel.",
    ),
];

/// Every key, in the order of the reference.
pub const KEYS: &[Key] = &[
    key(
        "http",
        "listen",
        Kind::Text,
        "Address and port; port 0 takes a free one.",
        "",
    ),
    key(
        "http",
        "public_url",
        Kind::Text,
        "Address under which fans reach the server, when it is behind a proxy: \"https://fans.example\". Shown at start. Empty: http://localhost and the port.",
        "",
    ),
    key(
        "http",
        "allowed_origins",
        Kind::TextList,
        "Web pages that may open the chat, as a browser names them: [\"https://fans.example\"]. Empty: only pages served under the request's own host.",
        "",
    ),
    key(
        "http",
        "connections_max",
        Kind::Number,
        "HTTP connections at once, 1 to 1000000; chat sockets count on their own once they are open. One more waits in the system's queue.",
        "header_bytes_max and two file descriptors each",
    ),
    key(
        "http",
        "header_wait",
        Kind::Text,
        "Longest wait for a request's header, and again for its body, 1s to 5m.",
        "a connection held for so long",
    ),
    key(
        "http",
        "header_bytes_max",
        Kind::Number,
        "Largest request header, 8192 to 1048576 bytes; a larger one is answered 431.",
        "so many bytes per connection",
    ),
    key(
        "http",
        "tls_listen",
        Kind::Text,
        "Address and port for the same over TLS: \"0.0.0.0:8443\". Browsers then speak HTTP/2 there, and WebSockets come in as they do at http.listen. Empty: no TLS, a proxy speaks it.",
        "3 KiB of ours per connection",
    ),
    key(
        "http",
        "tls_certificate",
        Kind::Text,
        "A PEM file with the certificate chain for http.tls_listen. After a renewal it is shown to whoever connects next, within 5 s, without a restart.",
        "",
    ),
    key(
        "http",
        "tls_key",
        Kind::Text,
        "A PEM file with the certificate's private key, readable by its owner alone.",
        "",
    ),
    key(
        "http",
        "h3_listen",
        Kind::Text,
        "Address and UDP port for HTTP/3, with the certificate of http.tls_listen, whose answers then offer it (Alt-Svc): \"0.0.0.0:8443\". Empty: no HTTP/3.",
        "1 MiB of answers under way per connection",
    ),
    key(
        "rtmp",
        "listen",
        Kind::Text,
        "Address and port; port 0 takes a free one.",
        "",
    ),
    key(
        "rtmp",
        "tls_listen",
        Kind::Text,
        "Address and port for RTMPS, such as \"0.0.0.0:1936\"; port 0 takes a free one. Empty: none.",
        "",
    ),
    key(
        "rtmp",
        "tls_certificate",
        Kind::Text,
        "A PEM file with the certificate chain for rtmp.tls_listen. After a renewal it is shown to whoever connects next, within 5 s, without a restart.",
        "",
    ),
    key(
        "rtmp",
        "tls_key",
        Kind::Text,
        "A PEM file with the certificate's private key, readable by its owner alone.",
        "",
    ),
    key(
        "rtmp",
        "connections_per_address",
        Kind::Number,
        "Encoders' connections at once from one IPv4 address or one IPv6 /64 network, over RTMP, RTMPS, SRT and WHIP together, 1 to 256; one more is closed.",
        "384 KB each before its key is known",
    ),
    key(
        "srt",
        "listen",
        Kind::Text,
        "Address and UDP port, such as \"0.0.0.0:9000\"; port 0 takes a free one. Empty: none.",
        "12 MB for each publisher",
    ),
    key(
        "srt",
        "latency",
        Kind::Text,
        "How long a lost packet may take to come again, 20ms to 8s: four times the way to the encoder and back. An encoder that asks for more gets more.",
        "so much delay",
    ),
    key(
        "srt",
        "passphrase_file",
        Kind::Text,
        "A file that holds a passphrase of 10 to 79 characters, readable by its owner alone: every encoder needs it beside its key, and the media is encrypted (AES-128). Empty: none.",
        "",
    ),
    key(
        "whip",
        "listen_udp",
        Kind::Text,
        "Address and UDP port for the media of all sessions, such as \"0.0.0.0:8189\"; port 0 takes a free one. Empty: no WHIP.",
        "1.5 MB for each publisher",
    ),
    key(
        "whip",
        "addresses",
        Kind::TextList,
        "IP addresses under which publishers reach that port, up to 8, such as [\"203.0.113.7\"]. Empty: the address in whip.listen_udp, which must then be one that can be reached.",
        "",
    ),
    key(
        "whip",
        "keyframe_interval",
        Kind::Text,
        "How long after a keyframe a publisher is asked for the next one, 1s to 5s; browsers send none by themselves.",
        "shorter: worse pictures at the same bitrate",
    ),
    key(
        "authorise",
        "url",
        Kind::Text,
        "Where to ask with a POST: \"https://crew.example/may-publish\". Empty: nobody is asked.",
        "32 questions at once",
    ),
    key(
        "authorise",
        "form",
        Kind::Text,
        "\"fanwave\": a JSON object. \"nginx-rtmp\": what that module's on_publish, on_update and on_publish_done send.",
        "",
    ),
    key(
        "authorise",
        "timeout",
        Kind::Text,
        "Longest wait for the answer, 100ms to 8s. Without one, the publisher is turned away and told to try again.",
        "an encoder held for so long",
    ),
    key(
        "authorise",
        "secret_file",
        Kind::Text,
        "A file that holds the secret that the questions are signed with, in the header Fanwave-Signature; readable by its owner alone. Empty: they are not signed.",
        "",
    ),
    key(
        "authorise",
        "stream_keys",
        Kind::Text,
        "\"known\": whoever has a channel's stream key publishes without a question. \"asked\": your server is asked about everybody.",
        "",
    ),
    key(
        "authorise",
        "recheck",
        Kind::Text,
        "How often your server is asked whether a publisher may go on, 1s to 1h; a no ends it. \"0s\": never.",
        "",
    ),
    key(
        "webhook",
        "url",
        Kind::Text,
        "Where each event is posted: \"https://crew.example/events\". No redirect is followed. Empty: nobody is told.",
        "4 MiB of events that wait",
    ),
    key(
        "webhook",
        "timeout",
        Kind::Text,
        "Longest wait for the answer, 100ms to 30s. Without one, the event is sent again later.",
        "",
    ),
    key(
        "webhook",
        "secret_file",
        Kind::Text,
        "A file that holds the secret that the events are signed with, in the header Fanwave-Signature; readable by its owner alone. Empty: they are not signed.",
        "",
    ),
    key(
        "live",
        "part_target",
        Kind::Text,
        "Target duration of a playlist part, 200ms to 2s. Shorter is closer to live and costs more requests.",
        "per viewer, two requests in each part target",
    ),
    key(
        "live",
        "reconnect_window",
        Kind::Text,
        "How long a vanished publisher may take to return to the same show, 1s to 10m.",
        "the last segments held for so long",
    ),
    key(
        "dvr",
        "window",
        Kind::Text,
        "2m to 2h. When the disk is full or fails, it is as short as what there is, and grows again when it can. \"0s\": a minute, from memory.",
        "so much of every show on disk, once while it is on and again as long after it: 4.5 GB for 2h at 5 Mb/s",
    ),
    key(
        "recording",
        "channels",
        Kind::TextList,
        "Ids of the channels that are recorded, or [\"*\"] for all. Empty: none.",
        "their media for as long as it is kept: 2.3 GB for an hour at 5 Mb/s",
    ),
    key(
        "recording",
        "keep",
        Kind::Text,
        "How long a recording is kept from its end on, 1m to 3650d. \"0s\": until it is deleted. Clips are kept until they are deleted in any case.",
        "",
    ),
    key(
        "recording",
        "gib_max",
        Kind::Number,
        "Most of all recordings together, GiB, up to 1000000: beyond it the oldest that is over is deleted. 0: no limit.",
        "so much, and what is being recorded",
    ),
    key(
        "recording",
        "storage",
        Kind::Text,
        "Where recordings are kept: \"s3://BUCKET/FOLDER\", which is for this server alone, by way of the data folder. Empty: in the data folder.",
        "",
    ),
    key(
        "recording",
        "waiting_gib_max",
        Kind::Number,
        "Most that may wait in the data folder until the bucket takes it, GiB, 1 to 1000000. Beyond it segments cannot be stored, as on a full disk.",
        "so much of the disk",
    ),
    key(
        "s3",
        "endpoint",
        Kind::Text,
        "Where the server is, as \"https://s3.example:9000\". Empty: Amazon's, of the region.",
        "",
    ),
    key(
        "s3",
        "region",
        Kind::Text,
        "The region of the bucket. Servers that have none mostly take \"us-east-1\".",
        "",
    ),
    key(
        "s3",
        "addressing",
        Kind::Text,
        "Where the bucket's name stands in an address: \"path\" (https://host/bucket) or \"host\" (https://bucket.host).",
        "",
    ),
    key(
        "s3",
        "access_key",
        Kind::Text,
        "The access key's id. Empty: the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN are read at the start.",
        "",
    ),
    key(
        "s3",
        "secret_key_file",
        Kind::Text,
        "A file that only its owner may read, with the secret access key in one line. Goes with s3.access_key.",
        "",
    ),
    key(
        "s3",
        "tls_authorities",
        Kind::Text,
        "A PEM file with certificates of authorities that are trusted in place of those of the system. Empty: those of the system.",
        "",
    ),
    key(
        "ladder",
        "rungs",
        Kind::TextList,
        "From the best to the least, at most 4, each by the lines of its picture's shorter side and its bitrate: [\"720p 2500k\", \"480p 1200k\", \"360p 700k\"]. A show has those below its own picture; one in high dynamic range, or with several pictures of its own, has none. Empty: none.",
        "with x264, a process for each that may take a core or more",
    ),
    key(
        "ladder",
        "rungs_max",
        Kind::Number,
        "Rungs of all shows that are encoded at once, up to 1024; a show that begins when there are so many has fewer, the lowest first. 0: one for each core.",
        "so many processes",
    ),
    key("ladder", "program", Kind::Text, "ffmpeg 5.1 or newer.", ""),
    key(
        "ladder",
        "encoder",
        Kind::Text,
        "What encodes in it: \"x264\", or the video engine of a card, \"nvenc\" or \"vaapi\".",
        "",
    ),
    key(
        "ladder",
        "aac",
        Kind::Text,
        "Bitrate of AAC to make of Opus, such as \"128k\", 32k to 320k: shows whose sound is Opus alone then have both, and players that know no Opus take this. A channel that is numbered by the clock has none. Empty: none is made.",
        "a process for each audio track, which takes some hundredths of a core",
    ),
    key(
        "thumbnails",
        "channels",
        Kind::TextList,
        "Ids of the channels whose shows have some, or [\"*\"] for all. Empty: none.",
        "for each picture a process of less than a tenth of a second; 2 at most at one time",
    ),
    key(
        "thumbnails",
        "interval",
        Kind::Text,
        "From one picture to the next, 2s to 60s: the first picture of the first segment after so long.",
        "some 1 MB for an hour at 10s and 90 lines",
    ),
    key(
        "thumbnails",
        "lines",
        Kind::Number,
        "Lines of a picture's shorter side, an even number of 36 to 240.",
        "",
    ),
    key(
        CHANNELS,
        "id",
        Kind::Text,
        "1 to 64 characters of a-z A-Z 0-9 - _ . ; no two alike.",
        "",
    ),
    key(
        CHANNELS,
        "title",
        Kind::Text,
        "What the page shows, at most 100 characters. Empty: the id.",
        "",
    ),
    key(
        CHANNELS,
        "stream_key_file",
        Kind::Text,
        "A file that holds the stream key, readable by its owner alone. Empty: made in the data folder at first start.",
        "",
    ),
    key(
        CHANNELS,
        "takeover",
        Kind::Text,
        "What becomes of a second encoder: \"refuse\": turned away, unless the first is silent. \"replace\": it takes the place. \"backup\": it is shown while the first is away. Empty: \"refuse\".",
        "",
    ),
    key(
        CHANNELS,
        "numbering",
        Kind::Text,
        "\"counted\": segments are numbered from the first one on. \"clock\": by the encoder's time of day, so that several servers that hear it serve the same under the same addresses (docs/twin-origins.md). Empty: \"counted\".",
        "",
    ),
    key(
        "chat",
        "connections_max",
        Kind::Number,
        "Chat sockets at once, 1 to 1000000; one more is answered 503.",
        "400 bytes of ours, 4 KiB of the kernel's and a file descriptor each",
    ),
    key(
        "chat",
        "message_chars_max",
        Kind::Number,
        "Longest message, 1 to 500 characters.",
        "12 bytes a character while it is read",
    ),
    key(
        "chat",
        "burst",
        Kind::Number,
        "Messages that a rested fan may send at once, 1 to 1000.",
        "",
    ),
    key(
        "chat",
        "refill",
        Kind::Text,
        "After how long a fan may send one more, up to 10m; \"0s\" sets no limit.",
        "",
    ),
    key(
        "chat",
        "commands_per_second",
        Kind::Number,
        "Commands of one connection in the long run, 1 to 1000; beyond it the connection is closed.",
        "",
    ),
    key(
        "chat",
        "ping_interval",
        Kind::Text,
        "How often each connection is pinged, 5s to 5m.",
        "",
    ),
    key(
        "chat",
        "pong_timeout",
        Kind::Text,
        "How long a ping may stay unanswered, 1s and up, below ping_interval.",
        "",
    ),
    key(
        "chat",
        "tick",
        Kind::Text,
        "Shortest time between two rounds over a busy room, 1ms to 1s. Longer merges more into one write.",
        "so much delay",
    ),
    key(
        "chat",
        "shown_per_second",
        Kind::Number,
        "Messages of one language shown per second, 0 to 1000; of more, a sample. 0 shows all.",
        "what nobody can read",
    ),
    key(
        "chat",
        "subscribe_tokens",
        Kind::Text,
        "\"required\": following a channel needs a token of its own (HS256 or an issuer's key). \"off\": the role decides.",
        "50 bytes per subscription whose token runs out",
    ),
    key(
        "chat",
        "room_log_kib",
        Kind::Number,
        "Encoded messages kept per lane for fans who lag, 64 to 65536 KiB; who lags further is closed and recovers.",
        "so many KiB per lane",
    ),
    key(
        "gateway",
        "reactors",
        Kind::Number,
        "Threads that own the sockets, up to 256; 0 takes one for each core. A socket stays with its thread.",
        "one core each",
    ),
    key(
        "gateway",
        "listen",
        Kind::TextList,
        "Addresses with ports for WebSockets alone, at most 16: [\"0.0.0.0:8081\"]. There every thread accepts its own sockets, which costs a third of what the HTTP port does; the page, the API and the HTTP fallbacks stay on the HTTP port, which takes WebSockets too. Empty: only the HTTP port.",
        "",
    ),
    key(
        "gateway",
        "tls_certificate",
        Kind::Text,
        "A PEM file with the certificate chain for gateway.listen. After a renewal it is shown to whoever connects next, within 5 s, without a restart. Empty: no TLS there, a proxy speaks it.",
        "3 KiB of ours per fan",
    ),
    key(
        "gateway",
        "tls_key",
        Kind::Text,
        "A PEM file with the certificate's private key, readable by its owner alone.",
        "",
    ),
    key(
        "gateway",
        "accepts_per_second",
        Kind::Number,
        "New chat sockets per second in the long run, on all ports, and twice as many at once; fewer, down to a tenth, while messages take over a second to reach everybody. One more is answered 503 and told when to come again. 0 sets no limit.",
        "",
    ),
    key(
        "gateway",
        "handshake_timeout",
        Kind::Text,
        "Longest wait for an upgrade request at gateway.listen, 1s to 1m.",
        "8 KiB for so long, for at most 4096 sockets per thread",
    ),
    key(
        "gateway",
        "compression",
        Kind::Text,
        "\"offered\" compresses messages for clients that ask for it, as browsers do: what a room says in a tick once for all of them. \"never\" saves that work where the network costs nothing.",
        "0.3 MiB per thread, and some 50 us a tick and busy room",
    ),
    key(
        "engine",
        "kind",
        Kind::Text,
        "\"memory\": this process is the whole platform, and the chat log is in the data folder. \"redis\", \"nats\", \"kafka\": all servers with the same Redis, NATS or Kafka are one platform.",
        "",
    ),
    key(
        "engine",
        "tick",
        Kind::Text,
        "Shortest time between two writes of one server to one lane of a shared engine, 1ms to 1s. Longer merges more into one.",
        "so much delay",
    ),
    key(
        "engine",
        "name",
        Kind::Text,
        "What other servers, and `fanwave nodes`, call this one: at most 64 bytes. Empty: the host's name and the HTTP port.",
        "",
    ),
    key(
        "redis",
        "topology",
        Kind::Text,
        "\"single\" server, \"sentinel\" or \"cluster\". Redis 7.0 or newer.",
        "",
    ),
    key(
        "redis",
        "servers",
        Kind::TextList,
        "The server, the sentinels, or some servers of the cluster: [\"redis://HOST:6379\"], or rediss://HOST:6379 over TLS. A message is as safe as Redis keeps it: appendonly yes, appendfsync always, maxmemory-policy noeviction.",
        "two connections to each server of Redis",
    ),
    key(
        "redis",
        "primary",
        Kind::Text,
        "What the sentinels call the primary.",
        "",
    ),
    key(
        "redis",
        "username",
        Kind::Text,
        "Whom to log in as. Empty: the default user.",
        "",
    ),
    key(
        "redis",
        "password_file",
        Kind::Text,
        "A file that holds the password, readable by its owner alone. Empty: none.",
        "",
    ),
    key(
        "redis",
        "tls_authorities",
        Kind::Text,
        "A PEM file with certificates of authorities that are trusted in place of those of the system. Empty: those of the system.",
        "",
    ),
    key(
        "redis",
        "tls_certificate",
        Kind::Text,
        "A PEM file with a certificate to show to servers that ask for one. Empty: none.",
        "",
    ),
    key(
        "redis",
        "tls_key",
        Kind::Text,
        "A PEM file with that certificate's private key, readable by its owner alone.",
        "",
    ),
    key(
        "redis",
        "partitions",
        Kind::Number,
        "Into how many parts the rooms are divided, 1 to 1024; the same on every server, and never changed while there are rooms.",
        "a subscription each",
    ),
    key(
        "redis",
        "log_messages",
        Kind::Number,
        "How many messages of a lane Redis keeps, about, up to 1000000000; 0 keeps all. Events, which are a room's rules, are always kept.",
        "about 300 bytes per message, in the memory of Redis",
    ),
    key(
        "redis",
        "replicas",
        Kind::Number,
        "How many replicas must have a message before it is acknowledged, up to 16.",
        "the way to them and back, for every write",
    ),
    key(
        "nats",
        "servers",
        Kind::TextList,
        "Some servers of the cluster: [\"nats://HOST:4222\"]; tls://HOST:4222 refuses to speak without TLS. NATS 2.9 or newer, with JetStream. A message is as safe as NATS keeps it: nats.replicas = 3, and from 2.10 on sync_interval: always.",
        "one connection, and a subscription for each partition",
    ),
    key(
        "nats",
        "username",
        Kind::Text,
        "Whom to log in as. Empty: nobody.",
        "",
    ),
    key(
        "nats",
        "password_file",
        Kind::Text,
        "A file that holds the password of that user, readable by its owner alone. Empty: none.",
        "",
    ),
    key(
        "nats",
        "credentials_file",
        Kind::Text,
        "A credentials file in place of a user and a password, readable by its owner alone. Empty: none.",
        "",
    ),
    key(
        "nats",
        "tls_authorities",
        Kind::Text,
        "A PEM file with certificates of authorities that are trusted beside those of the system. Empty: none.",
        "",
    ),
    key(
        "nats",
        "tls_certificate",
        Kind::Text,
        "A PEM file with a certificate to show to servers that ask for one. Empty: none.",
        "",
    ),
    key(
        "nats",
        "tls_key",
        Kind::Text,
        "A PEM file with that certificate's private key, readable by its owner alone.",
        "",
    ),
    key(
        "nats",
        "prefix",
        Kind::Text,
        "What the names of streams and subjects begin with, 1 to 32 characters of a-z A-Z 0-9 - _; the same on every server, and never changed while there are rooms.",
        "",
    ),
    key(
        "nats",
        "partitions",
        Kind::Number,
        "Into how many parts the rooms are divided, 1 to 1024; the same on every server, and never changed while there are rooms.",
        "a subscription each",
    ),
    key(
        "nats",
        "replicas",
        Kind::Number,
        "How many servers of NATS keep each message: 1, 3 or 5. An acknowledgement means more than half of them.",
        "so many times the disk",
    ),
    key(
        "nats",
        "chat_age",
        Kind::Text,
        "How long the messages of chat lanes are kept, up to 10000d; \"0s\" keeps them for ever. Other lanes, which are a room's rules, are always kept.",
        "about 400 bytes per message, on the disks of NATS",
    ),
    key(
        "nats",
        "chat_mib",
        Kind::Number,
        "How many MiB of chat lanes are kept, of all rooms together, up to 1073741824; the oldest make way. 0 sets no limit.",
        "",
    ),
    key(
        "kafka",
        "brokers",
        Kind::TextList,
        "Some brokers of the cluster: [\"HOST:9092\"], which are spoken to without TLS. Kafka 3.7 or newer.",
        "two connections for each partition in which this server has a room",
    ),
    key(
        "kafka",
        "username",
        Kind::Text,
        "Whom to log in as. Empty: nobody.",
        "",
    ),
    key(
        "kafka",
        "password_file",
        Kind::Text,
        "A file that holds the password of that user, readable by its owner alone. Empty: none.",
        "",
    ),
    key(
        "kafka",
        "sasl",
        Kind::Text,
        "How the password is shown to Kafka: \"scram-sha-512\", \"scram-sha-256\", or \"plain\", which whoever listens to the connection can read.",
        "",
    ),
    key(
        "kafka",
        "topic",
        Kind::Text,
        "The topic that everything is in, made beforehand. It needs retention.ms=-1 and cleanup.policy=delete, because rooms are computed from it. A message is as safe as the topic keeps it: replication factor 3, min.insync.replicas=2, unclean.leader.election.enable=false.",
        "about 400 bytes per message and replica, on the disks of Kafka, for ever",
    ),
    key(
        "kafka",
        "partitions",
        Kind::Number,
        "How many partitions the topic has, 1 to 1024; the same on every server, and never changed while there are rooms.",
        "two connections each, while a server has a room in it",
    ),
    key(
        "kafka",
        "snapshot_every",
        Kind::Number,
        "How many records of a partition are between two snapshots of it, 1000 to 100000000, in the topic of this name with -snapshots behind it, made beforehand with as many partitions and cleanup.policy=compact. Without that topic, a server that starts reads all there has been.",
        "so many records are read before a server can use a partition",
    ),
    key(
        "tokens",
        "guest_ttl",
        Kind::Text,
        "How long a guest token is valid, 1m to 400d.",
        "",
    ),
    key(
        "tokens",
        "secret_file",
        Kind::Text,
        "A file that holds the signing secret, at least 32 bytes, readable by its owner alone. Empty: made in the data folder at first start.",
        "",
    ),
    key(
        "tokens",
        "jwks_url",
        Kind::Text,
        "Where another issuer publishes the public keys of its tokens: \"https://id.example/jwks.json\". Empty: only tokens of this installation are taken.",
        "",
    ),
    key(
        "tokens",
        "jwks_refresh",
        Kind::Text,
        "How often these keys are read again, 10s to 1d. A token with a key that is new has them read at once.",
        "",
    ),
    key(
        "tokens",
        "audience",
        Kind::Text,
        "For whom tokens of that issuer must be (\"aud\"). Empty: for anybody.",
        "",
    ),
    key(
        "tokens",
        "issuer",
        Kind::Text,
        "By whom tokens of that issuer must be (\"iss\"). Empty: by anybody whose key is in the set.",
        "",
    ),
    key(
        "tokens",
        "algorithms",
        Kind::TextList,
        "How tokens of that issuer may be signed.",
        "",
    ),
    key(
        "data",
        "dir",
        Kind::Text,
        "The data folder: chat log, stream keys, signing secret. One server at a time.",
        "about 300 bytes per chat message, kept for ever",
    ),
    key(
        "log",
        "level",
        Kind::Text,
        "error, warn, info, debug or trace; or per module: \"info,fanwave_gateway=debug\".",
        "",
    ),
    key(
        "log",
        "format",
        Kind::Text,
        "\"human\" for a terminal, \"json\" for machines; with json nothing is printed at start, so that stream keys stay out of collected output.",
        "",
    ),
    key(
        "drain",
        "propagation",
        Kind::Text,
        "How long new fans are still taken after /readyz has turned to 503, so that load balancers notice, 0s to 5m.",
        "",
    ),
    key(
        "drain",
        "percent_per_second",
        Kind::Number,
        "Of the fans connected at the beginning, how many are sent away in a second, 1 to 100; never fewer than 10 fans. All servers together should take them in at that rate.",
        "",
    ),
    key(
        "drain",
        "grace",
        Kind::Text,
        "How long the supervisor waits before it kills, 2s to 1h: the server has ended by then. Longer than drain.propagation and shutdown.deadline together; where the fans need more than what is left, they are moved faster. Kubernetes: terminationGracePeriodSeconds, systemd: TimeoutStopSec.",
        "",
    ),
    key(
        "drain",
        "prefer",
        Kind::Text,
        "Where the fans should rather go, as the return slot tells their clients: \"wss://b.example\", at most 80 characters. Empty: where they came from, and the load balancer decides.",
        "",
    ),
    key(
        "shutdown",
        "deadline",
        Kind::Text,
        "How long stopping may take before what is left is cut, 1s to 5m.",
        "",
    ),
    key(
        "demo",
        "ffmpeg",
        Kind::Text,
        "The ffmpeg to run: a name on PATH, or a path.",
        "",
    ),
    key(
        "demo",
        "preset",
        Kind::Text,
        "x264 preset of the demo picture, \"ultrafast\" to \"veryslow\".",
        "half a core at ultrafast, two at medium",
    ),
    key(
        "demo",
        "fans",
        Kind::Number,
        "Demo fans in the chat, 0 to 60.",
        "a task and a socket each",
    ),
];
