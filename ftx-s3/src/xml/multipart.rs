//! The documents of uploads in parts.

use std::fmt::Write as _;

use super::{XmlElement, XmlError, escape};
use crate::types::{ETag, Part, UploadId};

/// A part as a completion names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompletedPart {
    pub(crate) part: Part,
    /// The CRC-32 as the store writes it.
    pub(crate) crc32: Option<String>,
}

/// Reads the answer to `CreateMultipartUpload`.
pub(crate) fn read_created_upload(xml: &[u8]) -> Result<UploadId, XmlError> {
    let answer = XmlElement::parse(xml)?.expect("InitiateMultipartUpload")?;
    match answer.required("UploadId")?.trim() {
        "" => Err(XmlError::missing("UploadId")),
        id => Ok(UploadId::new(id)),
    }
}

/// Reads the answer to `UploadPartCopy`.
pub(crate) fn read_copied_part(xml: &[u8]) -> Result<ETag, XmlError> {
    let answer = XmlElement::parse(xml)?;
    // The documentation has both names.
    let answer =
        if answer.name() == "CopyObjectResult" { answer } else { answer.expect("CopyPart")? };
    tag_of(&answer)
}

/// Reads the answer to `CompleteMultipartUpload`.
pub(crate) fn read_completed(xml: &[u8]) -> Result<ETag, XmlError> {
    tag_of(&XmlElement::parse(xml)?.expect("CompleteMultipartUpload")?)
}

/// Reads a page of parts, and the number after which the next page begins.
pub(crate) fn read_parts(xml: &[u8]) -> Result<(Vec<CompletedPart>, Option<u16>), XmlError> {
    let page = XmlElement::parse(xml)?.expect("ListParts")?;
    let parts = page.children_named("Part").map(|entry| {
        let part = Part {
            number: entry.required_number("PartNumber")?,
            tag: tag_of(entry)?,
            size: entry.required_number("Size")?,
        };
        let crc32 = entry.text_of("ChecksumCRC32").map(str::trim).filter(|sum| !sum.is_empty());
        Ok(CompletedPart { part, crc32: crc32.map(str::to_owned) })
    });
    let parts = parts.collect::<Result<Vec<_>, XmlError>>()?;
    let next = match page.is_true("IsTruncated") {
        true => Some(page.required_number("NextPartNumberMarker")?),
        false => None,
    };
    Ok((parts, next))
}

