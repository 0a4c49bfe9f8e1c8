//! Emotes in memory: lists of them, and the pictures that were asked for.
//!
//! The root has the lists [`refresh`](Emotes::refresh)ed every [`BOARD_EVERY`](crate::limits::BOARD_EVERY), whoever changes one here at
//! once. While the catalogue is away, they show what they have shown last.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{body::Bytes, http::HeaderValue};
use fanwave_store::catalogue::{Catalogue, CatalogueError, Emote, EmotesVersion};

use crate::limits::{EMOTE_BYTES_MAX, EMOTE_PICTURES_BYTES_MAX};

/// See the module.
#[derive(Debug, Default)]
pub struct Emotes(Mutex<Shelf>);

/// A picture, and what it is.
type Picture = (HeaderValue, Bytes);

#[derive(Debug, Default)]
struct Shelf {
    /// How often the catalogue was asked.
    asked: u64,
    /// Which of these questions was answered by what is shown, and of which version that is.
    shown: u64,
    version: Option<EmotesVersion>,
    channels: HashMap<String, Arc<[Emote]>>,
    pictures: HashMap<String, Picture>,
    /// Their ids, the oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

impl Emotes {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what there is, if that is another than what is shown.
    ///
    /// # Errors
    ///
    /// The catalogue does not answer; what was shown stays.
    pub async fn refresh(&self, catalogue: &Catalogue) -> Result<(), CatalogueError> {
        let (question, known) = {
            let mut shelf = self.shelf();
            shelf.asked += 1;
            (shelf.asked, shelf.version)
        };
        // Asked first: what changes while the list is read is read again.
        let version = catalogue.emotes_version().await?;
        if known != Some(version) {
            let emotes = catalogue.emotes().await?;
            self.shelf().put(question, version, emotes);
        }
        Ok(())
    }

    /// Those of a channel, by code.
    pub(super) fn of(&self, channel: &str) -> Arc<[Emote]> {
        self.shelf()
            .channels
            .get(channel)
            .cloned()
            .unwrap_or_default()
    }

    /// The picture of an emote of a channel.
    pub(super) async fn picture(
        &self,
        catalogue: &Catalogue,
        (channel, id): (&str, &str),
    ) -> Result<Option<Picture>, CatalogueError> {
        let (kept, is_listed) = {
            let shelf = self.shelf();
            (shelf.pictures.get(id).cloned(), shelf.lists(channel, id))
        };
        if let Some(kept) = kept.filter(|_| is_listed) {
            return Ok(Some(kept));
        }
        let Some((media_type, image)) = catalogue.emote_image(channel, id).await? else {
            return Ok(None);
        };
        // What is there was read from the picture when it came.
        let Ok(media_type) = HeaderValue::try_from(media_type) else {
            return Ok(None);
        };
        let picture = (media_type, Bytes::from(image));
        self.shelf().keep(channel, id, &picture);
        Ok(Some(picture))
    }
}

impl Shelf {
    fn lists(&self, channel: &str, id: &str) -> bool {
        let emotes = self.channels.get(channel);
        emotes.is_some_and(|emotes| emotes.iter().any(|emote| emote.id == id))
    }

    /// Puts an answer up, unless that of a later question is there already.
    fn put(&mut self, question: u64, version: EmotesVersion, emotes: Vec<Emote>) {
        if question <= self.shown {
            return;
        }
        let mut channels = HashMap::<String, Vec<Emote>>::new();
        for emote in emotes {
            channels
                .entry(emote.channel.clone())
                .or_default()
                .push(emote);
        }
        self.shown = question;
        self.version = Some(version);
        let channels = channels.into_iter();
        self.channels = channels.map(|(id, emotes)| (id, emotes.into())).collect();
    }

    /// Keeps a picture that is listed, in place of the oldest.
    fn keep(&mut self, channel: &str, id: &str, picture: &Picture) {
        let (_, bytes) = picture;
        if bytes.len() > EMOTE_BYTES_MAX
            || self.pictures.contains_key(id)
            || !self.lists(channel, id)
        {
            return;
        }
        self.bytes += bytes.len();
        self.pictures.insert(id.to_owned(), picture.clone());
        self.order.push_back(id.to_owned());
        while self.bytes > EMOTE_PICTURES_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some((_, bytes)) = self.pictures.remove(&oldest) {
                self.bytes -= bytes.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emote(id: &str) -> Emote {
        Emote {
            id: id.to_owned(),
            channel: "demo".into(),
            code: id.to_owned(),
            media_type: "image/png".into(),
            width: 28,
            height: 28,
            created_at: 0,
        }
    }

    #[test]
    fn pictures_take_so_much_memory_and_no_more() {
        let pictures = EMOTE_PICTURES_BYTES_MAX / EMOTE_BYTES_MAX;
        let id = |number: usize| format!("m-{number}");
        let mut shelf = Shelf::default();
        let listed = (0..=pictures).map(|number| emote(&id(number)));
        let channels = [("demo".to_owned(), listed.collect())];
        shelf.channels = channels.into_iter().collect();
        let bytes = Bytes::from(vec![0; EMOTE_BYTES_MAX]);
        let picture = (HeaderValue::from_static("image/png"), bytes);
        for number in 0..=pictures {
            shelf.keep("demo", &id(number), &picture);
            shelf.keep("demo", &id(number), &picture);
        }
        assert_eq!(
            (shelf.pictures.len(), shelf.order.len()),
            (pictures, pictures)
        );
        assert_eq!(shelf.bytes, EMOTE_PICTURES_BYTES_MAX);
        assert!(!shelf.pictures.contains_key(&id(0)), "the oldest is gone");
        shelf.keep("demo", "m-unlisted", &picture);
        shelf.keep("other", &id(0), &picture);
        assert_eq!(shelf.pictures.len(), pictures);
    }
}
