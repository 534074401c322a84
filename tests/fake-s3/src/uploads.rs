//! Uploads in parts.

use std::collections::BTreeMap;
use std::time::SystemTime;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, ListPartsInput, ListPartsOutput, Part, Range,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};

use crate::content::{self, ObjectContent};
use crate::digest::{self, Claims};
use crate::objects::source_of;
use crate::settings::{StoreSettings, Tags};
use crate::store::{
    self, MemoryStore, ObjectMetadata, ObjectState, UnfinishedUpload, UploadedPart,
};

/// The highest number of a part, as in S3.
const MAX_PART_NUMBER: i32 = 10_000;

impl MemoryStore {
    pub(crate) fn create_upload(
        &self,
        input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let mut state = self.lock();
        // The characters are those that the identifiers of stores have.
        let id = format!("up.{:06}_fake-id", state.next_number());
        let upload = UnfinishedUpload {
            initiated: SystemTime::now(),
            metadata: ObjectMetadata::new(input.content_type, input.metadata),
            parts: BTreeMap::new(),
        };
        let uploads = &mut state.bucket(&input.bucket)?.uploads;
        uploads.insert((input.key.clone(), id.clone()), upload);
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(crate) async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let mut input = req.input;
        check_part_number(input.part_number)?;
        let tags = self.settings().tags;
        self.lock().bucket(&input.bucket)?.upload(&input.key, &input.upload_id)?;
        let mut claims = Claims::from(&input);
        let content = content::read(input.body.take(), input.content_length).await?;
        claims.add_trailers(req.trailing_headers.as_ref());
        let md5 = digest::verify(&content, &claims, tags).await?;

        let target = (&*input.bucket, &*input.key, &*input.upload_id, input.part_number);
        let part = self.add_part(target, content, md5.as_deref())?;
        let sums = claims.sums();
        Ok(UploadPartOutput {
            e_tag: Some(ETag::Strong(part.tag)),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            ..UploadPartOutput::default()
        })
    }

    pub(crate) async fn copy_part(
        &self,
        input: UploadPartCopyInput,
    ) -> S3Result<UploadPartCopyOutput> {
        check_part_number(input.part_number)?;
        let tags = self.settings().tags;
        self.lock().bucket(&input.bucket)?.upload(&input.key, &input.upload_id)?;
        let (bucket, key) = source_of(&input.copy_source)?;
        let source = self.lock().bucket(bucket)?.object(key)?.clone();
        let if_match = input.copy_source_if_match.as_ref();
        store::check_source(&source, if_match, input.copy_source_if_none_match.as_ref())?;
        let content = match &input.copy_source_range {
            Some(range) => copied_range(&source.content, range)?,
            None => source.content,
        };
        let md5 = digest::verify(&content, &Claims::default(), tags).await?;

        let target = (&*input.bucket, &*input.key, &*input.upload_id, input.part_number);
        let part = self.add_part(target, content, md5.as_deref())?;
        let result = CopyPartResult {
            e_tag: Some(ETag::Strong(part.tag)),
            last_modified: Some(part.modified.into()),
            ..CopyPartResult::default()
        };
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..UploadPartCopyOutput::default()
        })
    }

    /// Adds a part to an upload, which may have ended while the part was on its way.
    fn add_part(
        &self,
        (bucket, key, id, number): (&str, &str, &str, i32),
        content: ObjectContent,
        md5: Option<&[u8]>,
    ) -> S3Result<UploadedPart> {
        let mut state = self.lock();
        let part = UploadedPart { content, tag: state.tag(md5), modified: SystemTime::now() };
        state.bucket(bucket)?.upload(key, id)?.parts.insert(number, part.clone());
        Ok(part)
    }

    pub(crate) fn list_parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let mut state = self.lock();
        let page = page_entries(&state.settings, input.max_parts);
        let upload = state.bucket(&input.bucket)?.upload(&input.key, &input.upload_id)?;
        let after = input.part_number_marker.unwrap_or(0);
        let mut rest = upload.parts.range(after.saturating_add(1)..);
        let parts: Vec<Part> = rest.by_ref().take(page).map(to_dto).collect();
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(after),
            max_parts: i32::try_from(page).ok(),
            is_truncated: Some(rest.next().is_some()),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            parts: Some(parts),
            ..ListPartsOutput::default()
        })
    }

    pub(crate) fn complete(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let mut state = self.lock();
        let settings = state.settings.clone();
        let bucket = state.bucket(&input.bucket)?;
        let upload = bucket.upload(&input.key, &input.upload_id)?;
        let listed = input.multipart_upload.and_then(|list| list.parts).unwrap_or_default();
        let parts = choose_parts(upload, &listed, settings.min_part_bytes)?;
        let content = ObjectContent::concat(parts.iter().map(|part| &part.content));
        if input.mpu_object_size.is_some_and(|size| size != content.size()) {
            return Err(s3_error!(InvalidRequest, "The object is not of the announced size."));
        }
        let metadata = upload.metadata.clone();
        if !settings.ignore_conditions && !settings.ignore_complete_conditions {
            let present = bucket.objects.get(&input.key);
            store::check_write(present, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        }
        let tag = match settings.tags {
            Tags::Md5 => digest::of_parts(parts.iter().map(|part| &*part.tag)),
            Tags::Counter => format!("{}-{}", state.tag(None), parts.len()),
        };
        let object = ObjectState {
            content,
            tag,
            modified: SystemTime::now(),
            metadata,
            sums: Checksum::default(),
        };
        let etag = object.etag();
        let bucket = state.bucket(&input.bucket)?;
        bucket.uploads.remove(&(input.key.clone(), input.upload_id));
        bucket.objects.insert(input.key.clone(), object);
        Ok(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    pub(crate) fn abort(
        &self,
        input: AbortMultipartUploadInput,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let mut state = self.lock();
        let uploads = &mut state.bucket(&input.bucket)?.uploads;
        uploads.remove(&(input.key, input.upload_id)).ok_or_else(store::no_such_upload)?;
        Ok(AbortMultipartUploadOutput::default())
    }
}

/// Returns how many entries the next page of a listing has at most.
pub(crate) fn page_entries(settings: &StoreSettings, wanted: Option<i32>) -> usize {
    let wanted = wanted.and_then(|wanted| usize::try_from(wanted).ok()).unwrap_or(usize::MAX);
    settings.page_entries.min(wanted)
}

fn check_part_number(number: i32) -> S3Result<()> {
    if (1..=MAX_PART_NUMBER).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "A part number lies between 1 and {MAX_PART_NUMBER}."))
}

