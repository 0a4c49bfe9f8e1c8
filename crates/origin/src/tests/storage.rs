//! A storage in memory that fails as the test says, also as a bucket behind a folder.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use fanwave_vault::{
    Vault,
    object_store::{
        CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
        ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
        memory::InMemory, path::Path,
    },
};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{
    DEADLINE, Show,
    dvr::{patience, until},
    recording::{recording, start},
};

/// How a storage takes what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mood {
    #[default]
    Well,
    /// It refuses, for no reason that removing something would change.
    Broken,
    /// It has no space.
    Full,
    /// It does not answer.
    Stuck,
    /// It can neither be written nor read.
    Gone,
}

#[derive(Debug)]
pub(super) struct Storage {
    files: InMemory,
    mood: watch::Sender<Mood>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            files: InMemory::new(),
            mood: watch::Sender::new(Mood::Well),
        }
    }
}

impl Storage {
    pub(super) fn files(&self) -> &InMemory {
        &self.files
    }

    fn check(&self) -> Result<()> {
        let mood = *self.mood.borrow();
        match mood {
            Mood::Gone => Err(fault(std::io::ErrorKind::ConnectionRefused)),
            _ => Ok(()),
        }
    }

    pub(super) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a storage that fails at will")
    }
}

fn fault(kind: std::io::ErrorKind) -> Error {
    Error::Generic {
        store: "test",
        source: std::io::Error::from(kind).into(),
    }
}

#[async_trait]
impl ObjectStore for Storage {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let mut mood = self.mood.subscribe();
        let answers = mood.wait_for(|mood| *mood != Mood::Stuck).await;
        let mood = answers.map_or(Mood::Broken, |mood| *mood);
        match mood {
            Mood::Well | Mood::Stuck => self.files.put_opts(location, payload, options).await,
            Mood::Gone => Err(fault(std::io::ErrorKind::ConnectionRefused)),
            Mood::Broken => Err(fault(std::io::ErrorKind::PermissionDenied)),
            Mood::Full => Err(fault(std::io::ErrorKind::StorageFull)),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check()?;
        self.files.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.check() {
            Ok(()) => self.files.delete_stream(locations),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check() {
            Ok(()) => self.files.list(prefix),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check()?;
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}

/// A folder and the bucket behind it.
pub(super) struct Both {
    pub(super) folder: TempDir,
    pub(super) bucket: Arc<Storage>,
    pub(super) vault: Vault,
}

impl Both {
    pub(super) fn new() -> Self {
        Self::with(Arc::default())
    }

    /// An empty folder in front of a bucket.
    pub(super) fn with(bucket: Arc<Storage>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let near = Vault::in_folder(folder.path()).unwrap();
        Self {
            folder,
            vault: near.backed_by(Arc::clone(&bucket) as _, u64::MAX),
            bucket,
        }
    }

    /// The same folder and bucket, as another process finds them.
    pub(super) fn again(self) -> Self {
        let near = Vault::in_folder(self.folder.path()).unwrap();
        let vault = near.backed_by(Arc::clone(&self.bucket) as _, u64::MAX);
        Self { vault, ..self }
    }

    pub(super) async fn show(&self) -> Show {
        start(self.vault.clone(), recording(), patience(DEADLINE)).await
    }

    pub(super) fn waiting(&self) -> usize {
        self.vault.spool().unwrap().waiting().files
    }

    pub(super) async fn until_uploaded(&self) {
        until("everything is in the bucket", async || {
            self.vault.spool().unwrap().hurry();
            self.waiting() == 0
        })
        .await;
    }

    /// The names of all files in the bucket.
    pub(super) async fn names(&self) -> Vec<String> {
        let listed: Vec<_> = self.bucket.files().list(None).try_collect().await.unwrap();
        listed
            .iter()
            .map(|file| file.location.to_string())
            .collect()
    }

    pub(super) fn is_folder_empty(&self) -> bool {
        let media = std::fs::read_dir(self.folder.path()).unwrap();
        media.count() == 0
    }
}
