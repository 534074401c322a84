//! The bytes of an object, which uploads, copies and downloads share.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, StdError};

/// The most memory that the announced length of a body reserves at once. Pages that the body does
/// not fill cost nothing.
const MAX_RESERVED_BYTES: usize = 8 << 30;

/// The bytes of an object in shared pieces, one of each part that it was uploaded in.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectContent {
    pieces: Arc<Vec<Bytes>>,
    len: usize,
}

impl ObjectContent {
    /// Joins the contents of parts without copying them.
    pub(crate) fn concat<'a>(parts: impl IntoIterator<Item = &'a ObjectContent>) -> Self {
        let pieces = parts.into_iter().flat_map(|part| part.pieces.iter().cloned()).collect();
        Self::from_pieces(pieces)
    }

    fn from_pieces(pieces: Vec<Bytes>) -> Self {
        let len = pieces.iter().map(Bytes::len).sum();
        Self { pieces: Arc::new(pieces), len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the length as S3 counts it.
    pub(crate) fn size(&self) -> i64 {
        i64::try_from(self.len).unwrap_or(i64::MAX)
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// Returns the part of the content that lies in the range, without copying it.
    pub(crate) fn slice(&self, range: &Range<u64>) -> Self {
        let (start, end) = (saturate(range.start), saturate(range.end));
        let mut offset = 0;
        let mut pieces = Vec::new();
        for piece in self.pieces.iter() {
            let from = start.clamp(offset, offset + piece.len()) - offset;
            let to = end.clamp(offset, offset + piece.len()) - offset;
            if from < to {
                pieces.push(piece.slice(from..to));
            }
            offset += piece.len();
        }
        Self::from_pieces(pieces)
    }

    /// Returns the content in one piece. A content of several pieces is copied.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [piece] => piece.clone(),
            pieces => {
                let mut whole = BytesMut::with_capacity(self.len);
                pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
                whole.freeze()
            }
        }
    }

    /// Returns the content as the body of a response.
    pub(crate) fn to_body(&self) -> s3s::Body {
        s3s::Body::http_body(ContentBody {
            pieces: self.pieces.iter().cloned().collect(),
            remaining: self.len,
        })
    }
}

impl From<Bytes> for ObjectContent {
    fn from(bytes: Bytes) -> Self {
        Self::from_pieces(if bytes.is_empty() { Vec::new() } else { vec![bytes] })
    }
}

fn saturate(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

struct ContentBody {
    pieces: VecDeque<Bytes>,
    remaining: usize,
}

impl Body for ContentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.remaining -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining as u64)
    }
}

/// Reads the body of a request into one allocation.
///
/// The pieces in which the body arrives are parts of buffers that are much larger, so that keeping
/// them would cost more memory than copying them costs time.
pub(crate) async fn read(
    blob: Option<StreamingBlob>,
    announced: Option<i64>,
) -> S3Result<ObjectContent> {
    let Some(blob) = blob else { return Ok(ObjectContent::default()) };
    let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
    let bytes = collect(s3s::Body::from(blob), announced).await.map_err(incomplete)?;
    if announced.is_some_and(|announced| announced != bytes.len()) {
        return Err(s3s::s3_error!(IncompleteBody));
    }
    Ok(ObjectContent::from(bytes))
}

/// Reads a body to its end.
pub(crate) async fn collect(mut body: s3s::Body, len: Option<usize>) -> Result<Bytes, StdError> {
    let mut bytes = BytesMut::with_capacity(len.unwrap_or(0).min(MAX_RESERVED_BYTES));
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

/// Tells by its text the error of a body, since its type is private to s3s.
fn incomplete(error: StdError) -> S3Error {
    let text = error.to_string();
    let code = if text.contains("Sha256Mismatch") {
        S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into())
    } else if text.contains("SignatureMismatch") {
        S3ErrorCode::SignatureDoesNotMatch
    } else {
        S3ErrorCode::IncompleteBody
    };
    let mut s3_error = S3Error::with_message(code, text);
    s3_error.set_status_code(http::StatusCode::BAD_REQUEST);
    s3_error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pieces: &[&'static str]) -> ObjectContent {
        let pieces: Vec<ObjectContent> =
            pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes()).into()).collect();
        ObjectContent::concat(&pieces)
    }

    #[test]
    fn slices_cross_the_borders_of_pieces() {
        let content = content(&["abc", "", "de", "fgh"]);
        assert_eq!(content.len(), 8);
        for start in 0..=8usize {
            for end in start..=8 {
                let slice = content.slice(&(start as u64..end as u64));
                assert_eq!(slice.to_bytes(), &b"abcdefgh"[start..end], "{start}..{end}");
                assert_eq!(slice.len(), end - start);
            }
        }
        assert_eq!(content.slice(&(6..u64::MAX)).to_bytes(), "gh");
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end() {
        let content = content(&["abc", "de"]);
        let body = content.to_body();
        assert_eq!(Body::size_hint(&body).exact(), Some(5));
        assert_eq!(collect(body, None).await.unwrap(), "abcde");
    }

    #[tokio::test]
    async fn a_body_of_another_length_than_announced_is_refused() {
        let blob = StreamingBlob::from(content(&["abc"]).to_body());
        let error = read(Some(blob), Some(4)).await.unwrap_err();
        assert_eq!(error.code(), &S3ErrorCode::IncompleteBody);
    }
}
