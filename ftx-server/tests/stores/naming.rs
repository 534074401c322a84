//! Uploads that get the first free name.

use ftx_core::native::Reason;
use ftx_core::native::wire::Overwrite;
use ftx_server::store::{
    Naming, OpenedUpload, PutOutcome, SmallFile, StagedUpload as _, Store, UploadOffer,
    WorkProgress,
};

use crate::small::{asked, reasons, small};
use crate::{MIB, blocks_of, content, name, offer, offer_of, pool, publish, read, upload, write};

crate::for_all_stores! {
    the_first_free_name_is_taken,
    nothing_of_a_published_file_is_used_or_told,
    a_directory_has_its_name_too,
    uploads_at_the_same_time_get_names_of_their_own,
    small_files_get_the_first_free_name,
    an_interrupted_upload_resumes_under_the_offered_name,
    other_stagings_of_the_name_stay,
    a_long_name_is_shortened,
    a_file_above_is_in_the_way,
}

const LEN: usize = 8 * MIB;

fn first_free(file: &str, size: usize, overwrite: Overwrite, run: u8) -> UploadOffer {
    UploadOffer { naming: Naming::FirstFree, ..offer_of(file, size, overwrite, run) }
}

async fn offer_free<S: Store>(
    store: &S,
    file: &str,
    size: usize,
    run: u8,
) -> OpenedUpload<S::Staging> {
    let offer = first_free(file, size, Overwrite::Replace, run);
    store.offer(&pool(), offer, WorkProgress::default()).await.unwrap()
}

/// Uploads a file in blocks, under the first free name. Nothing is reused.
async fn upload_free<S: Store>(store: &S, file: &str, bytes: &[u8], run: u8) {
    let opened = offer_free(store, file, bytes.len(), run).await;
    assert!(opened.published.is_none_or(|published| published.known() == 0));
    write::<S>(&opened.upload, bytes, blocks_of(bytes)).await.unwrap();
    assert!(!publish::<S>(&opened.upload, bytes).await.unwrap(), "it was not there before");
}

fn free(file: SmallFile) -> SmallFile {
    SmallFile { naming: Naming::FirstFree, ..file }
}

async fn the_first_free_name_is_taken<S: Store>(store: S) {
    let files = [1, 2, 3, 4].map(|seed| content(seed, 1000));
    for file in &files {
        upload_free(&store, "d/report.pdf", file, 1).await;
    }
    let names = ["d/report.pdf", "d/report.pdf~2", "d/report.pdf~3", "d/report.pdf~4"];
    for (file, bytes) in names.iter().zip(&files) {
        assert!(read(&store, file).await == *bytes, "{file}");
    }
    store.remove(&pool(), &name("d/report.pdf~2")).await.unwrap();
    let fifth = content(5, 1000);
    upload_free(&store, "d/report.pdf", &fifth, 1).await;
    assert!(read(&store, "d/report.pdf~2").await == fifth);
}

async fn nothing_of_a_published_file_is_used_or_told<S: Store>(store: S) {
    let file = content(1, LEN);
    upload(&store, "a", &file).await;
    for (index, overwrite) in
        [Overwrite::Fail, Overwrite::Replace, Overwrite::IfUnchanged(crate::digest(b""))]
            .into_iter()
            .enumerate()
    {
        let offer = first_free("a", LEN, overwrite, 1);
        let opened = store.offer(&pool(), offer, WorkProgress::default()).await.unwrap();
        assert!(opened.published.is_none() && opened.staged.known() == 0);
        write::<S>(&opened.upload, &file, blocks_of(&file)).await.unwrap();
        assert!(!publish::<S>(&opened.upload, &file).await.unwrap());
        assert!(read(&store, &format!("a~{}", index + 2)).await == file);
    }
}

async fn a_directory_has_its_name_too<S: Store>(store: S) {
    let (one, two) = (content(1, 1000), content(2, 10));
    store.make_directory(&pool(), &name("d")).await.unwrap();
    store.make_directory(&pool(), &name("d~2")).await.unwrap();
    upload_free(&store, "d", &one, 1).await;
    let stored = store.put(&pool(), vec![free(small("d", &two, Overwrite::Fail))]).await;
    assert_eq!(reasons(stored), [Ok(PutOutcome::Stored)]);
    assert!(read(&store, "d~3").await == one);
    assert!(read(&store, "d~4").await == two);
}

