//! The cipher suites of TLS 1.3, in less memory.
//!
//! A key that is ready for use (its schedule, its tables) takes some 600 bytes, one for each direction, and an idle
//! fan uses neither for half a minute. So a connection keeps the key's own 16 or 32 bytes, and a record's worth of
//! readiness is made when there is a record. `make bench-chat PART=tls` tells what both come to: memory per fan, and
//! deliveries per CPU-second.
//!
//! The ciphers, hashes and key schedules are the library's own; nothing here knows what a record says. TLS 1.2 is left
//! as it is, for the few who speak it.
//!
//! RFC 8446, section 5.2.

use std::{
    cell::RefCell,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::aead;
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion, SupportedCipherSuite,
    Tls13CipherSuite,
    crypto::{
        CipherSuiteCommon,
        aws_lc_rs::cipher_suite,
        cipher::{
            AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter,
            MessageEncrypter, Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload,
            Tls13AeadAlgorithm, UnsupportedOperationError, make_tls13_aad,
        },
    },
};

/// These suites, in place of the library's of the same names; others stay as they are.
pub(super) fn with_small_keys(suites: &[SupportedCipherSuite]) -> Vec<SupportedCipherSuite> {
    suites
        .iter()
        .map(|suite| match suite.suite() {
            name if name == AES_128.common.suite => SupportedCipherSuite::Tls13(&AES_128),
            name if name == AES_256.common.suite => SupportedCipherSuite::Tls13(&AES_256),
            name if name == CHACHA20.common.suite => SupportedCipherSuite::Tls13(&CHACHA20),
            _ => *suite,
        })
        .collect()
}

static AES_128: LazyLock<Tls13CipherSuite> = LazyLock::new(|| {
    suite(
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        &SmallKeys(&aead::AES_128_GCM),
    )
});
static AES_256: LazyLock<Tls13CipherSuite> = LazyLock::new(|| {
    suite(
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        &SmallKeys(&aead::AES_256_GCM),
    )
});
static CHACHA20: LazyLock<Tls13CipherSuite> = LazyLock::new(|| {
    suite(
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        &SmallKeys(&aead::CHACHA20_POLY1305),
    )
});

/// The library's suite with other keys.
fn suite(theirs: SupportedCipherSuite, keys: &'static SmallKeys) -> Tls13CipherSuite {
    let theirs = theirs.tls13().expect("a suite of TLS 1.3");
    Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: theirs.common.suite,
            hash_provider: theirs.common.hash_provider,
            confidentiality_limit: theirs.common.confidentiality_limit,
        },
        hkdf_provider: theirs.hkdf_provider,
        aead_alg: keys,
        quic: None,
    }
}

/// Makes keys that are bytes until they are used.
struct SmallKeys(&'static aead::Algorithm);

thread_local! {
    /// The key with which the thread has sealed last, ready for use: most answers are several records.
    static SEALS: RefCell<Option<(u64, aead::LessSafeKey)>> = const { RefCell::new(None) };
}

/// The number of the next key.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// One direction's key. The library clears both parts when they are dropped.
struct SmallKey {
    /// No other key of this process has it.
    number: u64,
    algorithm: &'static aead::Algorithm,
    key: AeadKey,
    iv: Iv,
}

impl Tls13AeadAlgorithm for SmallKeys {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(SmallKey::new(self.0, key, iv))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(SmallKey::new(self.0, key, iv))
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        _key: AeadKey,
        _iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        // No key leaves the process.
        Err(UnsupportedOperationError)
    }
}

impl SmallKey {
    fn new(algorithm: &'static aead::Algorithm, key: AeadKey, iv: Iv) -> Self {
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            algorithm,
            key,
            iv,
        }
    }

    /// The key, ready for one record.
    fn ready(&self) -> Result<aead::LessSafeKey, aws_lc_rs::error::Unspecified> {
        let key = aead::UnboundKey::new(self.algorithm, self.key.as_ref())?;
        Ok(aead::LessSafeKey::new(key))
    }

    /// Seals with the key, which stays ready until the thread seals with another.
    fn with_ready<T>(
        &self,
        seal: impl FnOnce(&aead::LessSafeKey) -> Result<T, aws_lc_rs::error::Unspecified>,
    ) -> Result<T, aws_lc_rs::error::Unspecified> {
        SEALS.with_borrow_mut(|seals| {
            let kept = seals.take().filter(|(number, _)| *number == self.number);
            let (_, key) = seals.insert(match kept {
                Some(kept) => kept,
                None => (self.number, self.ready()?),
            });
            seal(key)
        })
    }

    /// The nonce of a record: the library counts them, and no number comes twice under one key.
    fn nonce(&self, sequence: u64) -> aead::Nonce {
        aead::Nonce::assume_unique_for_key(Nonce::new(&self.iv, sequence).0)
    }
}

