//! Pages of listings: of objects and of pending uploads.

use std::time::SystemTime;

use percent_encoding::percent_decode_str;

use super::{XmlElement, XmlError};
use crate::time::parse_rfc3339;
use crate::types::{ETag, ListedObject, ObjectPage, PendingUpload, UploadId};

/// Reads a page of objects.
pub(crate) fn read_objects(xml: &[u8]) -> Result<ObjectPage, XmlError> {
    let page = XmlElement::parse(xml)?.expect("ListBucket")?;
    let names = NameEncoding::of(&page);
    let objects = page.children_named("Contents").map(|entry| {
        Ok(ListedObject {
            key: names.decode(entry.required("Key")?)?,
            size: entry.required_number("Size")?,
            tag: ETag::new(entry.required("ETag")?),
            modified: time_of(entry, "LastModified")?,
        })
    });
    let prefixes =
        page.children_named("CommonPrefixes").map(|entry| names.decode(entry.required("Prefix")?));
    let next = match page.text_of("NextContinuationToken").filter(|token| !token.is_empty()) {
        // Some stores send a token with the last page too.
        _ if !page.is_true("IsTruncated") => None,
        Some(token) => Some(token.to_owned()),
        None => return Err(XmlError::missing("NextContinuationToken")),
    };
    Ok(ObjectPage {
        objects: objects.collect::<Result<_, _>>()?,
        prefixes: prefixes.collect::<Result<_, _>>()?,
        next,
    })
}

/// Where the next page of uploads begins: the last key of this one, and its upload.
pub(crate) type UploadMarker = (String, String);

/// Reads a page of pending uploads, and where the next page begins.
pub(crate) fn read_uploads(
    xml: &[u8],
) -> Result<(Vec<PendingUpload>, Option<UploadMarker>), XmlError> {
    let page = XmlElement::parse(xml)?.expect("ListMultipartUploads")?;
    let names = NameEncoding::of(&page);
    let uploads = page.children_named("Upload").map(|entry| {
        Ok(PendingUpload {
            key: names.decode(entry.required("Key")?)?,
            id: UploadId::new(entry.required("UploadId")?),
            initiated: time_of(entry, "Initiated")?,
        })
    });
    let uploads = uploads.collect::<Result<Vec<_>, XmlError>>()?;
    if !page.is_true("IsTruncated") {
        return Ok((uploads, None));
    }
    let key = names.decode(page.required("NextKeyMarker")?)?;
    let id = page.text_of("NextUploadIdMarker").unwrap_or_default();
    Ok((uploads, Some((key, id.to_owned()))))
}

/// How a store writes keys, which can have characters that XML lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameEncoding {
    Plain,
    Url,
}

impl NameEncoding {
    /// A store that does not know the encoding ignores the wish for it, and says nothing.
    fn of(page: &XmlElement) -> Self {
        match page.text_of("EncodingType").map(str::trim) {
            Some("url") => Self::Url,
            _ => Self::Plain,
        }
    }

    /// Decodes a key. AWS and MinIO write a space as `+` and a plus as `%2B`, others a space as `%20`.
    fn decode(self, text: &str) -> Result<String, XmlError> {
        if self == Self::Plain {
            return Ok(text.to_owned());
        }
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().map_err(XmlError::new)?;
        Ok(decoded.into_owned())
    }
}

fn time_of(entry: &XmlElement, name: &str) -> Result<SystemTime, XmlError> {
    let text = entry.required(name)?.trim();
    parse_rfc3339(text).ok_or_else(|| XmlError::new(format_args!("{name} is no time: {text}")))
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
