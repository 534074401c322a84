//! Pages of objects, parts and uploads.

use ftx_fake_s3::FakeS3;

use crate::raw::{call, get, put, start};

/// Lists in pages of two, and returns the texts of the elements of all of them.
fn walk(s3: &FakeS3, query: &str, marker: &[(&str, &str)], element: &str) -> Vec<String> {
    s3.configure(|settings| settings.page_entries = 2);
    let mut rest = String::new();
    let mut texts = Vec::new();
    loop {
        let answer = get(s3, &format!("{query}{rest}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        texts.extend(answer.elements(element));
        if answer.element("IsTruncated") == "false" {
            return texts;
        }
        let next = |(name, element): &(&str, &str)| format!("&{name}={}", answer.element(element));
        rest = marker.iter().map(next).collect();
    }
}

const TOKEN: [(&str, &str); 1] = [("continuation-token", "NextContinuationToken")];

#[tokio::test]
async fn objects_are_listed_in_pages() {
    let s3 = start().await;
    for key in ["a", "b/1", "b/2", "b/3", "c", "d/e/f", "g h"] {
        s3.put(key, key);
    }
    let all = walk(&s3, "?list-type=2", &TOKEN, "Key");
    assert_eq!(all, ["a", "b/1", "b/2", "b/3", "c", "d/e/f", "g h"]);
    let grouped = "?list-type=2&delimiter=/";
    assert_eq!(walk(&s3, grouped, &TOKEN, "Key"), ["a", "c", "g h"]);
    let prefixes = walk(&s3, grouped, &TOKEN, "CommonPrefixes");
    assert_eq!(prefixes, ["<Prefix>b/</Prefix>", "<Prefix>d/</Prefix>"]);
    assert_eq!(walk(&s3, "?list-type=2&prefix=b/", &TOKEN, "Key"), ["b/1", "b/2", "b/3"]);
    assert_eq!(walk(&s3, "?list-type=2&start-after=b/3", &TOKEN, "Key"), ["c", "d/e/f", "g h"]);
    let encoded = walk(&s3, "?list-type=2&prefix=g%20&encoding-type=url", &TOKEN, "Key");
    assert_eq!(encoded, ["g+h"]);
    let marker = [("marker", "NextMarker")];
    assert_eq!(walk(&s3, "?prefix=b", &marker, "Key"), ["b/1", "b/2", "b/3"]);
    assert_eq!(walk(&s3, "?delimiter=/", &marker, "Key"), ["a", "c", "g h"]);
}

#[tokio::test]
async fn a_listing_describes_its_objects() {
    let s3 = start().await;
    let tag = s3.put("k", "content");
    let answer = get(&s3, "?list-type=2&max-keys=1");
    assert_eq!(answer.element("Size"), "7");
    assert!(answer.element("ETag").contains(&tag));
    assert!(answer.element("LastModified").ends_with('Z'));
    assert_eq!((answer.element("KeyCount"), answer.element("MaxKeys")), ("1".into(), "1".into()));
}

#[tokio::test]
async fn uploads_and_parts_are_listed_in_pages() {
    let s3 = start().await;
    for key in ["a", "b", "b", "b", "c"] {
        assert_eq!(call(&s3, "POST", &format!("/{key}?uploads"), &[], b"").status, 200);
    }
    let marker = [("key-marker", "NextKeyMarker"), ("upload-id-marker", "NextUploadIdMarker")];
    assert_eq!(walk(&s3, "?uploads", &marker, "Key"), ["a", "b", "b", "b", "c"]);
    assert_eq!(walk(&s3, "?uploads&prefix=b", &marker, "Key"), ["b", "b", "b"]);

    let id = &s3.pending_uploads()[0].id;
    for number in [1, 2, 3, 5, 8] {
        let target = format!("/a?partNumber={number}&uploadId={id}");
        assert_eq!(put(&s3, &target, b"part").status, 200);
    }
    let marker = [("part-number-marker", "NextPartNumberMarker")];
    let numbers = walk(&s3, &format!("/a?uploadId={id}"), &marker, "PartNumber");
    assert_eq!(numbers, ["1", "2", "3", "5", "8"]);
}
