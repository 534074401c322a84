//! Cached hashes may be wrong: a client that disputes them gets the truth, and no wrong file is
//! published.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockRange, Cv, Digest, Manifest, block_count};
use ftx_core::native::wire::{GetScope, Meta, Overwrite, Reply, Request, Version};
use ftx_store::{FileIdentity, ManifestCache, ManifestLimits, StableIdentity};

use crate::client::{Client, get, new_id, offer};
use crate::frame::Frame;
use crate::running::Running;
use crate::unseen_kit::{directory, flip};
use crate::{MIB, block, content, cv, digest};

/// A file that is never cached, and one that may be.
const LENS: [usize; 2] = [3 * MIB + 5, 16 * MIB + 5];

/// A server with a file "a", of which its cache says that it is `wrong`.
fn poisoned(file: &[u8], wrong: &[u8]) -> Running {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a"), file).unwrap();
    let opened = fs::File::options().write(true).open(root.path().join("a")).unwrap();
    opened.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let identity = StableIdentity::assumed(FileIdentity::of_std(&opened).unwrap());
    let manifests = root.path().join(".ftx/manifests");
    fs::create_dir_all(&manifests).unwrap();
    let dir = Dir::open_ambient_dir(manifests, ambient_authority()).unwrap();
    let cache = ManifestCache::in_dir(&dir, ManifestLimits::default()).unwrap();
    cache.learn_all(&identity, &Arc::new(Manifest::new(file.len() as u64, cvs(wrong)).unwrap()));
    Running::in_root(root, |_| {})
}

fn cvs(file: &[u8]) -> Vec<Cv> {
    (0..block_count(file.len() as u64)).map(|index| cv(file, index)).collect()
}

fn manifest(client: &mut Client, what: GetScope, version: Option<Version>) -> (Version, Vec<Cv>) {
    let id = new_id();
    client.send(id, &get("a", version, what));
    let Reply::Found { version, .. } = client.reply_to(id) else { panic!("not found") };
    let mut all = Vec::new();
    loop {
        match client.reply_to(id) {
            Reply::Cvs { cvs, .. } => all.extend(cvs),
            Reply::End { .. } => return (version, all),
            other => panic!("{other:?}"),
        }
    }
}

fn reported_digest(client: &mut Client) -> Option<Digest> {
    let id = new_id();
    client.send(id, &Request::Digest { name: "a".to_owned() });
    assert!(matches!(client.reply_to(id), Reply::Found { .. }));
    match client.reply_to(id) {
        Reply::End { digest } => digest,
        other => panic!("{other:?}"),
    }
}

/// A block with the chaining value that is announced of it.
fn fetch(client: &mut Client, version: Option<Version>, index: u64) -> (Version, Vec<u8>, Cv) {
    let id = new_id();
    let ranges = vec![BlockRange { first: index, count: 1 }];
    client.send(id, &get("a", version, GetScope::Blocks(ranges)));
    let Reply::Found { version, .. } = client.reply_to(id) else { panic!("not found") };
    let Frame::Block { bytes, cv, .. } = client.frame() else { panic!("no block") };
    assert_eq!(client.reply_to(id), Reply::End { digest: None });
    (version, bytes, cv)
}

/// Without asking for it, clients hear the truth.
fn assert_present_contents_served(server: &Running, file: &[u8]) {
    let mut client = server.client().greet(None);
    assert!(manifest(&mut client, GetScope::Manifest, None).1 == cvs(file));
    assert_eq!(reported_digest(&mut client), Some(digest(file)));
    assert!(client.download("a") == file);
}

#[test]
fn a_fresh_manifest_is_true_and_stays_so() {
    for len in LENS {
        let (file, wrong) = (content(1, len), content(2, len));
        let server = poisoned(&file, &wrong);
        let mut client = server.client().greet(None);
        assert!(
            manifest(&mut client, GetScope::Manifest, None).1 == cvs(&wrong),
            "it is not cached"
        );
        assert_eq!(reported_digest(&mut client), Some(digest(&wrong)));
        assert!(manifest(&mut client, GetScope::FreshManifest, None).1 == cvs(&file), "{len}");
        assert!(manifest(&mut client, GetScope::Manifest, None).1 == cvs(&file), "{len}");
        assert_eq!(reported_digest(&mut client), Some(digest(&file)), "{len}");
        assert_present_contents_served(&server, &file);
        drop(client);
        let (_, root) = server.stop();
        assert_present_contents_served(&Running::in_root(root, |_| {}), &file);
    }
}

