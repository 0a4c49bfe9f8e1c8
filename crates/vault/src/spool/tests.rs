//! Files on their way to a bucket that is there, away, or slow.

mod pictures;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

use super::*;

/// A bucket that can be away.
#[derive(Debug, Default)]
struct Far {
    files: InMemory,
    away: AtomicBool,
}

impl std::fmt::Display for Far {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a bucket of these tests")
    }
}

impl Far {
    fn check(&self) -> Result<()> {
        if self.away.load(Ordering::Relaxed) {
            let told = BucketError::Unreachable("it is away".to_owned());
            return Err(object_store::Error::Generic {
                store: "test",
                source: Box::new(told),
            });
        }
        Ok(())
    }

    async fn names(&self) -> Vec<String> {
        let listed: Vec<_> = self.files.list(None).try_collect().await.unwrap();
        let mut names: Vec<_> = listed
            .iter()
            .map(|file| file.location.to_string())
            .collect();
        names.sort();
        names
    }
}

#[async_trait]
impl ObjectStore for Far {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.check()?;
        self.files.put_opts(location, payload, options).await
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
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check() {
            Ok(()) => self.files.list(prefix),
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
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

struct Scene {
    _folder: tempfile::TempDir,
    far: Arc<Far>,
    near: Vault,
    vault: Vault,
}

impl Scene {
    fn new(bytes_max: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let far = Arc::new(Far::default());
        let near = Vault::in_folder(folder.path()).unwrap();
        let vault = near.clone().backed_by(Arc::clone(&far) as _, bytes_max);
        Self {
            _folder: folder,
            far,
            near,
            vault,
        }
    }

    /// What is in the bucket, and nothing else.
    fn far_alone(&self) -> Vault {
        Vault::over(Arc::clone(&self.far) as _)
    }

    fn spool(&self) -> &Arc<Spool> {
        self.vault.spool().unwrap()
    }

    /// As another process with the same folder, or with an empty one.
    fn restarted(self, keeps_its_folder: bool) -> Self {
        let far = Arc::clone(&self.far);
        if keeps_its_folder {
            let vault = self.near.clone().backed_by(Arc::clone(&far) as _, u64::MAX);
            return Self { vault, ..self };
        }
        let other = Self::new(u64::MAX);
        let vault = other
            .near
            .clone()
            .backed_by(Arc::clone(&far) as _, u64::MAX);
        Self {
            far,
            vault,
            ..other
        }
    }

    /// Uploads what waits and is due; says how many that were.
    async fn upload(&self) -> usize {
        let mut uploads = 0;
        while let Some(task) = self.spool().next() {
            let worked = self.spool().upload(&self.near, &task).await.is_ok();
            self.spool().landed(&self.near, &task, worked).await;
            if !worked {
                break;
            }
            uploads += 1;
        }
        uploads
    }
}

fn segment(number: u32) -> Place {
    Place::of(["demo", "k3x9", "video", &format!("{number}.m4s")])
}

fn about() -> Place {
    Place::of(["demo", "k3x9", "about.json"])
}

fn pieces_of(text: &'static str) -> Vec<Bytes> {
    vec![Bytes::from_static(text.as_bytes())]
}

async fn text(vault: &Vault, place: &Place) -> String {
    let bytes = vault.read_whole(place, 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_read_at_once_and_is_in_the_bucket_later() {
    let scene = Scene::new(u64::MAX);
    let folder = Place::of(["demo", "k3x9"]);
    scene
        .vault
        .write(&segment(1), pieces_of("one"))
        .await
        .unwrap();
    scene.vault.write(&about(), pieces_of("a")).await.unwrap();
    assert_eq!(text(&scene.vault, &segment(1)).await, "one");
    assert_eq!(scene.far.names().await, [""; 0]);
    assert_eq!(
        scene.spool().waiting(),
        Waiting {
            files: 2,
            bytes: 4,
            longest: Duration::ZERO
        }
    );
    assert_eq!(scene.upload().await, 1);
    assert_eq!(scene.far.names().await, ["demo/k3x9/video/1.m4s"]);
    scene
        .vault
        .write(&about(), pieces_of("about"))
        .await
        .unwrap();
    // It is due without another being written.
    scene.spool().until_due().await;
    scene.spool().until_due().await;
    assert_eq!(scene.upload().await, 1, "only what it says last");
    assert_eq!(scene.spool().waiting(), Waiting::default());
    // Both are here still, until they are not wanted any more.
    assert_eq!(text(&scene.near, &about()).await, "about");
    scene
        .spool()
        .release_folder(&scene.near, &folder)
        .await
        .unwrap();
    assert!(matches!(
        scene.near.size(&segment(1)).await,
        Err(VaultError::NotFound)
    ));
    assert_eq!(scene.vault.size(&segment(1)).await.unwrap(), 3);
    assert_eq!(text(&scene.vault, &segment(1)).await, "one");
    let part = scene.vault.read(&segment(1), Some(1..2)).await.unwrap();
    assert_eq!(part.length, 1);
    assert_eq!(scene.vault.files(&folder).await.unwrap(), [(about(), 5)]);
    assert_eq!(
        scene.vault.folders(&folder).await.unwrap(),
        [folder.join("video")]
    );
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_away_delays_and_loses_nothing() {
    let scene = Scene::new(u64::MAX);
    scene.far.away.store(true, Ordering::Relaxed);
    for number in 1..4 {
        scene
            .vault
            .write(&segment(number), pieces_of("media"))
            .await
            .unwrap();
        scene
            .spool()
            .release(&scene.near, &segment(number))
            .await
            .unwrap();
    }
    assert_eq!(scene.upload().await, 0);
    assert_eq!(scene.spool().waiting().files, 3);
    // Not wanted here, and yet here until the bucket has it.
    assert_eq!(text(&scene.vault, &segment(2)).await, "media");
    assert!(matches!(
        scene.vault.size(&segment(9)).await,
        Err(VaultError::Bucket(BucketError::Unreachable(_)))
    ));
    scene.far.away.store(false, Ordering::Relaxed);
    assert!(matches!(
        scene.vault.size(&segment(9)).await,
        Err(VaultError::NotFound)
    ));
    assert_eq!(scene.upload().await, 3);
    assert_eq!(scene.far.names().await.len(), 3);
    assert_eq!(
        scene
            .near
            .files(&Place::of(["demo", "k3x9", "video"]))
            .await
            .unwrap(),
        []
    );
    assert_eq!(text(&scene.vault, &segment(2)).await, "media");
}

#[tokio::test(start_paused = true)]
async fn another_process_uploads_what_was_left_and_that_alone() {
    let scene = Scene::new(u64::MAX);
    for number in 1..4 {
        scene
            .vault
            .write(&segment(number), pieces_of("media"))
            .await
            .unwrap();
    }
    scene.vault.write(&about(), pieces_of("new")).await.unwrap();
    scene.upload().await;
    scene
        .far
        .files
        .put(&Path::from("demo/k3x9/about.json"), "old".into())
        .await
        .unwrap();
    scene
        .far
        .files
        .delete(&Path::from("demo/k3x9/video/2.m4s"))
        .await
        .unwrap();
    // A file that broke off.
    scene
        .far
        .files
        .put(&Path::from("demo/k3x9/video/3.m4s"), "me".into())
        .await
        .unwrap();
    let scene = scene.restarted(true);
    assert_eq!(scene.spool().waiting().files, 0);
    scene
        .spool()
        .resume(&scene.near, &Place::of(["demo", "k3x9"]))
        .await
        .unwrap();
    assert_eq!(scene.spool().waiting().files, 4);
    scene
        .spool()
        .release_folder(&scene.near, &Place::of(["demo", "k3x9"]))
        .await
        .unwrap();
    scene.upload().await;
    assert_eq!(scene.spool().waiting().files, 0);
    assert_eq!(
        scene.near.folders(&Place::of([])).await.unwrap(),
        [],
        "nothing is left in the folder"
    );
    let scene = scene.restarted(false);
    assert_eq!(text(&scene.vault, &about()).await, "new");
    for number in 1..4 {
        assert_eq!(text(&scene.vault, &segment(number)).await, "media");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_is_nowhere_and_what_cannot_be_stays_everywhere() {
    let scene = Scene::new(u64::MAX);
    let folder = Place::of(["demo", "k3x9"]);
    for number in 1..4 {
        scene
            .vault
            .write(&segment(number), pieces_of("media"))
            .await
            .unwrap();
    }
    let (first, second) = (scene.spool().next().unwrap(), scene.spool().next().unwrap());
    scene.spool().landed(&scene.near, &second, false).await;
    scene.far.away.store(true, Ordering::Relaxed);
    // It waits for the upload that is under way.
    let remove = scene.vault.clear(&folder);
    let land = async {
        assert!(scene.spool().upload(&scene.near, &first).await.is_err());
        scene.spool().landed(&scene.near, &first, false).await;
    };
    let (removed, ()) = tokio::join!(remove, land);
    assert!(matches!(removed, Err(VaultError::Bucket(_))));
    assert_eq!(scene.spool().waiting().files, 3, "nothing is forgotten");
    assert_eq!(text(&scene.vault, &segment(1)).await, "media");
    scene.far.away.store(false, Ordering::Relaxed);
    assert_eq!(scene.upload().await, 3);
    scene.vault.remove(&segment(2)).await.unwrap();
    assert!(matches!(
        scene.vault.size(&segment(2)).await,
        Err(VaultError::NotFound)
    ));
    assert_eq!(scene.far.names().await.len(), 2);
    scene.vault.clear(&folder).await.unwrap();
    scene.vault.clear(&folder).await.unwrap();
    assert_eq!(scene.far.names().await, [""; 0]);
    assert!(matches!(
        scene.vault.size(&segment(1)).await,
        Err(VaultError::NotFound)
    ));
}

#[tokio::test(start_paused = true)]
async fn no_more_waits_than_may() {
    let scene = Scene::new(10);
    scene
        .vault
        .write(&segment(1), pieces_of("seven b"))
        .await
        .unwrap();
    let full = scene.vault.write(&segment(2), pieces_of("four")).await;
    let Err(VaultError::Full(why)) = full else {
        panic!("{full:?}")
    };
    assert!(why.to_string().contains("1 files, 7 bytes"), "{why}");
    // What is written down goes on, and so does what goes to no bucket.
    scene
        .vault
        .write(&about(), pieces_of("12345"))
        .await
        .unwrap();
    scene
        .near
        .write(&Place::of(["other", "1.m4s"]), pieces_of("four"))
        .await
        .unwrap();
    assert_eq!(scene.upload().await, 1);
    scene
        .vault
        .write(&segment(2), pieces_of("four"))
        .await
        .unwrap();
}