async fn uploads_at_the_same_time_get_names_of_their_own<S: Store>(store: S) {
    const COUNT: u8 = 20;
    let files: Vec<_> = (1..=COUNT).map(|seed| content(seed.into(), 1000)).collect();
    let mut publishing = Vec::new();
    for (run, file) in (1..).zip(files.clone()) {
        let opened = offer_free(&store, "a", file.len(), run).await;
        write::<S>(&opened.upload, &file, [0]).await.unwrap();
        publishing
            .push(tokio::spawn(async move { publish::<S>(&opened.upload, &file).await.unwrap() }));
    }
    for published in publishing {
        assert!(!published.await.unwrap());
    }
    let mut found = vec![read(&store, "a").await];
    for number in 2..=COUNT {
        found.push(read(&store, &format!("a~{number}")).await);
    }
    let sorted = |mut files: Vec<Vec<u8>>| {
        files.sort();
        files
    };
    assert!(sorted(found) == sorted(files));
}

async fn small_files_get_the_first_free_name<S: Store>(store: S) {
    let (one, two) = (content(1, 10), content(2, 20));
    let files = vec![
        free(small("a", &one, Overwrite::Replace)),
        free(small("a", &two, Overwrite::Fail)),
        free(small("d/b", &two, Overwrite::IfUnchanged(crate::digest(b"")))),
        small("a", &two, Overwrite::Fail),
        free(small("a", &one, Overwrite::Replace)),
    ];
    let stored = Ok(PutOutcome::Stored);
    let expected = [stored, stored, stored, Err(Reason::AlreadyExists), stored];
    assert_eq!(reasons(store.put(&pool(), files).await), expected);
    for (file, bytes) in [("a", &one), ("a~2", &two), ("a~3", &one), ("d/b", &two)] {
        assert!(read(&store, file).await == *bytes, "{file}");
    }
    // Asked about, none of them is there.
    let files = vec![free(asked("a", &one)), free(asked("x", &one))];
    let wanted = Ok(PutOutcome::Wanted);
    assert_eq!(reasons(store.put(&pool(), files).await), [wanted, wanted]);
}

async fn an_interrupted_upload_resumes_under_the_offered_name<S: Store>(store: S) {
    let (old, new) = (content(1, LEN), content(2, LEN));
    upload(&store, "a", &old).await;
    let opened = offer_free(&store, "a", LEN, 1).await;
    write::<S>(&opened.upload, &new, 0..8).await.unwrap();
    opened.upload.end(&pool(), false).await.unwrap();
    let opened = offer_free(&store, "a", LEN, 1).await;
    assert_eq!(opened.staged.known(), 8);
    assert!(!publish::<S>(&opened.upload, &new).await.unwrap());
    assert!(read(&store, "a").await == old);
    assert!(read(&store, "a~2").await == new);
}

async fn other_stagings_of_the_name_stay<S: Store>(store: S) {
    let (one, other) = (content(1, LEN), content(2, 1000));
    let opened = offer_free(&store, "a", LEN, 1).await;
    write::<S>(&opened.upload, &one, 0..8).await.unwrap();
    opened.upload.end(&pool(), false).await.unwrap();
    upload_free(&store, "a", &other, 2).await;
    store.put(&pool(), vec![free(small("a", &other, Overwrite::Replace))]).await;
    assert_eq!(offer_free(&store, "a", LEN, 1).await.staged.known(), 8);
    // A file of the very name leaves no use for them.
    store.put(&pool(), vec![small("a", &content(3, 10), Overwrite::Replace)]).await;
    assert_eq!(offer(&store, "a", LEN, 1).await.staged.known(), 0);
}

async fn a_long_name_is_shortened<S: Store>(store: S) {
    let long = "é".repeat(127) + "x";
    let (one, two, three) = (content(1, 10), content(2, 1000), content(3, 20));
    upload_free(&store, &long, &one, 1).await;
    upload_free(&store, &long, &two, 1).await;
    store.put(&pool(), vec![free(small(&long, &three, Overwrite::Replace))]).await;
    assert!(read(&store, &long).await == one);
    for (number, bytes) in [(2, two), (3, three)] {
        assert!(read(&store, &format!("{}~{number}", "é".repeat(126))).await == bytes);
    }
}

async fn a_file_above_is_in_the_way<S: Store>(store: S) {
    upload(&store, "a", &content(1, 10)).await;
    let offer = first_free("a/b", 10, Overwrite::Replace, 1);
    let refused = store.offer(&pool(), offer, WorkProgress::default()).await.map(drop);
    assert_eq!(refused.unwrap_err().reason, Reason::NotAFile);
    let files = vec![free(small("a/b", &content(2, 10), Overwrite::Replace))];
    assert_eq!(reasons(store.put(&pool(), files).await), [Err(Reason::NotAFile)]);
}
