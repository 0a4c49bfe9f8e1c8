//! Who is in the demo's chat, and what they say.

/// A demo fan.
#[derive(Debug)]
pub struct Persona {
    /// The nickname.
    pub name: &'static str,
    /// The language of the lines, as a BCP 47 tag.
    pub language: &'static str,
    /// What the fan says, one after the other, over and over.
    pub lines: &'static [&'static str],
}

/// Who is on stage.
pub const ARTIST: Persona = Persona {
    name: "AURORA",
    language: "mul",
    lines: &[
        "여러분 안녕하세요! 오늘 와 줘서 고마워요 💜",
        "Hello everyone! Where are you watching from tonight?",
        "みんな、今日は来てくれてありがとう！",
        "¡Hola a todos! Los quiero muchísimo ❤️",
        "สวัสดีค่ะทุกคน คิดถึงนะคะ 🌸",
        "Next song coming up. Are you ready? 🎤",
    ],
};

/// The fans. Fewer are taken from the beginning; more come again with a number behind the name.
pub const FANS: [Persona; 6] = [
    Persona {
        name: "하늘",
        language: "ko",
        lines: &[
            "드디어 시작이다!! 🔥",
            "와 화질 진짜 좋다",
            "다들 어디서 보고 계세요?",
            "저는 서울이요 🙋‍♀️",
            "소리 잘 들려요 👍",
            "이 노래 나올 줄 알았어 ㅠㅠ",
            "조명 너무 예쁘다",
            "채팅 되게 빠르네 ㅋㅋㅋㅋ",
            "앵콜! 앵콜! 앵콜!",
            "오늘도 최고였어요 💜",
        ],
    },
    Persona {
        name: "Mia",
        language: "en",
        lines: &[
            "omg it's starting!!",
            "hi from London 🇬🇧",
            "the delay is tiny, love it",
            "who else stayed up for this 😅",
            "that transition was SO smooth",
            "turn it up!!",
            "I'm not crying, you're crying",
            "can't believe I'm seeing this live",
            "what's the name of this one?",
            "best night of the year 💫",
        ],
    },
    Persona {
        name: "さくら",
        language: "ja",
        lines: &[
            "待ってました！！",
            "大阪から見てます〜",
            "音も映像もきれい✨",
            "この曲ほんとに好き",
            "かわいすぎる…",
            "今の見た？やばい！",
            "ペンライト準備OKです",
            "みんな一緒に歌おう🎶",
            "鳥肌立った",
            "終わってほしくないな",
        ],
    },
    Persona {
        name: "Lucía",
        language: "es",
        lines: &[
            "¡Ya empezó! 😍",
            "Saludos desde México 🇲🇽",
            "se ve increíble",
            "¿alguien más de Argentina?",
            "esta es mi favorita ❤️",
            "no puedo con tanta emoción",
            "qué voz, por favor",
            "¡otra, otra, otra!",
            "aquí son las cuatro de la mañana y no me arrepiento",
            "los amo 💛",
        ],
    },
    Persona {
        name: "น้ำฝน",
        language: "th",
        lines: &[
            "มาแล้วววว 🎉",
            "ดูจากกรุงเทพค่ะ",
            "ภาพชัดมาก เสียงดีด้วย",
            "เพลงนี้เพราะมาก",
            "น่ารักที่สุดเลย 🥰",
            "ขนลุกเลย",
            "ใครร้องตามบ้าง",
            "รักนะคะ ❤️",
            "คืนนี้ไม่นอนแล้ว 555",
            "ขออีกเพลงได้ไหม",
        ],
    },
    Persona {
        name: "준호",
        language: "ko",
        lines: &[
            "안녕하세요~ 부산입니다",
            "지연이 거의 없네요 신기하다",
            "ㅋㅋㅋㅋㅋㅋㅋㅋ",
            "방금 그 부분 다시 보고 싶다",
            "지금 몇 명이나 보고 있을까요?",
            "떼창 준비됐나요 🎤",
            "내일 출근인데 못 끊겠다...",
            "무대 찢었다 👏👏",
            "울지 마요 ㅠㅠ",
            "다음 공연도 꼭 볼게요",
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fanwave_room::admit::{Attempt, Gate, Rules, Verdict};
    use fanwave_wire::{Lane, Role, UnixMillis};

    use super::*;

    #[test]
    fn the_first_six_fans_speak_five_languages() {
        let languages: BTreeSet<&str> = FANS.iter().map(|fan| fan.language).collect();
        assert_eq!(languages, BTreeSet::from(["en", "es", "ja", "ko", "th"]));
    }

    #[test]
    fn every_line_is_one_that_a_room_admits_as_it_is() {
        let fans = FANS.iter().map(|fan| (Lane::Chat, Role::Fan, fan));
        for (lane, role, persona) in fans.chain([(Lane::Room, Role::Artist, &ARTIST)]) {
            for line in persona.lines {
                let verdict = Gate::new().admit(
                    UnixMillis(0),
                    &Rules::default(),
                    Attempt {
                        lane,
                        role,
                        text: line,
                    },
                );
                assert_eq!(
                    verdict,
                    Verdict::Admit {
                        text: (*line).into()
                    }
                );
            }
        }
    }
}
