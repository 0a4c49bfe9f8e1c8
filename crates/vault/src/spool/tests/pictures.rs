//! Sheets of pictures, and what is said about them: that file is replaced with each sheet.

use super::*;
use crate::{
    limits::SETTLE,
    thumbnails::{self, FORMAT, Sheet, Sheets, sheet_place},
};

#[tokio::test(start_paused = true)]
async fn what_is_said_about_pictures_goes_to_the_bucket_with_each_sheet() {
    let scene = Scene::new(u64::MAX);
    let stream = Place::of(["demo", "k3x9"]);
    let of = |numbers: std::ops::Range<u32>| Sheets {
        format: FORMAT,
        interval_ms: 10_000,
        sheets: numbers
            .map(|number| Sheet {
                number,
                width: 160,
                height: 90,
                at_ms: vec![10_000 * u64::from(number)],
            })
            .collect(),
    };
    let add = async |scene: &Scene, number: u32| {
        let place = sheet_place(&stream, number);
        let sheet = pieces_of("a sheet");
        scene.vault.write(&place, sheet).await.unwrap();
        let all = of(0..number + 1);
        thumbnails::write(&scene.vault, &stream, &all)
            .await
            .unwrap();
    };
    add(&scene, 0).await;
    scene.spool().hurry();
    assert_eq!(scene.upload().await, 2);
    // Written anew while it is on its way.
    add(&scene, 1).await;
    assert_eq!(scene.upload().await, 1, "the sheet");
    tokio::time::advance(SETTLE).await;
    let task = scene.spool().next().unwrap();
    scene.spool().upload(&scene.near, &task).await.unwrap();
    add(&scene, 2).await;
    scene.spool().landed(&scene.near, &task, true).await;
    assert_eq!(scene.spool().waiting().files, 2);
    assert_eq!(scene.upload().await, 1, "the sheet");
    // Killed, with an index of the same size in the bucket.
    let mut other = of(0..3);
    other.sheets[2].at_ms = vec![30_000];
    thumbnails::write(&scene.far_alone(), &stream, &other)
        .await
        .unwrap();
    let scene = scene.restarted(true);
    scene.spool().resume(&scene.near, &stream).await.unwrap();
    scene
        .spool()
        .release_folder(&scene.near, &stream)
        .await
        .unwrap();
    assert_eq!(scene.upload().await, 4);
    assert_eq!(scene.near.folders(&Place::of([])).await.unwrap(), []);
    assert_eq!(
        thumbnails::read(&scene.vault, &stream).await.unwrap(),
        of(0..3)
    );
    for number in 0..3 {
        let place = sheet_place(&stream, number);
        assert_eq!(text(&scene.vault, &place).await, "a sheet");
    }
    scene.vault.clear(&stream).await.unwrap();
    assert_eq!(scene.far.names().await, [""; 0]);
}
