//! `[quality]`: who tells how the players of fans fare, and how often.

use fanwave_api::{
    limits::{QUALITY_EVERY_MAX, QUALITY_EVERY_MIN, QUALITY_REPORTERS_MAX},
    quality::QualityRules,
};

use super::{check::Check, schema, settings::KeyPath};

pub(super) fn plan(check: &mut Check<'_>, quality: &schema::Quality) -> QualityRules {
    let key = |name| KeyPath::of("quality", name);
    let most = u64::try_from(QUALITY_REPORTERS_MAX).unwrap_or(u64::MAX);
    QualityRules {
        reporters_max: check.number(key("reporters_max"), quality.reporters_max, 0..=most),
        every: check.duration(
            key("every"),
            &quality.every,
            QUALITY_EVERY_MIN..=QUALITY_EVERY_MAX,
        ),
    }
}
