//! Keys of all kinds.

use ftx_s3::{Condition, CopySource, ListObjects};

use crate::support::{bytes, content, start};

/// Keys that a wrong encoding would turn into others.
const KEYS: [&str; 21] = [
    "plain",
    "a b",
    "a+b",
    "a%20b",
    "a%2Fb",
    "100%",
    "中文/文件",
    "💾",
    "e\u{301}é",
    "a//b",
    "a/b/",
    "/leading",
    "//host/path",
    "?query=1&b",
    "#fragment",
    "a;b:c,d=e@f",
    "'quoted' \"twice\"",
    "<xml>&amp;</xml>",
    "back\\slash|{}[]^`",
    "tab\tnewline\n",
    "...",
];

#[tokio::test]
async fn every_operation_means_the_same_key() {
    let (s3, bucket) = start().await;
    for key in KEYS {
        let tag = bucket.put(key, bytes("content"), &[], Condition::Always).await.unwrap();
        assert_eq!(s3.object(key).unwrap().bytes(), "content", "{key}");
        assert_eq!(bucket.head(key).await.unwrap().unwrap().tag, tag, "{key}");
        assert_eq!(bucket.get(key, 10).await.unwrap().unwrap().1, "content", "{key}");
        let mut body = bucket.get_range(key, 1..3, &tag).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "on", "{key}");
    }
    let page = bucket.list(ListObjects::default()).await.unwrap();
    let mut expected = KEYS.map(str::to_owned);
    expected.sort();
    let listed: Vec<_> = page.objects.into_iter().map(|object| object.key).collect();
    assert_eq!(listed, expected);
    for key in KEYS {
        bucket.delete(key, Condition::Always).await.unwrap();
        assert!(s3.object(key).is_none(), "{key}");
    }
    assert!(s3.keys().is_empty());
}

#[tokio::test]
async fn uploads_and_copies_mean_the_same_key() {
    let (s3, bucket) = start().await;
    for key in KEYS {
        let tag = bucket.put(key, content(100), &[], Condition::Always).await.unwrap();
        let id = bucket.create_upload(key, &[]).await.unwrap();
        let source = CopySource { key: key.into(), tag, range: 10..60 };
        bucket.copy_part(key, &id, 1, source).await.unwrap();
        let listed = bucket.list_uploads(key).await.unwrap();
        let listed: Vec<_> = listed.into_iter().map(|upload| (upload.key, upload.id)).collect();
        assert_eq!(listed, [(key.to_owned(), id.clone())]);
        let parts = bucket.list_parts(key, &id).await.unwrap().unwrap();
        bucket.complete(key, &id, &parts, Condition::Always).await.unwrap();
        assert_eq!(s3.object(key).unwrap().bytes(), content(100).slice(10..60), "{key}");
    }
}

#[tokio::test]
async fn prefixes_and_places_in_listings_are_encoded() {
    let (_s3, bucket) = start().await;
    for key in KEYS {
        bucket.put(key, bytes("x"), &[], Condition::Always).await.unwrap();
    }
    for key in KEYS {
        let of_prefix = ListObjects { prefix: key.into(), ..ListObjects::default() };
        let page = bucket.list(of_prefix).await.unwrap();
        assert!(page.objects.iter().any(|object| object.key == key), "{key}");
        assert!(page.objects.iter().all(|object| object.key.starts_with(key)), "{key}");
        let after = ListObjects { start_after: Some(key.into()), ..ListObjects::default() };
        let page = bucket.list(after).await.unwrap();
        let expected = KEYS.iter().filter(|other| **other > key).count();
        assert_eq!(page.objects.len(), expected, "{key}");
    }
}
