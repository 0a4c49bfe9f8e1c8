//! Words that fans write, by language: function words, greetings, praise. In each list in the order of their bytes.
//!
//! A word may be in several lists: then it speaks for each. Names, and words that all fans use (`oppa`, `wow`), are in
//! none. Without accents a word is listed where fans leave them out.

use std::sync::LazyLock;

use fanwave_wire::Language;

/// The lists, one per language that is written in Latin letters.
pub(super) const LISTS: [(Language, &[&str]); 8] = [
    (Language::English, ENGLISH),
    (Language::Spanish, SPANISH),
    (Language::Portuguese, PORTUGUESE),
    (Language::French, FRENCH),
    (Language::German, GERMAN),
    (Language::Indonesian, INDONESIAN),
    (Language::Turkish, TURKISH),
    (Language::Vietnamese, VIETNAMESE),
];

/// Bytes of a word, after which it is not listed.
const BYTES_MAX: usize = size_of::<u128>();

/// All words, each with a bit for each list that it is in, in the order of [`key`]. Every word of every message is looked for: in one
/// table, and without looking at bytes of other words.
static TABLE: LazyLock<Box<[(u128, u8)]>> = LazyLock::new(|| {
    let mut table: Vec<(u128, u8)> = Vec::new();
    for (at, (_, list)) in LISTS.iter().enumerate() {
        table.extend(list.iter().filter_map(|word| Some((key(word)?, 1 << at))));
    }
    table.sort_unstable();
    table.dedup_by(|(key, bit), (kept, bits)| {
        let is_same = key == kept;
        if is_same {
            *bits |= *bit;
        }
        is_same
    });
    table.into_boxed_slice()
});

/// The languages that have a word, in lower case.
pub(super) fn languages_of(word: &str) -> impl Iterator<Item = Language> {
    let bits = key(word)
        .and_then(|key| TABLE.binary_search_by_key(&key, |(key, _)| *key).ok())
        .and_then(|at| TABLE.get(at))
        .map_or(0, |(_, bits)| *bits);
    let has = move |at: usize| bits & (1 << at) != 0;
    LISTS
        .iter()
        .enumerate()
        .filter(move |(at, _)| has(*at))
        .map(|(_, (language, _))| *language)
}

/// A word as a number, which no other word has, as none has a NUL; `None` where it is too long for a listed one.
fn key(word: &str) -> Option<u128> {
    let mut bytes = [0; BYTES_MAX];
    bytes
        .get_mut(..word.len())?
        .copy_from_slice(word.as_bytes());
    Some(u128::from_be_bytes(bytes))
}

#[rustfmt::skip]
const ENGLISH: &[&str] = &[
    "about", "after", "again", "all", "always", "am", "amazing", "an", "and", "any", "anyone", "are", "as", "baby",
    "back", "beautiful", "because", "been", "before", "being", "best", "birthday", "boy", "boys", "but", "by",
    "came", "can", "cant", "come", "coming", "could", "cry", "crying", "cute", "dance", "dancing", "day", "did",
    "didnt", "do", "does", "doesnt", "dont", "each", "ever", "every", "everybody", "everyone", "everything", "eyes",
    "favorite", "favourite", "finally", "first", "for", "forever", "from", "get", "girl", "girls", "go", "going",
    "good", "gorgeous", "great", "guys", "had", "hair", "handsome", "happy", "has", "have", "he", "hear", "heard",
    "hello", "her", "here", "him", "his", "hope", "how", "i", "if", "ill", "im", "into", "is", "isnt", "it", "its",
    "ive", "just", "king", "know", "let", "lets", "little", "lmao", "lol", "look", "looking", "looks", "love",
    "loved", "loving", "made", "make", "miss", "missed", "more", "morning", "much", "my", "need", "never", "new",
    "night", "no", "not", "nothing", "now", "of", "off", "omg", "only", "or", "other", "our", "out", "outfit",
    "over", "people", "perfect", "performance", "please", "pls", "plz", "pretty", "proud", "queen", "really",
    "right", "said", "say", "screaming", "see", "she", "should", "sing", "singing", "smile", "so", "some",
    "someone", "something", "song", "songs", "sound", "sounds", "stage", "stan", "still", "such", "take", "than",
    "thank", "thanks", "thankyou", "that", "the", "them", "there", "these", "they", "thing", "things", "think",
    "this", "those", "time", "to", "today", "tomorrow", "tonight", "too", "ur", "us", "very", "voice", "voices",
    "wait", "waiting", "want", "was", "watch", "watching", "way", "we", "well", "were", "what", "when", "where",
    "who", "why", "will", "with", "wont", "world", "would", "yeah", "year", "years", "yes", "you", "your", "youre",
];

