//! The operations on a bucket.

mod completion;
mod listing;
mod objects;
mod parts;
mod put;
mod range_body;
mod uploads;

use std::collections::BTreeMap;

use http::{HeaderMap, header};

pub use self::parts::MAX_PART_NUMBER;
pub use self::range_body::RangeBody;
use crate::error::Problem;
use crate::request::METADATA_PREFIX;
use crate::time::parse_http_date;
use crate::types::{ETag, ObjectHead};

/// Reads the tag of an answer.
fn tag_of(headers: &HeaderMap) -> Result<ETag, Problem> {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(ETag::new);
    tag.filter(|tag| !tag.as_str().is_empty()).ok_or_else(|| lacking("ETag"))
}

/// Reads the head of an object of so many bytes.
fn head_of(headers: &HeaderMap, size: u64) -> Result<ObjectHead, Problem> {
    let modified = headers.get(header::LAST_MODIFIED).and_then(|time| time.to_str().ok());
    Ok(ObjectHead {
        size,
        tag: tag_of(headers)?,
        modified: modified.and_then(parse_http_date).ok_or_else(|| lacking("Last-Modified"))?,
        metadata: metadata_of(headers),
    })
}

fn metadata_of(headers: &HeaderMap) -> BTreeMap<String, String> {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(METADATA_PREFIX)?;
        Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    pairs.collect()
}

fn lacking(header: &str) -> Problem {
    Problem::protocol(format!("the answer has no valid header {header}"))
        .with_remedy("check whether the endpoint is an S3-compatible store")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderName, HeaderValue};

    use super::*;

    const COMPLETE: [(&str, &str); 4] = [
        ("etag", "\"abc\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-amz-meta-a-b", "c d"),
        ("x-amz-request-id", "1"),
    ];

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        pairs.collect()
    }

    #[test]
    fn a_head_is_read() {
        let head = head_of(&headers(&COMPLETE), 5).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let metadata = BTreeMap::from([("a-b".to_owned(), "c d".to_owned())]);
        assert_eq!(head, ObjectHead { size: 5, tag: ETag::new("abc"), modified, metadata });
    }

    #[test]
    fn an_answer_without_its_headers_is_not_understood() {
        for missing in 0..2 {
            let mut pairs = COMPLETE.to_vec();
            let (name, _) = pairs.remove(missing);
            let text = head_of(&headers(&pairs), 5).unwrap_err().to_string();
            assert!(text.to_lowercase().contains(name), "{text}");
        }
        assert!(tag_of(&headers(&[("etag", "\"\"")])).is_err());
    }
}
