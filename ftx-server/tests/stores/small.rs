//! Small files, many at a time.

use ftx_core::native::Reason;
use ftx_core::native::wire::{Meta, Overwrite};
use ftx_server::store::{Naming, PutOutcome, Refusal, SmallData, SmallFile, Store};

use crate::{content, digest, name, pool, read};

crate::for_all_stores! {
    each_file_has_its_own_result,
    a_file_that_is_there_is_not_wanted,
    the_last_of_two_files_of_one_name_counts,
}

pub(crate) fn small(file: &str, bytes: &[u8], overwrite: Overwrite) -> SmallFile {
    let (name, meta, digest) = (name(file), Meta::default(), digest(bytes));
    let data = SmallData::Whole(bytes.to_vec());
    SmallFile { name, meta, overwrite, naming: Naming::Exact, data, digest }
}

pub(crate) fn asked(file: &str, bytes: &[u8]) -> SmallFile {
    let data = SmallData::Expected(bytes.len() as u64);
    SmallFile { data, ..small(file, bytes, Overwrite::Replace) }
}

pub(crate) fn reasons(
    results: Vec<Result<PutOutcome, Refusal>>,
) -> Vec<Result<PutOutcome, Reason>> {
    results.into_iter().map(|result| result.map_err(|refusal| refusal.reason)).collect()
}

async fn each_file_has_its_own_result<S: Store>(store: S) {
    let (one, two) = (content(1, 10), content(2, 60_000));
    store.put(&pool(), vec![small("d/a", &one, Overwrite::Replace)]).await;
    let files = vec![
        small("d/a/below", &two, Overwrite::Replace),
        small("d/b", &two, Overwrite::Replace),
        small("d/a", &two, Overwrite::Fail),
        small("d", &two, Overwrite::Replace),
        small("empty", &[], Overwrite::Fail),
    ];
    let results = reasons(store.put(&pool(), files).await);
    let expected = [
        Err(Reason::NotAFile),
        Ok(PutOutcome::Stored),
        Err(Reason::AlreadyExists),
        Err(Reason::NotAFile),
        Ok(PutOutcome::Stored),
    ];
    assert_eq!(results, expected);
    for (file, bytes) in [("d/a", &one), ("d/b", &two), ("empty", &Vec::new())] {
        assert!(read(&store, file).await == *bytes, "{file}");
    }
}

async fn a_file_that_is_there_is_not_wanted<S: Store>(store: S) {
    let (one, two) = (content(1, 10), content(2, 10));
    store.put(&pool(), vec![small("a", &one, Overwrite::Replace)]).await;
    let files = vec![asked("a", &one), asked("a", &two), asked("b", &one)];
    let results = reasons(store.put(&pool(), files).await);
    let expected = [PutOutcome::Unchanged, PutOutcome::Wanted, PutOutcome::Wanted].map(Ok);
    assert_eq!(results, expected);
    let results = store.put(&pool(), vec![small("a", &one, Overwrite::Replace)]).await;
    assert_eq!(reasons(results), [Ok(PutOutcome::Unchanged)]);
}

async fn the_last_of_two_files_of_one_name_counts<S: Store>(store: S) {
    let (one, two) = (content(1, 10), content(2, 20));
    let files = [&one, &two].map(|bytes| small("a", bytes, Overwrite::Replace));
    let results = reasons(store.put(&pool(), files.to_vec()).await);
    assert_eq!(results, [Ok(PutOutcome::Stored), Ok(PutOutcome::Stored)]);
    assert!(read(&store, "a").await == two);
}