/// Also on a connection that has the file open.
#[test]
fn a_fresh_manifest_is_of_the_version_that_is_asked_for() {
    let (file, wrong) = (content(1, LENS[0]), content(2, LENS[0]));
    let server = poisoned(&file, &wrong);
    let mut client = server.client().greet(None);
    let (version, _) = manifest(&mut client, GetScope::Manifest, None);
    // On a connection that has the file open already.
    let (again, told) = manifest(&mut client, GetScope::FreshManifest, Some(version));
    assert!(again == version && told == cvs(&file));
    let (_, told) = manifest(&mut client, GetScope::Manifest, Some(version));
    assert!(told == cvs(&file));
    fs::write(server.path().join("a"), &wrong).unwrap();
    let id = new_id();
    client.send(id, &get("a", Some(version), GetScope::FreshManifest));
    assert_eq!(client.failure(id), Reason::Changed);
    let (_, told) = manifest(&mut client, GetScope::FreshManifest, None);
    assert!(told == cvs(&wrong));
}

/// Also for those who have the file open since before.
#[test]
fn a_change_found_by_one_client_holds_for_the_others() {
    let (file, wrong) = (content(1, LENS[0]), content(2, LENS[0]));
    let server = poisoned(&file, &wrong);
    let mut other = server.client().greet(None);
    let (version, _) = manifest(&mut other, GetScope::Manifest, None);
    let mut client = server.client().greet(None);
    manifest(&mut client, GetScope::FreshManifest, None);
    assert!(manifest(&mut other, GetScope::Manifest, Some(version)).1 == cvs(&file));
    let (_, _, told) = fetch(&mut other, Some(version), 1);
    assert_eq!(told, cv(&file, 1));
}

#[test]
fn a_block_that_is_asked_for_again_comes_with_its_true_chaining_value() {
    for len in LENS {
        for names_version in [false, true] {
            let (file, wrong) = (content(1, len), content(2, len));
            let server = poisoned(&file, &wrong);
            let mut client = server.client().greet(None);
            let known = names_version.then(|| manifest(&mut client, GetScope::Manifest, None).0);
            let (version, bytes, told) = fetch(&mut client, known, 1);
            assert!(bytes == block(&file, 1));
            assert_eq!(told, cv(&wrong, 1), "it is not cached");
            // Another block is no sign of anything.
            assert_eq!(fetch(&mut client, Some(version), 2).2, cv(&wrong, 2));
            for _ in 0..2 {
                let (again, bytes, told) = fetch(&mut client, Some(version), 1);
                assert!(again == version && bytes == block(&file, 1));
                assert_eq!(told, cv(&file, 1), "{len}");
            }
            assert_eq!(fetch(&mut client, Some(version), 0).2, cv(&file, 0));
            assert_present_contents_served(&server, &file);
        }
    }
}

/// The outcome of an upload that sends the blocks that the server is not known to have.
fn upload(client: &mut Client, file: &[u8]) -> (Vec<u64>, Reply) {
    let offered = client.begin("a", file, 1);
    let all = 0..block_count(file.len() as u64);
    let sent: Vec<u64> =
        all.filter(|index| offered.have.get(index) != Some(&cv(file, *index))).collect();
    client.send_blocks(offered.id, file, sent.iter().copied());
    client.send(offered.id, &Request::Commit { digest: digest(file) });
    (sent, client.reply_to(offered.id))
}

#[test]
fn a_block_that_the_published_file_does_not_have_is_not_taken_from_it() {
    for len in LENS {
        let (file, new) = (content(1, len), content(2, len));
        // The cache says that the new file's block 1 is there.
        let mut wrong = file.clone();
        wrong[MIB..2 * MIB].copy_from_slice(&new[MIB..2 * MIB]);
        let server = poisoned(&file, &wrong);
        let mut client = server.client().greet(None);
        let (sent, ended) = upload(&mut client, &new);
        assert!(!sent.contains(&1), "it is not cached");
        match ended {
            Reply::Failed { .. } => assert!(server.read("a") == file, "{len}"),
            Reply::Done { unchanged, .. } => assert!(!unchanged && server.read("a") == new),
            other => panic!("{other:?}"),
        }
        let (_, ended) = upload(&mut client, &new);
        assert!(matches!(ended, Reply::Done { unchanged: false, .. }), "{len}: {ended:?}");
        assert!(server.read("a") == new);
        assert_present_contents_served(&server, &new);
    }
}

