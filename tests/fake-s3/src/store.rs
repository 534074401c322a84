//! The buckets with their objects and unfinished uploads, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use s3s::dto::{Checksum, ETag, ETagCondition};
use s3s::{S3Result, s3_error};

use crate::content::ObjectContent;
use crate::settings::StoreSettings;

/// Everything the server keeps.
///
/// One lock makes each request take effect at once. Bodies are read and hashed outside of it.
pub(crate) struct MemoryStore {
    state: Mutex<StoreState>,
}

impl MemoryStore {
    pub(crate) fn new(settings: StoreSettings) -> Self {
        Self {
            state: Mutex::new(StoreState { settings, buckets: BTreeMap::new(), last_number: 0 }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, StoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn settings(&self) -> StoreSettings {
        self.lock().settings.clone()
    }
}

/// What the lock of a [`MemoryStore`] guards.
pub(crate) struct StoreState {
    pub(crate) settings: StoreSettings,
    pub(crate) buckets: BTreeMap<String, BucketState>,
    last_number: u64,
}

impl StoreState {
    pub(crate) fn bucket(&mut self, name: &str) -> S3Result<&mut BucketState> {
        self.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket, "No such bucket."))
    }

    pub(crate) fn create_bucket(&mut self, name: &str) {
        self.buckets.entry(name.to_owned()).or_insert_with(|| BucketState {
            created: SystemTime::now(),
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
        });
    }

    /// Returns the ETag for a content with this MD5, or a new one where it has not been computed.
    pub(crate) fn tag(&mut self, md5: Option<&[u8]>) -> String {
        md5.map_or_else(|| format!("count-{:016x}", self.next_number()), hex::encode)
    }

    /// Returns a number that has not been returned before.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

pub(crate) struct BucketState {
    pub(crate) created: SystemTime,
    pub(crate) objects: BTreeMap<String, ObjectState>,
    /// Uploads by key and identifier, which is the order of their listing.
    pub(crate) uploads: BTreeMap<(String, String), UnfinishedUpload>,
}

impl BucketState {
    pub(crate) fn object(&self, key: &str) -> S3Result<&ObjectState> {
        self.objects.get(key).ok_or_else(no_such_key)
    }

    pub(crate) fn upload(&mut self, key: &str, id: &str) -> S3Result<&mut UnfinishedUpload> {
        self.uploads.get_mut(&(key.to_owned(), id.to_owned())).ok_or_else(no_such_upload)
    }

    /// Moves the times of all objects and uploads into the past.
    pub(crate) fn age(&mut self, by: Duration) {
        let objects = self.objects.values_mut().map(|object| &mut object.modified);
        let uploads = self.uploads.values_mut().map(|upload| &mut upload.initiated);
        for time in objects.chain(uploads) {
            *time = time.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH);
        }
    }
}

/// The metadata that a client gives to an object.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectMetadata {
    pub(crate) content_type: Option<String>,
    /// The pairs of the headers `x-amz-meta-*`.
    pub(crate) pairs: BTreeMap<String, String>,
}

impl ObjectMetadata {
    pub(crate) fn new(
        content_type: Option<String>,
        pairs: Option<impl IntoIterator<Item = (String, String)>>,
    ) -> Self {
        Self { content_type, pairs: pairs.into_iter().flatten().collect() }
    }

    pub(crate) fn to_dto(&self) -> Option<s3s::dto::Metadata> {
        (!self.pairs.is_empty()).then(|| self.pairs.clone().into_iter().collect())
    }
}

#[derive(Clone)]
pub(crate) struct ObjectState {
    pub(crate) content: ObjectContent,
    pub(crate) tag: String,
    pub(crate) modified: SystemTime,
    pub(crate) metadata: ObjectMetadata,
    /// The checksums that the upload came with.
    pub(crate) sums: Checksum,
}

impl ObjectState {
    pub(crate) fn etag(&self) -> ETag {
        ETag::Strong(self.tag.clone())
    }
}

pub(crate) struct UnfinishedUpload {
    pub(crate) initiated: SystemTime,
    pub(crate) metadata: ObjectMetadata,
    pub(crate) parts: BTreeMap<i32, UploadedPart>,
}

#[derive(Clone)]
pub(crate) struct UploadedPart {
    pub(crate) content: ObjectContent,
    pub(crate) tag: String,
    pub(crate) modified: SystemTime,
}

pub(crate) fn no_such_key() -> s3s::S3Error {
    s3_error!(NoSuchKey, "No such key.")
}

pub(crate) fn no_such_upload() -> s3s::S3Error {
    s3_error!(NoSuchUpload, "No such upload.")
}

fn is_met(condition: &ETagCondition, tag: &str) -> bool {
    condition.as_etag().is_none_or(|wanted| wanted.value() == tag)
}

fn precondition_failed() -> s3s::S3Error {
    s3_error!(PreconditionFailed, "A precondition does not hold.")
}

/// Checks the conditions of a write or a deletion against the object that it would replace.
pub(crate) fn check_write(
    present: Option<&ObjectState>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    if let Some(condition) = if_match {
        let present = present.ok_or_else(no_such_key)?;
        if !is_met(condition, &present.tag) {
            return Err(precondition_failed());
        }
    }
    match if_none_match {
        Some(ETagCondition::ETag(_)) => {
            Err(s3_error!(NotImplemented, "If-None-Match of a write takes * alone."))
        }
        Some(ETagCondition::Any) if present.is_some() => Err(precondition_failed()),
        _ => Ok(()),
    }
}

/// Checks the conditions of a read.
pub(crate) fn check_read(
    object: &ObjectState,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    check_source(object, if_match, None)?;
    if if_none_match.is_some_and(|condition| is_met(condition, &object.tag)) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

/// Checks the conditions of a copy against its source.
pub(crate) fn check_source(
    object: &ObjectState,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let changed = if_match.is_some_and(|condition| !is_met(condition, &object.tag));
    let unchanged = if_none_match.is_some_and(|condition| is_met(condition, &object.tag));
    if changed || unchanged { Err(precondition_failed()) } else { Ok(()) }
}
