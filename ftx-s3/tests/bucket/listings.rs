//! Pages.

use std::time::{Duration, SystemTime};

use ftx_fake_s3::Operation;
use ftx_s3::{Bucket, ListObjects, ObjectPage, UploadId};

use crate::support::{content, put, start, start_with};

/// Returns all pages, and the keys on them.
async fn pages(bucket: &Bucket, request: ListObjects) -> (Vec<ObjectPage>, Vec<String>) {
    let mut pages = Vec::new();
    let mut continuation = None;
    loop {
        let request = ListObjects { continuation, ..request.clone() };
        let page = bucket.list(request).await.unwrap();
        continuation = page.next.clone();
        pages.push(page);
        if continuation.is_none() {
            break;
        }
    }
    let objects = pages.iter().flat_map(|page| &page.objects);
    let keys = objects.map(|object| object.key.clone()).collect();
    (pages, keys)
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let (s3, bucket) = start_with(|settings| settings.page_entries = 7).await;
    for number in 0..50 {
        s3.put(&format!("dir/{number:02}"), content(number));
    }
    s3.put("other", "x");
    let of_dir = ListObjects { prefix: "dir/".into(), ..ListObjects::default() };
    let (pages_of_dir, keys) = pages(&bucket, of_dir.clone()).await;
    assert_eq!(pages_of_dir.len(), 8);
    let expected: Vec<_> = (0..50).map(|number| format!("dir/{number:02}")).collect();
    assert_eq!(keys, expected);
    let limited = ListObjects { max_keys: Some(3), ..of_dir };
    assert_eq!(pages(&bucket, limited).await.0.len(), 17);
    let (_, all) = pages(&bucket, ListObjects::default()).await;
    assert_eq!(all.len(), 51);
}

#[tokio::test]
async fn entries_have_what_a_head_has() {
    let (_s3, bucket) = start().await;
    let tag = put(&bucket, "k", "12345").await;
    let page = bucket.list(ListObjects::default()).await.unwrap();
    let [object] = &page.objects[..] else { panic!("{page:?}") };
    assert_eq!((object.key.as_str(), object.size, &object.tag), ("k", 5, &tag));
    let age = SystemTime::now().duration_since(object.modified).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
}

#[tokio::test]
async fn a_delimiter_joins_keys_to_prefixes() {
    let (s3, bucket) = start_with(|settings| settings.page_entries = 2).await;
    for key in ["a", "b/1", "b/2", "b/c/3", "d e/4", "f"] {
        s3.put(key, "x");
    }
    let request = ListObjects { delimiter: true, ..ListObjects::default() };
    let (found, keys) = pages(&bucket, request.clone()).await;
    assert_eq!(keys, ["a", "f"]);
    let prefixes: Vec<_> = found.into_iter().flat_map(|page| page.prefixes).collect();
    assert_eq!(prefixes, ["b/", "d e/"]);
    let inner = ListObjects { prefix: "b/".into(), ..request };
    let (found, keys) = pages(&bucket, inner).await;
    assert_eq!(keys, ["b/1", "b/2"]);
    assert_eq!(found.last().unwrap().prefixes, ["b/c/"]);
}

#[tokio::test]
async fn an_empty_listing_is_a_page() {
    let (_s3, bucket) = start().await;
    assert_eq!(bucket.list(ListObjects::default()).await.unwrap(), ObjectPage::default());
    assert!(bucket.list_uploads("").await.unwrap().is_empty());
}

#[tokio::test]
async fn all_uploads_are_listed() {
    let (s3, bucket) = start_with(|settings| settings.page_entries = 3).await;
    let mut expected = Vec::new();
    for key in ["a", "dir/b c", "dir/b c", "dir/b c", "dir/b c", "dir/d", "e"] {
        let id = bucket.create_upload(key, &[]).await.unwrap();
        expected.push((key.to_owned(), id));
    }
    expected.sort();
    s3.age(Duration::from_secs(3600));
    let listed = bucket.list_uploads("").await.unwrap();
    for upload in &listed {
        let age = SystemTime::now().duration_since(upload.initiated).unwrap();
        assert!(age >= Duration::from_secs(3599) && age < Duration::from_secs(3700), "{age:?}");
    }
    let listed: Vec<_> = listed.into_iter().map(|upload| (upload.key, upload.id)).collect();
    assert_eq!(listed, expected);
    assert_eq!(s3.count(Operation::ListMultipartUploads), 3);
    assert_eq!(bucket.list_uploads("dir/").await.unwrap().len(), 5);
}

#[tokio::test]
async fn all_parts_are_listed() {
    let (s3, bucket) = start_with(|settings| settings.page_entries = 4).await;
    let id = bucket.create_upload("k", &[]).await.unwrap();
    assert_eq!(bucket.list_parts("k", &id).await.unwrap().unwrap(), []);
    let mut tags = Vec::new();
    for number in [9, 2, 3, 5, 10_000, 7, 8, 1, 4, 6] {
        let tag = bucket.upload_part("k", &id, number, content(usize::from(number))).await;
        tags.push((number, tag.unwrap()));
    }
    tags.sort();
    let parts = bucket.list_parts("k", &id).await.unwrap().unwrap();
    assert!(parts.iter().all(|part| part.size == u64::from(part.number)));
    let listed: Vec<_> = parts.into_iter().map(|part| (part.number, part.tag)).collect();
    assert_eq!(listed, tags);
    assert_eq!(s3.count(Operation::ListParts), 4);
    let other = UploadId::new("other");
    assert_eq!(bucket.list_parts("k", &other).await.unwrap(), None);
}