fn copied_range(content: &ObjectContent, header: &str) -> S3Result<ObjectContent> {
    let range = match Range::parse(header) {
        Ok(Range::Int { first, last: Some(last) }) if last < content.len() as u64 => {
            first..last + 1
        }
        _ => return Err(s3_error!(InvalidArgument, "The range does not lie in the copy source.")),
    };
    Ok(content.slice(&range))
}

fn to_dto((number, part): (&i32, &UploadedPart)) -> Part {
    Part {
        part_number: Some(*number),
        e_tag: Some(ETag::Strong(part.tag.clone())),
        last_modified: Some(part.modified.into()),
        size: Some(part.content.size()),
        ..Part::default()
    }
}

/// Finds the parts that the client lists among those that were uploaded.
fn choose_parts(
    upload: &UnfinishedUpload,
    listed: &[CompletedPart],
    min_part_bytes: u64,
) -> S3Result<Vec<UploadedPart>> {
    if listed.is_empty() {
        return Err(s3_error!(MalformedXML, "An upload has at least one part."));
    }
    let numbers = || listed.iter().map(|part| part.part_number);
    if numbers().zip(numbers().skip(1)).any(|(number, next)| number >= next) {
        return Err(s3_error!(InvalidPartOrder, "The parts are not in ascending order."));
    }
    let mut parts = Vec::with_capacity(listed.len());
    for wanted in listed {
        let part = wanted.part_number.and_then(|number| upload.parts.get(&number));
        let part =
            part.filter(|part| wanted.e_tag.as_ref().is_some_and(|tag| tag.value() == part.tag));
        parts.push(part.ok_or_else(|| s3_error!(InvalidPart, "No such part."))?.clone());
    }
    let but_last = parts.iter().take(parts.len().saturating_sub(1));
    if but_last.clone().any(|part| (part.content.len() as u64) < min_part_bytes) {
        return Err(s3_error!(EntityTooSmall, "A part that is not the last is too small."));
    }
    Ok(parts)
}
