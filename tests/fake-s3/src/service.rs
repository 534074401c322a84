//! The operations of S3 as s3s calls them.

use std::sync::Arc;

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutObjectInput,
    PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use crate::store::MemoryStore;

type Served<T> = S3Result<S3Response<T>>;

/// The service over a store.
pub(crate) struct StoreService(pub(crate) Arc<MemoryStore>);

/// The access to a store: for whoever signs, or for everybody.
pub(crate) struct StoreAccess(pub(crate) Arc<MemoryStore>);

#[async_trait]
impl S3Access for StoreAccess {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_some() || self.0.settings().allow_anonymous {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "The request is not signed."))
    }
}

#[async_trait]
impl S3 for StoreService {
    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Served<PutObjectOutput> {
        self.0.put(req).await.map(S3Response::new)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Served<GetObjectOutput> {
        self.0.get(&req.input).map(S3Response::new)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Served<HeadObjectOutput> {
        self.0.head(&req.input).map(S3Response::new)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Served<DeleteObjectOutput> {
        self.0.delete(&req.input).map(S3Response::new)
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> Served<DeleteObjectsOutput> {
        self.0.delete_all(req.input).map(S3Response::new)
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Served<CopyObjectOutput> {
        self.0.copy(req.input).await.map(S3Response::new)
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> Served<ListObjectsOutput> {
        self.0.list_v1(req.input).map(S3Response::new)
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> Served<ListObjectsV2Output> {
        self.0.list(req.input).map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Served<CreateMultipartUploadOutput> {
        self.0.create_upload(req.input).map(S3Response::new)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Served<UploadPartOutput> {
        self.0.upload_part(req).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> Served<UploadPartCopyOutput> {
        self.0.copy_part(req.input).await.map(S3Response::new)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> Served<ListPartsOutput> {
        self.0.list_parts(req.input).map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Served<ListMultipartUploadsOutput> {
        self.0.list_uploads(req.input).map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Served<CompleteMultipartUploadOutput> {
        self.0.complete(req.input).map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Served<AbortMultipartUploadOutput> {
        self.0.abort(req.input).map(S3Response::new)
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Served<CreateBucketOutput> {
        create_bucket(&self.0, &req.input).map(S3Response::new)
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Served<HeadBucketOutput> {
        self.0.lock().bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> Served<GetBucketLocationOutput> {
        self.0.lock().bucket(&req.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(&self, _req: S3Request<ListBucketsInput>) -> Served<ListBucketsOutput> {
        Ok(S3Response::new(list_buckets(&self.0)))
    }
}

fn create_bucket(store: &MemoryStore, input: &CreateBucketInput) -> S3Result<CreateBucketOutput> {
    let mut state = store.lock();
    if state.bucket(&input.bucket).is_ok() {
        return Err(s3_error!(BucketAlreadyOwnedByYou, "The bucket exists."));
    }
    state.create_bucket(&input.bucket);
    Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
}

fn list_buckets(store: &MemoryStore) -> ListBucketsOutput {
    let state = store.lock();
    let buckets = state.buckets.iter().map(|(name, bucket)| Bucket {
        name: Some(name.clone()),
        creation_date: Some(bucket.created.into()),
        bucket_region: None,
    });
    ListBucketsOutput { buckets: Some(buckets.collect()), ..ListBucketsOutput::default() }
}
