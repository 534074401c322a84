//! The contents of the bucket as tests see them, and as another tool changes them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;

use crate::content::ObjectContent;
use crate::fake::FakeS3;
use crate::store::{ObjectMetadata, ObjectState, UnfinishedUpload};

/// An object of the bucket.
#[derive(Clone, Debug)]
pub struct StoredObject {
    /// The key.
    pub key: String,
    /// The ETag without its quotes.
    pub tag: String,
    /// The time of the last change.
    pub modified: SystemTime,
    /// The header `ObjectContent-Type`.
    pub content_type: Option<String>,
    /// The pairs of the headers `x-amz-meta-*`, without this prefix.
    pub metadata: BTreeMap<String, String>,
    content: ObjectContent,
}

impl StoredObject {
    fn new(key: &str, object: &ObjectState) -> Self {
        Self {
            key: key.to_owned(),
            tag: object.tag.clone(),
            modified: object.modified,
            content_type: object.metadata.content_type.clone(),
            metadata: object.metadata.pairs.clone(),
            content: object.content.clone(),
        }
    }

    /// Returns the bytes. Those of an object that was uploaded in parts are copied.
    pub fn bytes(&self) -> Bytes {
        self.content.to_bytes()
    }

    /// Returns the number of bytes.
    pub fn size(&self) -> u64 {
        self.content.len() as u64
    }
}

/// An upload in parts that is neither completed nor aborted.
#[derive(Clone, Debug)]
pub struct StoredUpload {
    /// The key of the object to be.
    pub key: String,
    /// The identifier.
    pub id: String,
    /// The time of `CreateMultipartUpload`.
    pub initiated: SystemTime,
    /// The pairs of the headers `x-amz-meta-*`, without this prefix.
    pub metadata: BTreeMap<String, String>,
    /// The parts so far, by their numbers.
    pub parts: Vec<StoredPart>,
}

/// A part of a [`StoredUpload`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// The number, from 1 on.
    pub number: u16,
    /// The ETag without its quotes.
    pub tag: String,
    /// The number of bytes.
    pub size: u64,
}

impl StoredUpload {
    fn new(key: &str, id: &str, upload: &UnfinishedUpload) -> Self {
        let parts = upload.parts.iter().map(|(number, part)| StoredPart {
            number: u16::try_from(*number).unwrap_or(u16::MAX),
            tag: part.tag.clone(),
            size: part.content.len() as u64,
        });
        Self {
            key: key.to_owned(),
            id: id.to_owned(),
            initiated: upload.initiated,
            metadata: upload.metadata.pairs.clone(),
            parts: parts.collect(),
        }
    }
}

impl FakeS3 {
    /// Returns all objects, ordered by their keys.
    pub fn objects(&self) -> Vec<StoredObject> {
        let mut state = self.store.lock();
        let bucket = state.bucket(&self.bucket).ok();
        let objects = bucket.iter().flat_map(|bucket| &bucket.objects);
        objects.map(|(key, object)| StoredObject::new(key, object)).collect()
    }

    /// Returns an object.
    pub fn object(&self, key: &str) -> Option<StoredObject> {
        let mut state = self.store.lock();
        let object = state.bucket(&self.bucket).ok()?.objects.get(key)?;
        Some(StoredObject::new(key, object))
    }

    /// Returns all keys in order.
    pub fn keys(&self) -> Vec<String> {
        self.objects().into_iter().map(|object| object.key).collect()
    }

    /// Returns the uploads that are pending, ordered by their keys.
    pub fn pending_uploads(&self) -> Vec<StoredUpload> {
        let mut state = self.store.lock();
        let bucket = state.bucket(&self.bucket).ok();
        let uploads = bucket.iter().flat_map(|bucket| &bucket.uploads);
        uploads.map(|((key, id), upload)| StoredUpload::new(key, id, upload)).collect()
    }

    /// Puts an object as another tool would, and returns its ETag. No rule strikes it.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) -> String {
        self.put_with(key, bytes, &[])
    }

    /// Puts an object with metadata, as [`put`](Self::put) does.
    pub fn put_with(&self, key: &str, bytes: impl Into<Bytes>, pairs: &[(&str, &str)]) -> String {
        let pairs = pairs.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned()));
        let metadata = ObjectMetadata::new(None, Some(pairs));
        self.store.put_now(&self.bucket, key, ObjectContent::from(bytes.into()), metadata)
    }

    /// Removes an object as another tool would. Returns whether there was one.
    pub fn remove(&self, key: &str) -> bool {
        let mut state = self.store.lock();
        state.bucket(&self.bucket).is_ok_and(|bucket| bucket.objects.remove(key).is_some())
    }

    /// Removes an upload, as the rule of a bucket against old uploads would. Returns whether there
    /// was one.
    pub fn remove_upload(&self, id: &str) -> bool {
        let mut state = self.store.lock();
        let Ok(bucket) = state.bucket(&self.bucket) else { return false };
        let before = bucket.uploads.len();
        bucket.uploads.retain(|(_, upload), _| upload != id);
        bucket.uploads.len() < before
    }
}
