//! Whole objects: writing, reading, copying and deleting them.

use std::time::SystemTime;

use s3s::dto::{
    Checksum, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition,
    Error, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, MetadataDirective,
    PutObjectInput, PutObjectOutput, Range,
};
use s3s::{S3Request, S3Result, s3_error};

use crate::content::{self, ObjectContent};
use crate::digest::{self, Claims};
use crate::store::{self, MemoryStore, ObjectMetadata, ObjectState, StoreState, check_write};

impl MemoryStore {
    pub(crate) async fn put(&self, req: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
        let mut input = req.input;
        let settings = self.settings();
        self.lock().bucket(&input.bucket)?;
        let mut claims = Claims::from(&input);
        let content = content::read(input.body.take(), input.content_length).await?;
        claims.add_trailers(req.trailing_headers.as_ref());
        let md5 = digest::verify(&content, &claims, settings.tags).await?;

        let mut state = self.lock();
        let sums = claims.sums();
        let mut object = new_object(&mut state, content, md5.as_deref());
        object.metadata = ObjectMetadata::new(input.content_type, input.metadata);
        object.sums = sums.clone();
        let etag = object.etag();
        let objects = &mut state.bucket(&input.bucket)?.objects;
        if !settings.ignore_conditions {
            let present = objects.get(&input.key);
            check_write(present, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        }
        objects.insert(input.key, object);
        Ok(PutObjectOutput {
            e_tag: Some(etag),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            ..PutObjectOutput::default()
        })
    }

    /// Puts an object at once, for tests that play another tool.
    pub(crate) fn put_now(
        &self,
        bucket: &str,
        key: &str,
        content: ObjectContent,
        metadata: ObjectMetadata,
    ) -> String {
        let tags = self.settings().tags;
        let md5 = digest::verify_now(&content, &Claims::default(), tags).ok().flatten();
        let mut state = self.lock();
        let mut object = new_object(&mut state, content, md5.as_deref());
        object.metadata = metadata;
        let tag = object.tag.clone();
        if let Ok(bucket) = state.bucket(bucket) {
            bucket.objects.insert(key.to_owned(), object);
        }
        tag
    }

    pub(crate) fn get(&self, input: &GetObjectInput) -> S3Result<GetObjectOutput> {
        let object = self.lock().bucket(&input.bucket)?.object(&input.key)?.clone();
        store::check_read(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let (content, content_range) = select(&object.content, input.range.as_ref())?;
        let wants_sums = input.checksum_mode.is_some() && content_range.is_none();
        let sums = if wants_sums { object.sums.clone() } else { Checksum::default() };
        Ok(GetObjectOutput {
            accept_ranges: Some("bytes".into()),
            body: Some(content.to_body().into()),
            content_length: Some(content.size()),
            content_range,
            content_type: object.metadata.content_type.clone(),
            e_tag: Some(object.etag()),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata.to_dto(),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            ..GetObjectOutput::default()
        })
    }

    pub(crate) fn head(&self, input: &HeadObjectInput) -> S3Result<HeadObjectOutput> {
        let object = self.lock().bucket(&input.bucket)?.object(&input.key)?.clone();
        store::check_read(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let sums = input.checksum_mode.as_ref().map(|_| object.sums.clone()).unwrap_or_default();
        Ok(HeadObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: Some(object.content.size()),
            content_type: object.metadata.content_type.clone(),
            e_tag: Some(object.etag()),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata.to_dto(),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            ..HeadObjectOutput::default()
        })
    }

    pub(crate) fn delete(&self, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        delete_key(&mut self.lock(), &input.bucket, &input.key, input.if_match.as_ref())?;
        Ok(DeleteObjectOutput::default())
    }

    pub(crate) fn delete_all(&self, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        let mut state = self.lock();
        state.bucket(&input.bucket)?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            let if_match = object.e_tag.map(ETagCondition::ETag);
            match delete_key(&mut state, &input.bucket, &object.key, if_match.as_ref()) {
                Ok(()) => {
                    deleted
                        .push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
                }
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                }),
            }
        }
        let quiet = input.delete.quiet == Some(true);
        Ok(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: Some(errors),
            request_charged: None,
        })
    }

    pub(crate) async fn copy(&self, input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
        let (bucket, key) = source_of(&input.copy_source)?;
        let source = self.lock().bucket(bucket)?.object(key)?.clone();
        let if_match = input.copy_source_if_match.as_ref();
        store::check_source(&source, if_match, input.copy_source_if_none_match.as_ref())?;
        let directive = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
        let replaces = directive == Some(MetadataDirective::REPLACE);
        if !replaces && (bucket, key) == (input.bucket.as_str(), input.key.as_str()) {
            return Err(s3_error!(InvalidRequest, "A copy to itself must change the metadata."));
        }
        let tags = self.settings().tags;
        let md5 = digest::verify(&source.content, &Claims::default(), tags).await?;

        let mut state = self.lock();
        let mut object = new_object(&mut state, source.content, md5.as_deref());
        object.metadata = if replaces {
            ObjectMetadata::new(input.content_type, input.metadata)
        } else {
            source.metadata
        };
        let result = CopyObjectResult {
            e_tag: Some(object.etag()),
            last_modified: Some(object.modified.into()),
            ..CopyObjectResult::default()
        };
        state.bucket(&input.bucket)?.objects.insert(input.key, object);
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }
}

/// Returns the bucket and the key that a copy reads.
pub(crate) fn source_of(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket, key)),
        _ => Err(s3_error!(NotImplemented, "A copy source is a bucket and a key.")),
    }
}

fn new_object(state: &mut StoreState, content: ObjectContent, md5: Option<&[u8]>) -> ObjectState {
    ObjectState {
        content,
        tag: state.tag(md5),
        modified: SystemTime::now(),
        metadata: ObjectMetadata::default(),
        sums: Checksum::default(),
    }
}

fn delete_key(
    state: &mut StoreState,
    bucket: &str,
    key: &str,
    if_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let if_match = if_match.filter(|_| !state.settings.ignore_conditions);
    let objects = &mut state.bucket(bucket)?.objects;
    check_write(objects.get(key), if_match, None)?;
    objects.remove(key);
    Ok(())
}

/// Returns the bytes of a range, and the header that says which they are.
fn select(
    content: &ObjectContent,
    range: Option<&Range>,
) -> S3Result<(ObjectContent, Option<String>)> {
    let Some(range) = range else { return Ok((content.clone(), None)) };
    let len = content.len() as u64;
    let range = range.check(len)?;
    let header = format!("bytes {}-{}/{len}", range.start, range.end.saturating_sub(1));
    Ok((content.slice(&range), Some(header)))
}