#[rustfmt::skip]
const SPANISH: &[&str] = &[
    "ahora", "al", "alguien", "amamos", "amo", "amor", "aqui", "aquí", "así", "ay", "bella", "bello", "bonita",
    "bonito", "buenas", "buenos", "cada", "cancion", "canciones", "canción", "chicas", "chicos", "como", "con",
    "corazon", "corazón", "creo", "cuando", "cuanto", "cumple", "cumpleaños", "cuándo", "cómo", "de", "del",
    "desde", "dia", "dias", "dios", "donde", "día", "días", "dónde", "el", "ella", "ellos", "en", "encanta",
    "encantan", "entre", "era", "eres", "es", "esa", "ese", "eso", "esta", "estan", "este", "esto", "estoy", "está",
    "están", "falta", "feliz", "fue", "gente", "gracias", "guapa", "guapo", "ha", "hace", "hay", "he", "hermosa",
    "hermosas", "hermoso", "hermosos", "hermosura", "hola", "hoy", "la", "las", "le", "les", "linda", "lindas",
    "lindo", "lindos", "llorando", "llorar", "lo", "los", "mas", "me", "mejor", "mejores", "mexico", "mi", "mis",
    "mucha", "muchas", "mucho", "mundo", "muy", "más", "méxico", "nadie", "ni", "no", "noches", "nos", "nunca", "o",
    "otra", "otras", "otro", "otros", "para", "perfecta", "perfecto", "pero", "poco", "por", "porque", "puede",
    "puedo", "que", "queremos", "quien", "quiere", "quiero", "quién", "qué", "reina", "rey", "saludos", "se", "ser",
    "si", "siempre", "sin", "sobre", "solo", "son", "soy", "su", "sus", "sí", "sólo", "tambien", "también", "tan",
    "tardes", "te", "tengo", "tiene", "toda", "todas", "todo", "todos", "tu", "tus", "un", "una", "ustedes", "va",
    "vamos", "van", "vengan", "ver", "vida", "viva", "vivo", "voy", "voz", "ya", "yo",
];

#[rustfmt::skip]
const PORTUGUESE: &[&str] = &[
    "agora", "ai", "alguem", "alguém", "amo", "amor", "amores", "aniversario", "aniversário", "ansiosa", "ansioso",
    "aqui", "assim", "até", "boa", "bom", "brasil", "cada", "cade", "cadê", "chorando", "chorar", "com", "como",
    "coracao", "coração", "da", "das", "de", "dela", "dele", "demais", "desses", "deus", "dia", "do", "dos", "ela",
    "elas", "ele", "eles", "em", "era", "essa", "esse", "esta", "este", "estou", "está", "eu", "feliz", "foi",
    "gata", "gato", "gente", "hoje", "isso", "isto", "ja", "já", "linda", "lindas", "lindo", "lindos", "mais",
    "mano", "maravilhosa", "maravilhoso", "mas", "me", "melhor", "melhores", "meu", "meus", "minha", "minhas",
    "muita", "muito", "muitos", "mundo", "musica", "música", "na", "nao", "nas", "nem", "nesse", "noite", "nos",
    "nossa", "nunca", "não", "obg", "obrigada", "obrigado", "oi", "olá", "onde", "os", "outra", "outro", "para",
    "perfeita", "perfeito", "pode", "por", "posso", "pouco", "pra", "pro", "quando", "que", "quem", "queremos",
    "quero", "rainha", "sao", "saudade", "saudades", "se", "sem", "sempre", "ser", "seu", "seus", "sim", "sobre",
    "sua", "suas", "são", "só", "tambem", "também", "tao", "tarde", "te", "tem", "tenho", "toda", "todo", "todos",
    "tudo", "tão", "tô", "um", "uma", "vai", "vamos", "vc", "vcs", "vem", "venham", "ver", "vida", "voce", "voces",
    "você", "vocês", "vou", "voz", "à", "às", "é",
];

