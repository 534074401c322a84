//! Listings of objects and of unfinished uploads.

use std::collections::BTreeMap;
use std::ops::Bound;

use s3s::dto::{
    CommonPrefix, EncodingType, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, MultipartUpload,
    Object as ListedObject, ObjectStorageClass,
};
use s3s::{S3Result, s3_error};

use crate::encoding::encode_key;
use crate::store::{MemoryStore, ObjectState};
use crate::uploads::page_entries;

impl MemoryStore {
    pub(crate) fn list(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let mut state = self.lock();
        let entries = page_entries(&state.settings, input.max_keys);
        let objects = &state.bucket(&input.bucket)?.objects;
        let start = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => PageStart::from_token(token)?,
            (None, Some(key)) => PageStart::After(key.clone()),
            (None, None) => PageStart::First,
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        let page = page(objects, &prefix, input.delimiter.as_deref(), start, entries);
        let encode = encoder(input.encoding_type.as_ref());
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode(&prefix)),
            delimiter: input.delimiter.as_deref().map(encode),
            start_after: input.start_after.as_deref().map(encode),
            max_keys: i32::try_from(entries).ok(),
            key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| next.to_token()),
            contents: Some(to_contents(&page.objects, encode)),
            common_prefixes: Some(to_prefixes(&page.prefixes, encode)),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }

    /// Serves the first version of the listing, whose pages go on from the last key.
    pub(crate) fn list_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let mut state = self.lock();
        let entries = page_entries(&state.settings, input.max_keys);
        let objects = &state.bucket(&input.bucket)?.objects;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.as_deref();
        let start = match &input.marker {
            Some(marker) if delimiter.is_some_and(|delimiter| marker.ends_with(delimiter)) => {
                PageStart::Behind(marker.clone())
            }
            Some(marker) => PageStart::After(marker.clone()),
            None => PageStart::First,
        };
        let page = page(objects, &prefix, delimiter, start, entries);
        let encode = encoder(input.encoding_type.as_ref());
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(&prefix)),
            marker: input.marker.as_deref().map(encode),
            delimiter: delimiter.map(encode),
            max_keys: i32::try_from(entries).ok(),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.as_ref().map(|next| encode(next.marker())),
            contents: Some(to_contents(&page.objects, encode)),
            common_prefixes: Some(to_prefixes(&page.prefixes, encode)),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }

    pub(crate) fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let mut state = self.lock();
        let entries = page_entries(&state.settings, input.max_uploads);
        let uploads = &state.bucket(&input.bucket)?.uploads;
        let prefix = input.prefix.clone().unwrap_or_default();
        let id_marker = input.upload_id_marker.clone().unwrap_or_default();
        let mut rest = uploads.iter().filter(|((key, id), _)| {
            let is_later = match input.key_marker.as_ref() {
                // Without the marker of an upload, all uploads of the key have been listed.
                Some(marker) if id_marker.is_empty() => key > marker,
                Some(marker) => (key, id) > (marker, &id_marker),
                None => true,
            };
            is_later && key.starts_with(&prefix)
        });
        let page: Vec<_> = rest.by_ref().take(entries).collect();
        let is_truncated = rest.next().is_some();
        let last = page.last().filter(|_| is_truncated).map(|(name, _)| *name);
        let encode = encoder(input.encoding_type.as_ref());
        let listed = page.iter().map(|((key, id), upload)| MultipartUpload {
            initiated: Some(upload.initiated.into()),
            key: Some(encode(key)),
            upload_id: Some(id.clone()),
            ..MultipartUpload::default()
        });
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: Some(encode(&prefix)),
            key_marker: input.key_marker.as_deref().map(encode),
            upload_id_marker: input.upload_id_marker,
            max_uploads: i32::try_from(entries).ok(),
            is_truncated: Some(is_truncated),
            next_key_marker: last.map(|(key, _)| encode(key)),
            next_upload_id_marker: last.map(|(_, id)| id.clone()),
            uploads: Some(listed.collect()),
            encoding_type: input.encoding_type,
            ..ListMultipartUploadsOutput::default()
        })
    }
}

fn encoder(encoding: Option<&EncodingType>) -> fn(&str) -> String {
    match encoding.map(EncodingType::as_str) {
        Some(EncodingType::URL) => encode_key,
        _ => str::to_owned,
    }
}

fn to_contents(
    objects: &[(&String, &ObjectState)],
    encode: fn(&str) -> String,
) -> Vec<ListedObject> {
    let listed = objects.iter().map(|(key, object)| ListedObject {
        e_tag: Some(object.etag()),
        key: Some(encode(key)),
        last_modified: Some(object.modified.into()),
        size: Some(object.content.size()),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..ListedObject::default()
    });
    listed.collect()
}

fn to_prefixes(prefixes: &[String], encode: fn(&str) -> String) -> Vec<CommonPrefix> {
    prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(encode(prefix)) }).collect()
}

/// The place where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PageStart {
    First,
    /// After this key.
    After(String),
    /// Behind all keys with this prefix.
    Behind(String),
}

impl PageStart {
    fn marker(&self) -> &str {
        match self {
            Self::First => "",
            Self::After(name) | Self::Behind(name) => name,
        }
    }

