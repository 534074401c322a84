//! Pages as stores write them.

use std::time::Duration;

use super::*;

fn at(seconds: u64, millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis)
}

#[test]
fn a_page_of_aws() {
    let xml = br#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>dir/</Prefix>
<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><Delimiter>%2F</Delimiter><EncodingType>url</EncodingType>
<IsTruncated>true</IsTruncated>
<Contents><Key>dir/a+b%2Bc%25.txt</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>
<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>
<Size>434234</Size><StorageClass>STANDARD</StorageClass></Contents>
<CommonPrefixes><Prefix>dir/%E4%B8%AD%E6%96%87/</Prefix></CommonPrefixes></ListBucketResult>"#;
    let page = read_objects(xml).unwrap();
    assert_eq!(
        page.objects,
        [ListedObject {
            key: "dir/a b+c%.txt".into(),
            size: 434_234,
            tag: ETag::new("fba9dede5f27731c9771645a39863328"),
            modified: at(1_255_369_830, 0),
        }]
    );
    assert_eq!(page.prefixes, ["dir/中文/"]);
    let token = "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=";
    assert_eq!(page.next.as_deref(), Some(token));
}

#[test]
fn a_page_of_minio() {
    let xml = br#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix></Prefix>
<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><Delimiter></Delimiter><IsTruncated>false</IsTruncated>
<Contents><Key>%F0%9F%92%BE+%28copy%29</Key><LastModified>2024-02-29T23:59:59.123Z</LastModified>
<ETag>&#34;d41d8cd98f00b204e9800998ecf8427e-2&#34;</ETag><Size>0</Size>
<Owner><ID></ID><DisplayName></DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>
<EncodingType>url</EncodingType></ListBucketResult>"#;
    let page = read_objects(xml).unwrap();
    let [object] = &page.objects[..] else { panic!("{page:?}") };
    assert_eq!(object.key, "💾 (copy)");
    assert_eq!(object.tag.as_str(), "d41d8cd98f00b204e9800998ecf8427e-2");
    assert_eq!(object.modified, at(1_709_251_199, 123));
    assert_eq!((page.prefixes.len(), page.next), (0, None));
}

#[test]
fn a_page_of_ceph_that_mixes_its_entries() {
    let xml = br#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a</Prefix>
<CommonPrefixes><Prefix>a%2Fb%2F</Prefix></CommonPrefixes>
<Contents><Key>a%2Bc%20d</Key><LastModified>2024-03-01T00:00:00.5Z</LastModified><ETag>"x"</ETag>
<Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>
<CommonPrefixes><Prefix>a%2Fe%2F</Prefix></CommonPrefixes>
<MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><KeyCount>3</KeyCount>
<IsTruncated>false</IsTruncated><NextContinuationToken>a/e/</NextContinuationToken></ListBucketResult>"#;
    let page = read_objects(xml).unwrap();
    assert_eq!(page.objects[0].key, "a+c d");
    assert_eq!(page.prefixes, ["a/b/", "a/e/"]);
    // The token of a last page would begin the listing anew.
    assert_eq!(page.next, None);
}

#[test]
fn a_page_of_moto() {
    let xml = br#"<?xml version="1.0" encoding="utf-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated>
<Contents><Key>source%20%2B%20%E4%B8%AD</Key><LastModified>2026-12-01T05:29:41.000Z</LastModified>
<ETag>"6886e79fc5f1677da3fe4404fc176592"</ETag><Size>5242980</Size><StorageClass>STANDARD</StorageClass>
</Contents><Name>bkt</Name><Prefix/><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>
<KeyCount>1</KeyCount></ListBucketResult>"#;
    let page = read_objects(xml).unwrap();
    assert_eq!(page.objects[0].key, "source + 中");
    assert_eq!(page.objects[0].size, 5_242_980);
    assert_eq!(page.objects[0].tag.as_str(), "6886e79fc5f1677da3fe4404fc176592");
    assert_eq!(page.next, None);
}

#[test]
fn keys_of_a_store_without_the_encoding_are_plain() {
    let xml = br#"<ListBucketResult><Contents><Key>a+b%20c</Key>
<LastModified>2024-03-01T00:00:00Z</LastModified><ETag>x</ETag><Size>3</Size></Contents>
</ListBucketResult>"#;
    assert_eq!(read_objects(xml).unwrap().objects[0].key, "a+b%20c");
}

#[test]
fn pages_that_lack_something_are_errors() {
    let object =
        "<Key>k</Key><LastModified>2024-03-01T00:00:00Z</LastModified><ETag>x</ETag><Size>3</Size>";
    let page = |object: &str, rest: &str| {
        let xml =
            format!("<ListBucketResult><Contents>{object}</Contents>{rest}</ListBucketResult>");
        read_objects(xml.as_bytes())
    };
    assert!(page(object, "").is_ok());
    for name in ["Key", "LastModified", "ETag", "Size"] {
        let without = object.replace(name, "Other");
        assert!(page(&without, "").is_err(), "{without}");
    }
    assert!(page(&object.replace('3', "-3"), "").is_err());
    assert!(page(&object.replace("2024-", "soon "), "").is_err());
    assert!(page(object, "<IsTruncated>true</IsTruncated>").is_err());
    assert!(page(&object.replace(">k<", ">%ff<"), "<EncodingType>url</EncodingType>").is_err());
    assert!(read_objects(b"<ListPartsResult/>").is_err());
}

#[test]
fn pages_of_uploads() {
    let aws = br#"<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>bucket</Bucket>
<KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><NextKeyMarker>my+movie.m2ts</NextKeyMarker>
<NextUploadIdMarker>YW55IGlkZWEgd2h5IGVsdmluZydzIHVwbG9hZCBmYWlsZWQ</NextUploadIdMarker>
<EncodingType>url</EncodingType><MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated>
<Upload><Key>my+movie.m2ts</Key><UploadId>YW55IGlkZWEgd2h5IGVsdmluZydzIHVwbG9hZCBmYWlsZWQ</UploadId>
<Initiator><ID>arn:aws:iam::111122223333:user/x</ID><DisplayName>x</DisplayName></Initiator>
<StorageClass>STANDARD</StorageClass><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>
</ListMultipartUploadsResult>"#;
    let (uploads, next) = read_uploads(aws).unwrap();
    let id = "YW55IGlkZWEgd2h5IGVsdmluZydzIHVwbG9hZCBmYWlsZWQ";
    assert_eq!(next, Some(("my movie.m2ts".into(), id.into())));
    let key = "my movie.m2ts".into();
    let initiated = at(1_289_422_113, 0);
    assert_eq!(uploads, [PendingUpload { key, id: UploadId::new(id), initiated }]);

    let minio = br#"<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Bucket>b</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><NextKeyMarker></NextKeyMarker>
<NextUploadIdMarker></NextUploadIdMarker><EncodingType>url</EncodingType><MaxUploads>10000</MaxUploads>
<IsTruncated>false</IsTruncated><Prefix></Prefix></ListMultipartUploadsResult>"#;
    assert_eq!(read_uploads(minio).unwrap(), (Vec::new(), None));
}