impl Drop for SmallKey {
    fn drop(&mut self) {
        // Nothing that is ready stays behind, unless another thread has it: that one seals with others soon.
        let forget = |seals: &RefCell<Option<(u64, aead::LessSafeKey)>>| {
            seals
                .borrow_mut()
                .take_if(|(number, _)| *number == self.number);
        };
        SEALS.try_with(forget).ok();
    }
}

impl MessageEncrypter for SmallKey {
    fn encrypt(
        &mut self,
        plain: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let length = self.encrypted_payload_len(plain.payload.len());
        let mut payload = PrefixedPayload::with_capacity(length);
        payload.extend_from_chunks(&plain.payload);
        payload.extend_from_slice(&plain.typ.to_array());
        let (nonce, aad) = (
            self.nonce(sequence),
            aead::Aad::from(make_tls13_aad(length)),
        );
        self.with_ready(|key| key.seal_in_place_append_tag(nonce, aad, &mut payload))
            .map_err(|_| Error::EncryptError)?;
        // "legacy_record_version: MUST be set to 0x0303", and the outer type says application data of every record.
        let (kind, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
        Ok(OutboundOpaqueMessage::new(kind, version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        // The inner content type is one byte.
        payload_len + 1 + self.algorithm.tag_len()
    }
}

impl MessageDecrypter for SmallKey {
    fn decrypt<'a>(
        &mut self,
        mut sealed: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut sealed.payload;
        let aad = aead::Aad::from(make_tls13_aad(payload.len()));
        let plain = self
            .ready()
            .and_then(|key| key.open_in_place(self.nonce(sequence), aad, payload))
            .map_err(|_| Error::DecryptError)?;
        let length = plain.len();
        payload.truncate(length);
        sealed.into_tls13_unpadded_message()
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::default_provider;

    use super::*;

    #[test]
    fn every_suite_of_tls_1_3_has_small_keys_and_keeps_its_name() {
        let theirs = default_provider().cipher_suites;
        let ours = with_small_keys(&theirs);
        assert_eq!(
            ours.iter().map(|suite| suite.suite()).collect::<Vec<_>>(),
            theirs.iter().map(|suite| suite.suite()).collect::<Vec<_>>()
        );
        let small = ours.iter().filter_map(SupportedCipherSuite::tls13);
        // The library's own can be used for QUIC, ours not.
        assert_eq!(small.filter(|suite| suite.quic.is_none()).count(), 3);
    }

    /// What one seals the other opens, in both directions, by the library's own keys and nonces: so an error in ours
    /// would not cancel itself out.
    #[test]
    fn records_are_those_of_the_library() {
        let theirs = default_provider().cipher_suites;
        for (theirs, ours) in theirs.iter().zip(with_small_keys(&theirs)) {
            let (Some(theirs), Some(ours)) = (theirs.tls13(), ours.tls13()) else {
                continue;
            };
            assert_eq!(theirs.aead_alg.key_len(), ours.aead_alg.key_len());
            // The only length that the library lets others make.
            if theirs.aead_alg.key_len() != 32 {
                continue;
            }
            for (seals, opens) in [(theirs, ours), (ours, theirs)] {
                let key = || AeadKey::from([7; 32]);
                let iv = || Iv::from([9; 12]);
                let mut seals = seals.aead_alg.encrypter(key(), iv());
                let mut opens = opens.aead_alg.decrypter(key(), iv());
                let mut others = ours.aead_alg.encrypter(AeadKey::from([8; 32]), iv());
                for sequence in [0, 1, 2, 70_000] {
                    // The thread's other connections have their turn between two records of one.
                    if sequence != 1 {
                        let plain = OutboundPlainMessage {
                            typ: ContentType::ApplicationData,
                            version: ProtocolVersion::TLSv1_2,
                            payload: b"another's"[..].into(),
                        };
                        others.encrypt(plain, sequence).expect("sealed");
                    }
                    let text = format!("record {sequence}");
                    let plain = OutboundPlainMessage {
                        typ: ContentType::ApplicationData,
                        version: ProtocolVersion::TLSv1_2,
                        payload: text.as_bytes().into(),
                    };
                    let sealed = seals.encrypt(plain, sequence).expect("sealed").encode();
                    let mut payload = sealed[5..].to_vec();
                    let record = InboundOpaqueMessage::new(
                        ContentType::ApplicationData,
                        ProtocolVersion::TLSv1_2,
                        &mut payload,
                    );
                    let opened = opens.decrypt(record, sequence).expect("opened");
                    assert_eq!(opened.payload, text.as_bytes());
                }
            }
        }
    }

    #[test]
    fn a_record_that_was_touched_is_refused() {
        let mut opens = SmallKeys(&aead::AES_256_GCM).decrypter([1; 32].into(), [2; 12].into());
        for length in 0..40 {
            let mut payload = vec![0; length];
            let record = InboundOpaqueMessage::new(
                ContentType::ApplicationData,
                ProtocolVersion::TLSv1_2,
                &mut payload,
            );
            assert!(matches!(opens.decrypt(record, 0), Err(Error::DecryptError)));
        }
    }
}
