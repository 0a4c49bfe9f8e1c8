//! What every answer says beside its content: to caches, to browsers, and to whoever schedules it.

use axum::http::{HeaderMap, Method, Uri, header};

use super::{KEY, Show, count, parts, publisher::Publisher};

async fn on_air() -> (Show, Publisher, String) {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    (show, publisher, folder)
}

#[tokio::test]
async fn a_page_of_any_origin_reads_every_answer_whatever_it_is() {
    let (show, _publisher, folder) = on_air().await;
    let video = format!("{folder}/video.m3u8");
    for (method, path, status) in [
        ("GET", video.clone(), 200),
        ("HEAD", video.clone(), 200),
        ("OPTIONS", video.clone(), 204),
        ("POST", video.clone(), 405),
        ("GET", format!("{video}?_HLS_part=0"), 400),
        ("GET", format!("{folder}/video/999.m4s"), 404),
        ("GET", format!("{folder}/video/init-0.mp4"), 200),
        ("OPTIONS", format!("{folder}/video/init-0.mp4"), 204),
        ("GET", format!("{folder}/nothing.m3u8"), 404),
        ("GET", "/live/nowhere/master.m3u8".to_owned(), 404),
        ("GET", "/live/demo".to_owned(), 404),
        ("GET", "/live/a/b/c/d/e".to_owned(), 404),
    ] {
        let answer = show.viewer().ask(method, &path, "").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "*",
            "{method} {path}"
        );
        let exposed = answer.header("access-control-expose-headers");
        assert!(exposed.contains("Age"), "{method} {path}: {exposed}");
        for never in ["set-cookie", "location"] {
            assert_eq!(answer.header(never), "", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn playlists_are_more_urgent_than_sound_and_sound_than_pictures() {
    let (show, _publisher, folder) = on_air().await;
    let mut urgencies = Vec::new();
    for path in [
        "/live/demo/master.m3u8".to_owned(),
        format!("{folder}/audio.m3u8"),
        format!("{folder}/audio/1.m4s"),
        format!("{folder}/video/1.m4s"),
        format!("{folder}/video/init-0.mp4"),
    ] {
        let answer = show.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        urgencies.push(answer.header("priority").to_owned());
    }
    assert_eq!(urgencies, ["u=1", "u=1", "u=2", "u=3", "u=3"]);
}

#[tokio::test]
async fn everybody_who_waits_gets_the_same_version_of_the_playlist() {
    let (show, mut publisher, folder) = on_air().await;
    let path = format!("{folder}/video.m3u8?_HLS_msn=3&_HLS_part=0");
    let asked: Vec<_> = (0..200)
        .map(|_| {
            let (viewer, path) = (show.viewer(), path.clone());
            tokio::spawn(async move { viewer.ask("GET", &path, "Accept-Encoding: gzip\r\n").await })
        })
        .collect();
    publisher.send_until(5_400).await;
    let mut versions = std::collections::BTreeSet::new();
    for answer in asked {
        let text = answer.await.unwrap().text();
        assert!(parts(&text).contains(&"video/3.0.m4s".to_owned()), "{text}");
        assert_eq!(count(&text, "#EXTM3U"), 1);
        versions.insert(text);
    }
    // One part came at a time, and whoever came late may have met the one after.
    assert!(versions.len() <= 3, "{versions:?}");
}

#[tokio::test]
async fn what_is_recognised_in_front_of_the_router_is_answered_as_the_router_does() {
    let (show, _publisher, folder) = on_air().await;
    let viewing = show.origin.viewing();
    let recognised = |method: Method, path: &str, headers: &HeaderMap| {
        viewing.asked(&method, &path.parse::<Uri>().unwrap(), headers)
    };
    let part = parts(&show.get(&format!("{folder}/video.m3u8")).await.text()).remove(0);
    for (path, field, value) in [
        ("video.m3u8", "", ""),
        ("video.m3u8", "accept-encoding", "gzip"),
        ("video.m3u8?_HLS_msn=2", "accept-encoding", "gzip"),
        ("audio.m3u8?_HLS_msn=2&_HLS_skip=YES", "", ""),
        ("video.m3u8?_HLS_msn=999", "", ""),
        ("video/init-0.mp4", "", ""),
        ("audio/0.m4s", "range", "bytes=10-19"),
        ("video/0.m4s", "range", "bytes=99999999-"),
        ("video/999.m4s", "", ""),
        (&part, "", ""),
    ] {
        let path = format!("{folder}/{path}");
        let mut headers = HeaderMap::new();
        let mut line = String::new();
        if !field.is_empty() {
            headers.insert(field, value.parse().unwrap());
            line = format!("{field}: {value}\r\n");
        }
        let asked = recognised(Method::GET, &path, &headers).expect(&path);
        let (answered, woken) = asked.answer().await;
        assert!(woken.is_none(), "{path} was not waited for");
        let (head, body) = answered.into_response().into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let routed = show.viewer().ask("GET", &path, &line).await;
        assert_eq!(head.status.as_u16(), routed.status, "{path}");
        for (name, value) in &head.headers {
            assert_eq!(
                routed.header(name.as_str()),
                value.to_str().unwrap(),
                "{path}"
            );
        }
        let added = ["connection", "content-length", "date"];
        for name in routed
            .headers
            .keys()
            .filter(|name| !added.contains(&&***name))
        {
            assert!(head.headers.contains_key(name), "{path}: {name}");
        }
        assert_eq!(body, routed.body, "{path}");
        assert_eq!(head.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
    let none = HeaderMap::new();
    for path in [
        "/live/demo/master.m3u8",
        "/live/demo",
        "/live/a/b/c/d/e",
        "/lively/demo/a/video.m3u8",
        // What is not shown may be recorded, and the router knows.
        "/live/demo/0123456789abcdef/video/0.m4s",
        &format!("{folder}/video.txt"),
        &format!("{folder}/nothing.m3u8"),
        &format!("{folder}/v%69deo.m3u8"),
    ] {
        assert!(recognised(Method::GET, path, &none).is_none(), "{path}");
    }
    assert!(recognised(Method::HEAD, &format!("{folder}/video.m3u8"), &none).is_none());
    assert_eq!(
        show.get(&format!("{folder}/v%69deo.m3u8")).await.status,
        200
    );
}