/// Writes the body of `CompleteMultipartUpload`.
pub(crate) fn write_completion(parts: &[CompletedPart]) -> String {
    let mut xml =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for CompletedPart { part, crc32 } in parts {
        let tag = part.tag.quoted();
        // Writing to a string cannot fail.
        let _ = write!(xml, "<Part><PartNumber>{}</PartNumber>", part.number);
        let _ = write!(xml, "<ETag>{}</ETag>", escape(tag.as_str()));
        if let Some(sum) = crc32 {
            let _ = write!(xml, "<ChecksumCRC32>{}</ChecksumCRC32>", escape(sum.as_str()));
        }
        xml.push_str("</Part>");
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

fn tag_of(element: &XmlElement) -> Result<ETag, XmlError> {
    match ETag::new(element.required("ETag")?) {
        tag if tag.as_str().is_empty() => Err(XmlError::missing("ETag")),
        tag => Ok(tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16, tag: &str, size: u64) -> Part {
        Part { number, tag: ETag::new(tag), size }
    }

    #[test]
    fn a_created_upload() {
        let aws = br#"<?xml version="1.0" encoding="UTF-8"?>
<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket>
<Key>example-object</Key><UploadId>VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA</UploadId>
</InitiateMultipartUploadResult>"#;
        let id = read_created_upload(aws).unwrap();
        assert_eq!(id.as_str(), "VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA");
        let empty = b"<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>";
        assert!(read_created_upload(empty).is_err());
    }

    #[test]
    fn a_completed_upload() {
        // AWS sends spaces while it works.
        let aws = br#"<?xml version="1.0" encoding="UTF-8"?>

<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
 <Location>http://b.s3.eu-west-1.amazonaws.com/k</Location><Bucket>b</Bucket><Key>k</Key>
 <ETag>"3858f62230ac3c915f300c664312c11f-9"</ETag></CompleteMultipartUploadResult>"#;
        assert_eq!(read_completed(aws).unwrap().as_str(), "3858f62230ac3c915f300c664312c11f-9");
        let minio = b"          <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <CompleteMultipartUploadResult><ETag>&#34;abc-1&#34;</ETag></CompleteMultipartUploadResult>";
        assert_eq!(read_completed(minio).unwrap().as_str(), "abc-1");
        let moto =
            b"<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Location>x</Location><ETag>abc-1</ETag></CompleteMultipartUploadResult>";
        assert_eq!(read_completed(moto).unwrap().as_str(), "abc-1");
        assert!(read_completed(b"<Error><Code>InternalError</Code></Error>").is_err());
        assert!(read_completed(b"<CompleteMultipartUploadResult/>").is_err());
    }

    #[test]
    fn a_copied_part() {
        let aws = br#"<CopyPartResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<LastModified>2011-04-11T20:34:56.000Z</LastModified><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>
</CopyPartResult>"#;
        assert_eq!(read_copied_part(aws).unwrap().as_str(), "9b2cf535f27731c974343645a3985328");
        assert!(read_copied_part(b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>").is_ok());
        assert!(read_copied_part(b"<ListPartsResult><ETag>x</ETag></ListPartsResult>").is_err());
    }

    #[test]
    fn pages_of_parts() {
        let aws =
            br#"<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket>
<Key>k</Key><UploadId>u</UploadId><PartNumberMarker>1</PartNumberMarker>
<NextPartNumberMarker>3</NextPartNumberMarker><MaxParts>2</MaxParts><IsTruncated>true</IsTruncated>
<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>
<Part><PartNumber>2</PartNumber><LastModified>2010-11-10T20:48:34.000Z</LastModified>
<ETag>"7778aef83f66abc1fa1e8477f296d394"</ETag><Size>10485760</Size>
<ChecksumCRC32>GbxT3A==</ChecksumCRC32></Part>
<Part><PartNumber>3</PartNumber><LastModified>2010-11-10T20:48:33.000Z</LastModified>
<ETag>"aaaa18db4cc2f85cedef654fccc4a4x8"</ETag><Size>5</Size></Part></ListPartsResult>"#;
        let (parts, next) = read_parts(aws).unwrap();
        let first = part(2, "7778aef83f66abc1fa1e8477f296d394", 10_485_760);
        let second = part(3, "aaaa18db4cc2f85cedef654fccc4a4x8", 5);
        assert_eq!(
            parts,
            [
                CompletedPart { part: first, crc32: Some("GbxT3A==".into()) },
                CompletedPart { part: second, crc32: None },
            ]
        );
        assert_eq!(next, Some(3));
        // Ceph and MinIO name a marker on the last page too.
        let ceph = b"<ListPartsResult><IsTruncated>false</IsTruncated>\
            <NextPartNumberMarker>0</NextPartNumberMarker></ListPartsResult>";
        assert_eq!(read_parts(ceph).unwrap(), (Vec::new(), None));
        assert!(
            read_parts(b"<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>")
                .is_err()
        );
    }

    #[test]
    fn a_completion() {
        let first = CompletedPart { part: part(1, "a\"<b", 5), crc32: None };
        let second = CompletedPart { part: part(2, "c", 6), crc32: Some("GbxT3A==".into()) };
        assert_eq!(
            write_completion(&[first, second]),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;&lt;b&quot;</ETag></Part>\
             <Part><PartNumber>2</PartNumber><ETag>&quot;c&quot;</ETag>\
             <ChecksumCRC32>GbxT3A==</ChecksumCRC32></Part></CompleteMultipartUpload>"
        );
    }
}
