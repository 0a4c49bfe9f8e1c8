//! Certificates for the tests, of an authority that nobody else knows.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority, and what it has vouched for.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "an authority of these tests");
        let key = KeyPair::generate().expect("there is chance");
        Self(CertifiedIssuer::self_signed(params, key).expect("it can be made"))
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A certificate of localhost and its key.
    pub(crate) fn vouch(&self) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().expect("there is chance");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("it is a name");
        let certificate = params.signed_by(&key, &self.0).expect("it can be made");
        (
            certificate.pem().into_bytes(),
            key.serialize_pem().into_bytes(),
        )
    }
}
