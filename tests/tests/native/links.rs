//! Symbolic links on the client's side: those that the caller names are followed, those beneath a
//! directory that it names are refused by their name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftx_client::{
    ClientConfig, DialectChoice, FileUpload, LocalPath, LocalTree, Observer, Reason, RemoteName,
    ServerAddr, TransferError, Transferred, Watch, blocking,
};
use ftx_store::StoreError;
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Outcome, Server};

use super::setting::names_in;
use super::{MIB, Setting};

/// Small files, which arrive together, and those that arrive in blocks.
const LENS: [u64; 2] = [1000, 3 * MIB];

/// The files of a tree; the seeds are their places.
const FILES: [&str; 3] = ["dir/a", "dir/sub/b", "dir/z"];

/// A dialect, and the names that are downloaded: of files whose sizes the server has listed, and of
/// others.
type Way = (&'static str, &'static [&'static str]);
const WAYS: [Way; 3] = [("native", &["dir/"]), ("native", &FILES), ("legacy", &FILES)];

fn cases() -> impl Iterator<Item = (Way, u64)> {
    WAYS.into_iter().flat_map(|way| LENS.map(|len| (way, len)))
}

/// A server with `FILES` of this length, and an empty directory `elsewhere` beside the client's `out`.
fn with_tree(len: u64) -> Setting {
    let setting = Setting::new();
    fs::create_dir_all(setting.root.path().join("dir/sub")).unwrap();
    for (seed, name) in (0..).zip(FILES) {
        write_file(&setting.root.path().join(name), content(seed, len));
    }
    fs::create_dir_all(setting.local.path().join("out/dir")).unwrap();
    fs::create_dir(setting.local.path().join("elsewhere")).unwrap();
    setting
}

/// Downloads the tree to `out`.
fn download(setting: &Setting, (dialect, names): Way, args: &[&str]) -> Outcome {
    let client = Client::download(setting.server.addr()).dialect(dialect).args(args).args(names);
    client.args(["--out-dir", "out"]).current_dir(setting.local.path()).run()
}

/// It failed for the link alone, and said so.
fn assert_refused(outcome: &Outcome, link: &str) {
    outcome.assert_code(1);
    let told = format!("{link}\" is a symbolic link");
    assert!(outcome.stderr.contains(&told), "{outcome:#?}");
}

#[test]
fn a_directory_that_is_a_link_takes_no_download() {
    for (way, len) in cases() {
        for target in ["../../elsewhere", "beside", "nowhere"] {
            let setting = with_tree(len);
            let (out, elsewhere) =
                (setting.local.path().join("out"), setting.local.path().join("elsewhere"));
            fs::create_dir(out.join("dir/beside")).unwrap();
            symlink(target, out.join("dir/sub")).unwrap();
            assert_refused(&download(&setting, way, &[]), "out/dir/sub");
            let outcome = download(&setting, way, &["--keep-going"]);
            assert_refused(&outcome, "out/dir/sub");
            for seed in [0, 2] {
                assert_content(&out.join(FILES[seed]), content(seed as u64, len));
            }
            for empty in [&elsewhere, &out.join("dir/beside")] {
                assert_eq!(names_in(empty), [""; 0], "{way:?} {len} {target}");
            }
            assert_eq!(names_in(&out.join("dir")), ["a", "beside", "sub", "z"]);
        }
    }
}

/// A link is never read or written through; one that has the name of the file is not replaced either.
#[test]
fn a_file_that_is_a_link_takes_no_download() {
    for (way, len) in cases() {
        for name in ["b", "b.ftxpart", "b.ftxpart.journal"] {
            let setting = with_tree(len);
            let sub = setting.local.path().join("out/dir/sub");
            fs::create_dir(&sub).unwrap();
            write_file(&sub.join("other"), content(9, len));
            symlink("other", sub.join(name)).unwrap();
            let outcome = download(&setting, way, &["--keep-going"]);
            if name == "b" {
                assert_refused(&outcome, &format!("out/dir/sub/{name}"));
                assert_eq!(names_in(&sub), [name, "other"], "{way:?} {len}");
                assert_eq!(fs::read_link(sub.join(name)).unwrap(), Path::new("other"));
            } else {
                // The staging begins anew beside it.
                outcome.assert_done();
                assert_content(&sub.join("b"), content(1, len));
                assert!(!sub.join("b").is_symlink());
            }
            assert_content(&sub.join("other"), content(9, len));
            for seed in [0, 2] {
                let arrived = setting.local.path().join("out").join(FILES[seed]);
                assert_content(&arrived, content(seed as u64, len));
            }
        }
    }
}

#[test]
fn links_that_the_caller_names_are_followed() {
    for (way, len) in cases() {
        let setting = with_tree(len);
        let local = setting.local.path();
        fs::remove_dir_all(local.join("out")).unwrap();
        symlink("elsewhere", local.join("out")).unwrap();
        download(&setting, way, &[]).assert_done();
        let run = |args: &[&str]| {
            let client = Client::download(setting.server.addr()).dialect(way.0).args(args);
            client.current_dir(local).run().assert_done();
        };
        run(&["dir/a", "-o", "out/named"]);
        // A file that is named is the one that a link leads to.
        write_file(&local.join("old"), content(9, len));
        symlink("../old", local.join("elsewhere/link")).unwrap();
        run(&["dir/a", "-o", "out/link"]);
        assert_eq!(fs::read_link(local.join("elsewhere/link")).unwrap(), Path::new("../old"));
        for name in ["old", "elsewhere/named"] {
            assert_content(&local.join(name), content(0, len));
        }
        for (seed, name) in (0..).zip(FILES) {
            assert_content(&local.join("elsewhere").join(name), content(seed, len));
        }
        if way.0 == "native" {
            fs::create_dir(local.join("other")).unwrap();
            symlink("other", local.join("tree")).unwrap();
            run(&["dir/", "-o", "tree"]);
            assert_content(&local.join("other/sub/b"), content(1, len));
        }
    }
}

#[test]
fn an_empty_directory_is_not_made_through_a_link() {
    let setting = with_tree(10);
    fs::create_dir(setting.root.path().join("dir/sub/empty")).unwrap();
    fs::remove_file(setting.root.path().join("dir/sub/b")).unwrap();
    symlink("../../elsewhere", setting.local.path().join("out/dir/sub")).unwrap();
    let outcome = download(&setting, WAYS[0], &[]);
    assert_refused(&outcome, "out/dir/sub");
    assert_eq!(names_in(&setting.local.path().join("elsewhere")), [""; 0]);
}

/// The outcomes of files, in order.
#[derive(Default)]
struct Ends(Vec<(usize, Result<Transferred, TransferError>)>);

impl Watch for Ends {
    fn begin(&mut self, _: usize) -> Observer {
        Observer::default()
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        self.0.push((file, result));
    }
}

/// Uploads the files found beneath a tree.
fn upload(
    server: &Server,
    dialect: DialectChoice,
    tree: &Arc<LocalTree>,
    names: &[&str],
) -> Vec<Result<Transferred, TransferError>> {
    let mut config = ClientConfig::default();
    (config.dialect, config.retries) = (dialect, 0);
    let address = ServerAddr::new("127.0.0.1", server.addr().port()).unwrap();
    let mut client = blocking::BlockingClient::new(address, config).unwrap();
    let files = names.iter().map(|name| FileUpload {
        path: LocalPath::beneath(tree, *name),
        name: RemoteName::parse(name).unwrap(),
    });
    let mut ends = Ends::default();
    client.upload_all(&files.collect::<Vec<_>>(), true, &mut ends).unwrap();
    ends.0.sort_by_key(|(file, _)| *file);
    ends.0.into_iter().map(|(_, result)| result).collect()
}

/// A directory `tree` in which `dir/sub/b` is a link by now, or the directory that it is in.
fn swapped(local: &Path, len: u64, link: &str) -> (PathBuf, Arc<LocalTree>) {
    let root = local.join("tree");
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    for (seed, name) in (0..).zip(FILES) {
        write_file(&root.join(name), content(seed, len));
    }
    let found = LocalTree::open(&root).unwrap();
    let secret = local.join("secret");
    fs::rename(root.join(link), &secret).unwrap();
    symlink(&secret, root.join(link)).unwrap();
    (root, found)
}

#[test]
fn a_file_that_became_a_link_after_the_walk_is_not_uploaded() {
    for dialect in [DialectChoice::Native, DialectChoice::Legacy] {
        for len in LENS {
            for link in ["dir/sub/b", "dir/sub"] {
                let setting = Setting::new();
                let (root, found) = swapped(setting.local.path(), len, link);
                let ends = upload(&setting.server, dialect, &found, &FILES);
                match &ends[..] {
                    [Ok(_), Err(error), Ok(_)] => {
                        assert_eq!(error.reason(), Reason::LocalNotAFile);
                        let Some(StoreError::Link { path }) = error.store_error() else {
                            panic!("{error:?}");
                        };
                        assert_eq!(*path, root.join(link));
                    }
                    _ => panic!("{dialect:?} {len} {link}: {ends:?}"),
                }
                assert_eq!(names_in(&setting.root.path().join("dir")), ["a", "z"]);
                for seed in [0, 2] {
                    let stored = setting.root.path().join(FILES[seed]);
                    assert_content(&stored, content(seed as u64, len));
                }
            }
        }
    }
}

/// A tree is the directory that was opened, whatever has its path by now.
#[test]
fn a_tree_whose_path_leads_elsewhere_by_now_is_still_the_one_that_was_opened() {
    for dialect in [DialectChoice::Native, DialectChoice::Legacy] {
        for len in LENS {
            let setting = Setting::new();
            let (root, found) = swapped(setting.local.path(), len, "dir/z");
            fs::rename(&root, setting.local.path().join("moved")).unwrap();
            fs::create_dir_all(setting.local.path().join("other/dir/sub")).unwrap();
            for name in FILES {
                write_file(&setting.local.path().join("other").join(name), content(9, len));
            }
            symlink("other", &root).unwrap();
            let ends = upload(&setting.server, dialect, &found, &FILES[..2]);
            assert!(ends.iter().all(Result::is_ok), "{ends:?}");
            for (seed, name) in (0..).zip(&FILES[..2]) {
                assert_content(&setting.root.path().join(name), content(seed, len));
            }
        }
    }
}