    /// Returns the place in a form that no client takes for a key.
    fn to_token(&self) -> String {
        let kind = if matches!(self, Self::Behind(_)) { "p" } else { "k" };
        format!("{kind}{}", hex::encode(self.marker()))
    }

    fn from_token(token: &str) -> S3Result<Self> {
        let name = |digits: &str| String::from_utf8(hex::decode(digits).ok()?).ok();
        let start = match token.split_at_checked(1) {
            Some(("p", digits)) => name(digits).map(Self::Behind),
            Some(("k", digits)) => name(digits).map(Self::After),
            _ => None,
        };
        start.ok_or_else(|| s3_error!(InvalidArgument, "No such continuation token."))
    }
}

struct Page<'a> {
    objects: Vec<(&'a String, &'a ObjectState)>,
    prefixes: Vec<String>,
    next: Option<PageStart>,
}

/// Collects a page of keys, and of the prefixes up to the delimiter that stand for several keys.
fn page<'a>(
    objects: &'a BTreeMap<String, ObjectState>,
    prefix: &str,
    delimiter: Option<&str>,
    start: PageStart,
    max_entries: usize,
) -> Page<'a> {
    let mut page = Page { objects: Vec::new(), prefixes: Vec::new(), next: None };
    let mut last = start;
    while let Some((key, object)) = first_after(objects, prefix, &last) {
        if page.objects.len() + page.prefixes.len() >= max_entries {
            // A page without entries has no place where the next begins.
            page.next = (max_entries > 0).then_some(last);
            break;
        }
        let rest = key.get(prefix.len()..).unwrap_or_default();
        let group = delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            rest.split_once(delimiter).map(|(name, _)| format!("{prefix}{name}{delimiter}"))
        });
        last = match group {
            Some(group) => {
                page.prefixes.push(group.clone());
                PageStart::Behind(group)
            }
            None => {
                page.objects.push((key, object));
                PageStart::After(key.clone())
            }
        };
    }
    page
}

/// Finds the first key with the prefix behind the start.
fn first_after<'a>(
    objects: &'a BTreeMap<String, ObjectState>,
    prefix: &str,
    start: &PageStart,
) -> Option<(&'a String, &'a ObjectState)> {
    let lower = if prefix > start.marker() {
        Bound::Included(prefix)
    } else if matches!(start, PageStart::First) {
        Bound::Unbounded
    } else {
        Bound::Excluded(start.marker())
    };
    let mut keys = objects.range::<str, _>((lower, Bound::Unbounded));
    keys.find(|(key, _)| match start {
        PageStart::Behind(group) => !key.starts_with(group.as_str()),
        _ => true,
    })
    .filter(|(key, _)| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use s3s::dto::Checksum;

    use super::*;
    use crate::content::ObjectContent;
    use crate::store::ObjectMetadata;

    fn objects(keys: &[&str]) -> BTreeMap<String, ObjectState> {
        let object = ObjectState {
            content: ObjectContent::default(),
            tag: String::new(),
            modified: SystemTime::now(),
            metadata: ObjectMetadata::default(),
            sums: Checksum::default(),
        };
        keys.iter().map(|key| ((*key).to_owned(), object.clone())).collect()
    }

    /// Lists everything in pages of this size, by way of the tokens.
    fn walk(keys: &[&str], prefix: &str, delimiter: Option<&str>, entries: usize) -> Vec<String> {
        let objects = objects(keys);
        let mut start = PageStart::First;
        let mut names = Vec::new();
        loop {
            let page = page(&objects, prefix, delimiter, start, entries);
            assert!(page.objects.len() + page.prefixes.len() <= entries);
            names.extend(page.objects.iter().map(|(key, _)| (*key).clone()));
            names.extend(page.prefixes.iter().cloned());
            match page.next {
                Some(next) => start = PageStart::from_token(&next.to_token()).unwrap(),
                None => return names,
            }
        }
    }

    #[test]
    fn pages_of_every_size_list_the_same() {
        let keys = ["a", "a/1", "a/2/x", "b/1", "b/2", "b0", "c"];
        for entries in 1..=keys.len() + 1 {
            assert_eq!(walk(&keys, "", None, entries), keys);
            let mut names = walk(&keys, "", Some("/"), entries);
            names.sort();
            assert_eq!(names, ["a", "a/", "b/", "b0", "c"]);
            assert_eq!(walk(&keys, "b/", Some("/"), entries), ["b/1", "b/2"]);
            assert_eq!(walk(&keys, "a/", Some("/"), entries), ["a/1", "a/2/"]);
            assert!(walk(&keys, "d", None, entries).is_empty());
        }
    }

    #[test]
    fn a_listing_starts_after_a_key() {
        let objects = objects(&["a", "b/1", "b/2", "c"]);
        let page = page(&objects, "", Some("/"), PageStart::After("b/1".into()), 10);
        assert_eq!(page.prefixes, ["b/"]);
        assert_eq!(page.objects.len(), 1);
        assert_eq!(page.next, None);
    }

    #[test]
    fn nonsense_is_no_token() {
        for token in ["", "x", "kzz", "pff", "ä"] {
            assert!(PageStart::from_token(token).is_err(), "{token}");
        }
    }
}