/// Offers the published file, changes that file, and commits: the server must not call it unchanged, and
/// stores the blocks sent next.
fn changes_between_offer_and_commit(server: &Running, len: usize, change: fn(&Path, usize)) {
    let file = content(1, len);
    let mut client = server.client().greet(None);
    client.upload("a", &file, 1);
    let offered = client.begin("a", &file, 1);
    assert_eq!(offered.have.len() as u64, block_count(len as u64));
    change(&server.path().join("a"), len / 2);
    client.send(offered.id, &Request::Commit { digest: digest(&file) });
    match client.reply_to(offered.id) {
        Reply::Failed { .. } => assert!(server.read("a") != file),
        Reply::Done { .. } => assert!(server.read("a") == file, "{len}"),
        other => panic!("{other:?}"),
    }
    upload(&mut client, &file);
    let (_, ended) = upload(&mut client, &file);
    assert!(matches!(ended, Reply::Done { .. }), "{len}: {ended:?}");
    assert!(server.read("a") == file, "{len}");
}

fn write_and_set_back(path: &Path, offset: usize) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset as u64).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn a_file_that_changed_after_the_offer_is_not_called_unchanged() {
    let server = Running::start();
    for len in [1000, MIB, LENS[0], LENS[1]] {
        changes_between_offer_and_commit(&server, len, write_and_set_back);
        fs::remove_file(server.path().join("a")).unwrap();
    }
}

#[test]
fn a_file_that_changed_without_showing_it_is_not_called_unchanged() {
    let Some(root) = directory() else {
        println!("skipped: no file can be changed here without showing it");
        return;
    };
    let server = Running::in_root(root, |_| {});
    for len in [1000, MIB, LENS[0], LENS[1]] {
        changes_between_offer_and_commit(&server, len, flip);
        fs::remove_file(server.path().join("a")).unwrap();
    }
}

/// A client that replaces only the version it has seen does not undo an invisible change.
#[test]
fn a_change_that_does_not_show_is_not_replaced_unseen() {
    let Some(root) = directory() else {
        println!("skipped: no file can be changed here without showing it");
        return;
    };
    let server = Running::in_root(root, |_| {});
    let mut client = server.client().greet(None);
    for len in [1000, MIB, LENS[0], LENS[1]] {
        let (old, new) = (content(1, len), content(2, len));
        client.upload("a", &old, 1);
        let if_old = Overwrite::IfUnchanged(digest(&old));
        let id = client.offer(&offer("a", len, if_old, 1)).unwrap().id;
        client.send_blocks(id, &new, 0..block_count(len as u64));
        flip(&server.path().join("a"), len / 2);
        client.send(id, &Request::Commit { digest: digest(&new) });
        assert_eq!(client.failure(id), Reason::PreconditionFailed, "{len}");
        let mut changed = old;
        changed[len / 2] ^= 1;
        assert!(server.read("a") == changed, "{len}");
        fs::remove_file(server.path().join("a")).unwrap();
    }
}

#[test]
fn an_invisible_change_is_reported() {
    let Some(root) = directory() else {
        println!("skipped: no file can be changed here without showing it");
        return;
    };
    let server = Running::in_root(root, |_| {});
    let mut client = server.client().greet(None);
    for len in [1000, MIB, LENS[0], LENS[1]] {
        let old = content(1, len);
        let mut new = old.clone();
        new[len / 2] ^= 1;
        client.upload("a", &old, 1);
        let check = |bytes: &[u8]| {
            let (name, size) = ("a".to_owned(), bytes.len() as u64);
            Request::Check { name, size, meta: Meta::default(), digest: digest(bytes) }
        };
        let unchanged = |bytes: &[u8]| Reply::Done { digest: digest(bytes), unchanged: true };
        assert_eq!(client.ask(&check(&old)), unchanged(&old), "{len}");
        assert_eq!(reported_digest(&mut client), Some(digest(&old)));
        assert!(client.download("a") == old);
        flip(&server.path().join("a"), len / 2);
        assert_eq!(client.ask(&check(&old)), Reply::Wanted, "{len}");
        assert_eq!(client.ask(&check(&new)), unchanged(&new), "{len}");
        assert!(manifest(&mut client, GetScope::Manifest, None).1 == cvs(&new), "{len}");
        assert_eq!(reported_digest(&mut client), Some(digest(&new)), "{len}");
        assert!(client.download("a") == new, "{len}");
        fs::remove_file(server.path().join("a")).unwrap();
    }
}
