//! What viewers ask and hear by, whichever version of HTTP it is.

use super::{http1::Http1, http2::Http2};

/// The peer said something that is no HTTP, or ended the connection: why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

/// Whom answers are told to, by the place of who has asked.
pub(super) trait Sink {
    /// An answer begins.
    fn head(&mut self, place: usize, status: u16);
    /// A piece of its body.
    fn data(&mut self, place: usize, bytes: &[u8]);
    /// It is whole.
    fn end(&mut self, place: usize);
}

/// One connection's side of HTTP.
#[derive(Debug)]
pub(super) enum Wire {
    /// One request at a time.
    Http1(Http1),
    /// Many.
    Http2(Http2),
}

impl Wire {
    /// Writes a request.
    pub(super) fn request(&mut self, out: &mut Vec<u8>, place: usize, host: &str, path: &str) {
        match self {
            Self::Http1(_) => Http1::request(out, host, path),
            Self::Http2(http) => http.request(out, place, host, path),
        }
    }

    /// Takes what came.
    pub(super) fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        sink: &mut impl Sink,
    ) -> Result<(), Broken> {
        match self {
            Self::Http1(http) => http.receive(input, sink),
            Self::Http2(http) => http.receive(input, out, sink),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::Sink;

    /// Whole answers, in the order in which they ended.
    #[derive(Debug, Default)]
    pub(crate) struct Heard {
        pub(crate) answers: Vec<(usize, u16, Vec<u8>)>,
        open: BTreeMap<usize, (u16, Vec<u8>)>,
    }

    impl Sink for Heard {
        fn head(&mut self, place: usize, status: u16) {
            self.open.insert(place, (status, Vec::new()));
        }

        fn data(&mut self, place: usize, bytes: &[u8]) {
            self.open
                .get_mut(&place)
                .unwrap()
                .1
                .extend_from_slice(bytes);
        }

        fn end(&mut self, place: usize) {
            let (status, body) = self.open.remove(&place).unwrap();
            self.answers.push((place, status, body));
        }
    }
}
