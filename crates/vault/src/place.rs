//! Names of files in the storage.

use std::fmt;

use object_store::path::{Path, PathPart};

/// A folder or a file: names from the top down, none of which can lead out of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub(crate) Path);

impl Place {
    /// The folder or file of these names. A name that is no name of a file is coded as one.
    #[must_use]
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(PathPart::from).collect())
    }

    /// A folder or file in this folder.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self(self.0.clone().join(name))
    }

    /// Whether it is a file that is written anew as time goes on. Media never changes, sheets of pictures included.
    pub(crate) fn is_note(&self) -> bool {
        const MEDIA: [&str; 3] = ["m4s", "mp4", "jpg"];
        let extension = self.name().rsplit_once('.').map(|(_, extension)| extension);
        extension.is_none_or(|extension| !MEDIA.contains(&extension))
    }

    /// Whether it is that place, or lies in that folder.
    pub(crate) fn is_in(&self, folder: &Self) -> bool {
        self.0.prefix_matches(&folder.0)
    }

    /// Whether its text begins with that of the other.
    pub(crate) fn begins_like(&self, other: &Self) -> bool {
        self.0.as_ref().starts_with(other.0.as_ref())
    }

    /// The last of its names.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.filename().unwrap_or_default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_never_changes_and_what_is_said_about_it_does() {
        let stream = Place::of(["demo", "k3x9"]);
        for media in ["video/1.m4s", "video/init-0.mp4", "thumbnails/0.jpg"] {
            let (folder, name) = media.split_once('/').unwrap();
            assert!(!stream.join(folder).join(name).is_note(), "{media}");
        }
        for note in ["index", "thumbnails"] {
            assert!(stream.join(note).join("index.json").is_note(), "{note}");
        }
        assert!(stream.join("about.json").is_note());
    }

    #[test]
    fn no_name_leads_out_of_its_folder() {
        let folder = Place::of(["media", "demo"]);
        assert_eq!(folder.join("1.m4s").to_string(), "media/demo/1.m4s");
        assert_eq!(folder.join("1.m4s").name(), "1.m4s");
        for name in ["..", ".", "../x", "/x", "a/b"] {
            let inner = folder.join(name).to_string();
            let (parent, last) = inner.rsplit_once('/').unwrap();
            assert_eq!(parent, "media/demo", "{name}");
            assert!(!matches!(last, "." | ".."), "{name}");
        }
    }
}