#[rustfmt::skip]
const FRENCH: &[&str] = &[
    "adore", "ai", "aime", "aimes", "allez", "amour", "anniversaire", "au", "aussi", "aux", "avec", "beau",
    "beauté", "beaux", "belle", "belles", "bien", "bon", "bonjour", "bonne", "bonsoir", "ca", "car", "ce", "cet",
    "cette", "chanson", "chansons", "chez", "coeur", "comment", "coucou", "cœur", "dans", "de", "depuis", "des",
    "deux", "donc", "du", "elle", "elles", "en", "est", "et", "fais", "fait", "france", "hate", "hâte", "ici", "il",
    "ils", "incroyable", "jamais", "je", "jour", "joyeux", "la", "le", "les", "leur", "leurs", "ma", "magnifique",
    "mais", "mdr", "me", "meilleur", "meilleure", "meme", "merci", "mes", "moi", "mon", "monde", "monsieur", "même",
    "ne", "ni", "non", "notre", "nous", "nuit", "on", "ou", "oui", "où", "pas", "peut", "peux", "pleure", "plus",
    "pour", "ptdr", "qu", "quand", "que", "quel", "quelle", "qui", "quoi", "rien", "salut", "sans", "se", "sera",
    "ses", "soiree", "soirée", "son", "sont", "sous", "suis", "sur", "ta", "te", "tellement", "tes", "toi",
    "toujours", "tous", "tout", "toute", "toutes", "tres", "trop", "très", "tu", "un", "une", "va", "vais", "veux",
    "vie", "vive", "voix", "votre", "vous", "vraiment", "à", "ça", "était",
];

#[rustfmt::skip]
const GERMAN: &[&str] = &[
    "abend", "aber", "alles", "als", "am", "auch", "auf", "aus", "bei", "beste", "besten", "bin", "bis", "bist",
    "bitte", "da", "danke", "dann", "das", "dass", "dein", "deine", "dem", "den", "denn", "der", "deutschland",
    "dich", "die", "diese", "dieser", "dieses", "dir", "doch", "du", "durch", "ein", "eine", "einen", "endlich",
    "er", "es", "etwas", "euch", "freue", "für", "ganz", "geburtstag", "geil", "gerade", "grüße", "gut", "gute",
    "guten", "hab", "habe", "haben", "hallo", "hat", "heute", "hier", "ich", "ihm", "ihn", "ihr", "im", "immer",
    "in", "ist", "ja", "jetzt", "kann", "kein", "keine", "kommt", "krass", "können", "leute", "liebe", "lieben",
    "lied", "mal", "mehr", "mein", "meine", "mich", "mir", "mit", "morgen", "muss", "nach", "nacht", "nein",
    "nicht", "nichts", "noch", "nur", "oder", "ohne", "schon", "schön", "schöne", "sehr", "seid", "sich", "sie",
    "sind", "soll", "stimme", "süß", "und", "uns", "unser", "unsere", "unter", "viel", "viele", "vom", "von", "vor",
    "wann", "war", "waren", "warum", "was", "weg", "weil", "welt", "wenn", "wer", "werden", "wie", "wieder", "will",
    "wir", "wird", "wirklich", "wo", "wunderschön", "wurde", "zu", "zum", "zur", "zwischen", "über",
];

#[rustfmt::skip]
const INDONESIAN: &[&str] = &[
    "ada", "aja", "akan", "akhirnya", "aku", "apa", "atau", "ayo", "bagus", "bang", "banget", "banyak", "bareng",
    "baru", "belum", "bgt", "bikin", "bisa", "buat", "bukan", "cantik", "cinta", "dan", "dari", "datang", "deh",
    "dengan", "di", "dia", "dong", "dunia", "ga", "gak", "ganteng", "gemes", "gemoy", "gimana", "halo", "hari",
    "harus", "hati", "ikut", "indonesia", "ini", "itu", "jadi", "jangan", "juga", "kak", "kakak", "kalau", "kalian",
    "kalo", "kami", "kamu", "kan", "kangen", "kapan", "karena", "kasih", "ke", "kenapa", "keren", "kita", "kok",
    "lagi", "lagu", "lagunya", "lebih", "liat", "lihat", "lucu", "makasih", "malam", "masih", "mau", "mereka",
    "mulai", "nangis", "ngga", "nggak", "nih", "nonton", "oleh", "orang", "pada", "pagi", "paling", "pernah",
    "punya", "rindu", "saja", "sama", "saya", "sayang", "sekali", "selamat", "semangat", "semua", "seperti",
    "siang", "siapa", "sih", "suara", "suaranya", "sudah", "suka", "tahun", "telah", "terima", "tidak", "tolong",
    "udah", "ulang", "untuk", "ya", "yang", "yg",
];

#[rustfmt::skip]
const TURKISH: &[&str] = &[
    "abi", "agliyorum", "ama", "artık", "askim", "ağlıyorum", "aşk", "aşkım", "bana", "ben", "beni", "benim", "bir",
    "biz", "bize", "bizim", "bu", "bugun", "bugün", "büyük", "canim", "canım", "cok", "da", "daha", "de", "degil",
    "değil", "dogum", "doğum", "dünya", "dünyanın", "en", "evet", "gel", "gelin", "gibi", "gunun", "guzel",
    "guzelsin", "günaydın", "günün", "güzel", "güzelsin", "hadi", "harika", "hayır", "hepinizi", "her", "herkes",
    "herkese", "hiç", "icin", "iyi", "iyiki", "için", "kadar", "kutlu", "kız", "lutfen", "lütfen", "merhaba",
    "mi", "mu", "mukemmel", "mü", "mükemmel", "mı", "nasil", "nasıl", "ne", "neden", "olarak", "oldu", "olsa",
    "olsun", "olur", "onu", "ozledim", "oğlum", "sana", "sarki", "selam", "sen", "seni", "ses", "sesi", "sesin",
    "seviyorum", "seviyoruz", "siz", "sizi", "sonra", "tesekkurler", "teşekkürler", "turkiye", "turkiyeden",
    "türkiye", "türkiyeden", "türkiyeye", "ve", "yakışıklı", "yine", "zaman", "çok", "çünkü", "önce", "özledik",
    "özledim", "şarkı", "şarkısı", "şey", "şimdi", "şu",
];

#[rustfmt::skip]
const VIETNAMESE: &[&str] = &[
    "anh", "bài", "bạn", "chào", "chúc", "chưa", "chỉ", "chị", "các", "còn", "có", "cũng", "cả", "cảm", "cố", "của",
    "em", "giọng", "gì", "hay", "hát", "hơn", "khi", "khong", "không", "kia", "ko", "luôn", "là", "lên", "lại",
    "lắm", "mãi", "mình", "mọi", "một", "mừng", "nghe", "nguoi", "ngày", "người", "nha", "nhau", "nhé", "nhất",
    "nhật", "nhớ", "những", "này", "nên", "nếu", "quá", "rất", "rằng", "rồi", "sinh", "sẽ", "thương", "thế",
    "tiếng", "trời", "tuyệt", "tôi", "từ", "viet", "vietnam", "việt", "và", "vào", "vẫn", "với", "vời", "xem",
    "xin", "xinh", "yeu", "yêu", "đang", "đi", "đó", "được", "đẹp", "đỉnh", "ơi", "ơn", "ạ",
];
