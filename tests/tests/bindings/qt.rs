//! The Qt class `FileClient`: one application with ours and with the original's class, with `ftx-server`
//! and with the servers made of Qt; and the features that only ours has.

use std::fs;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::{Qt, clients};
use ftx_tests::qt::{Served, Setting, under_valgrind};
use ftx_tests::{NOBODY, Plan, Proxy, with_each_qt};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

with_each_qt!(
    files_go_up_and_down,
    a_file_that_is_there_is_ok,
    a_list_stops_at_the_first_failure,
    missing_files_cannot_be_opened,
    names_mean_the_same_as_in_the_original,
    a_server_that_is_not_there_cannot_be_reached,
    the_code_macros_are_there_when_asked_for,
    the_signals_report_each_event,
    a_cancelled_list_stops,
    a_client_may_be_destroyed_by_its_own_signal,
    a_forked_child_gets_errors_and_the_parent_continues,
    a_call_in_which_the_process_forks_ends_in_both,
    no_memory_is_lost,
);

/// The same application with our class and, where it is at hand, the original's, each with every
/// server there is.
fn settings(qt: Qt) -> Vec<Setting> {
    let original = clients(qt).join("caller-original").exists().then_some("caller-original");
    let programs = ["caller"].into_iter().chain(original);
    programs.flat_map(|program| Setting::with_each_server(qt, program)).collect()
}

fn files_go_up_and_down(qt: Qt) {
    let names = ["a.bin", "报告 2024.pdf", "😀.txt"];
    for setting in settings(qt) {
        for (name, seed) in names.into_iter().zip(1..) {
            write_file(&setting.local(name), content(seed, 2 * MIB + seed));
        }
        setting.assert("upload", &names[..1], "0 OK");
        setting.assert("upload-list", &names[1..], "0 OK");
        write_file(&setting.local("by-name"), content(9, 10));
        setting.assert("invoke-upload", &["by-name"], "0 OK");
        assert_content(&setting.remote("by-name"), content(9, 10));
        for (name, seed) in names.into_iter().zip(1..) {
            assert_content(&setting.remote(name), content(seed, 2 * MIB + seed));
            fs::remove_file(setting.local(name)).unwrap();
        }
        setting.assert("download", &names[..2], "0 OK\n0 OK");
        setting.assert("download-list", &names[1..], "0 OK");
        for (name, seed) in names.into_iter().zip(1..) {
            assert_content(&setting.local(name), content(seed, 2 * MIB + seed));
        }
    }
}

fn a_file_that_is_there_is_ok(qt: Qt) {
    for setting in settings(qt) {
        write_file(&setting.local("a.bin"), content(1, MIB));
        write_file(&setting.remote("a.bin"), content(1, MIB));
        setting.assert("upload", &["a.bin"], "0 OK");
        setting.assert("download", &["a.bin"], "0 OK");
        // Of the same size, but another one.
        write_file(&setting.local("a.bin"), content(2, MIB));
        setting.assert("upload", &["a.bin"], "0 OK");
        assert_content(&setting.remote("a.bin"), content(2, MIB));
    }
}

fn a_list_stops_at_the_first_failure(qt: Qt) {
    let names = ["1", "2", "3", "4", "5"];
    for setting in settings(qt) {
        for name in ["1", "2", "4", "5"] {
            write_file(&setting.local(name), content(1, 100));
            write_file(&setting.remote(&format!("d{name}")), content(1, 100));
        }
        setting.assert("upload-list", &names, "-2 FILE_OPEN_ERROR");
        let there = names.map(|name| setting.remote(name).exists());
        assert_eq!(there, [true, true, false, false, false], "{}", setting.what);
        setting.assert("download-list", &["d1", "d2", "d3", "d4"], "-2 FILE_OPEN_ERROR");
        let there = ["d1", "d2", "d3", "d4"].map(|name| setting.local(name).exists());
        assert_eq!(there, [true, true, false, false], "{}", setting.what);
    }
}

fn missing_files_cannot_be_opened(qt: Qt) {
    for setting in settings(qt) {
        for name in ["none", "no/where", ""] {
            setting.assert("upload", &[name], "-2 FILE_OPEN_ERROR");
        }
        setting.assert("download", &["none"], "-2 FILE_OPEN_ERROR");
        setting.assert("download", &[""], "-2 FILE_OPEN_ERROR");
        assert!(!setting.local("none").exists());
    }
}

fn names_mean_the_same_as_in_the_original(qt: Qt) {
    for setting in settings(qt) {
        for directory in [setting.local("d"), setting.remote("d"), setting.local("up")] {
            fs::create_dir(directory).unwrap();
        }
        write_file(&setting.local("up/x.bin"), content(1, 1000));
        setting.assert("upload", &["./up//x.bin"], "0 OK");
        assert_content(&setting.remote("x.bin"), content(1, 1000));
        if setting.program == "caller-original" && matches!(setting.server, Served::Ours(_)) {
            // It sends such names as they are, and ftx-server refuses them; ours are made good.
            continue;
        }
        write_file(&setting.remote("d/y.bin"), content(2, 1000));
        setting.assert("download", &["./d//y.bin"], "0 OK");
        assert_content(&setting.local("d/y.bin"), content(2, 1000));
        // The server looks below its root for an absolute name, too.
        let absolute = setting.local("z.bin");
        let below = setting.remote(absolute.strip_prefix("/").unwrap().to_str().unwrap());
        fs::create_dir_all(below.parent().unwrap()).unwrap();
        write_file(&below, content(3, 1000));
        setting.assert("download", &[absolute.to_str().unwrap()], "0 OK");
        assert_content(&absolute, content(3, 1000));
    }
}

fn a_server_that_is_not_there_cannot_be_reached(qt: Qt) {
    for setting in settings(qt) {
        write_file(&setting.local("a.bin"), content(1, 10));
        let outcome = setting.run_at(NOBODY, "upload", &["a.bin"]);
        assert_eq!(outcome.stdout, "-7 CONNECT_SERVER_ERROR", "{}", setting.what);
    }
}

fn the_code_macros_are_there_when_asked_for(qt: Qt) {
    let setting = Setting::new(qt, "caller-macros");
    setting.assert("upload", &["none"], "-2 FILE_OPEN_ERROR");
}

fn the_signals_report_each_event(qt: Qt) {
    let setting = Setting::new(qt, "features");
    write_file(&setting.local("a.bin"), content(1, 3 * MIB));
    write_file(&setting.local("b.bin"), content(2, 3 * MIB));
    setting.assert(
        "upload",
        &["a.bin", "b.bin"],
        "moving\nfinished a.bin 0\nfinished b.bin 0\n0 0",
    );
    let outcome = setting.run("download", &["a.bin", "none", "b.bin"]);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(lines[..2], ["moving", "finished a.bin 0"]);
    assert!(lines[2].starts_with("error -2 ") && lines[2].contains("none"), "{lines:?}");
    assert_eq!(lines[3..], ["finished none -2", "-2 -402"]);
}

fn a_cancelled_list_stops(qt: Qt) {
    let setting = Setting::new(qt, "features");
    write_file(&setting.local("a.bin"), content(1, 10));
    write_file(&setting.local("b.bin"), content(2, 10));
    let said = setting.run("cancel-list", &["a.bin", "b.bin"]).stdout;
    assert!(said.contains("finished a.bin 0\nerror -5 "), "{said}");
    assert!(said.ends_with("finished b.bin -5\n-5 -503"), "{said}");
    assert!(!setting.remote("b.bin").exists());
}

fn a_client_may_be_destroyed_by_its_own_signal(qt: Qt) {
    let setting = Setting::new(qt, "features");
    write_file(&setting.local("a.bin"), content(1, 8 * MIB));
    let line = Proxy::start(setting.server.addr(), |_| Plan::default().rate(4 * MIB));
    let said = setting.run_at(line.addr(), "destroy", &["a.bin", "b.bin"]).stdout;
    assert_eq!(said, "moving\n-5 destroyed");
}

fn a_forked_child_gets_errors_and_the_parent_continues(qt: Qt) {
    let setting = Setting::new(qt, "forks");
    write_file(&setting.local("a.bin"), content(1, MIB));
    let expected = "child, upload: -7 -556, and why\nchild, download: -7 -556, and why\n\
                    child, jobs: refused\nchild, its own: 0 0\nparent: 0 0";
    let outcome = setting.run("after", &["a.bin"]);
    assert_eq!(outcome.stdout, expected, "{outcome:#?}");
    outcome.assert_done();
}

fn a_call_in_which_the_process_forks_ends_in_both(qt: Qt) {
    let setting = Setting::new(qt, "forks");
    write_file(&setting.local("a.bin"), content(1, 8 * MIB));
    let line = Proxy::start(setting.server.addr(), |_| Plan::default().rate(8 * MIB));
    let outcome = setting.run_at(line.addr(), "during", &["a.bin"]);
    assert_eq!(outcome.stdout, "child: -7 -556, and why\nparent: 0 0", "{outcome:#?}");
    outcome.assert_done();
    assert_content(&setting.remote("a.bin"), content(1, 8 * MIB));
    write_file(&setting.remote("b.bin"), content(2, 10));
    assert_eq!(setting.run("listing", &["-"]).stdout, "child: -556\nparent: 0");
}

fn no_memory_is_lost(qt: Qt) {
    let setting = Setting::new(qt, "features");
    for name in ["a.bin", "b.bin"] {
        write_file(&setting.local(name), content(1, MIB));
    }
    let log = tempdir().unwrap();
    let run = |verb: &str, files: &[&str]| {
        let command = setting.command(setting.server.addr(), verb, files);
        under_valgrind(&command, &log.path().join("valgrind.log"))
    };
    run("upload", &["a.bin", "b.bin", "none"]);
    run("download", &["a.bin", "none"]);
    run("cancel-list", &["a.bin", "b.bin"]);
    run("destroy", &["a.bin", "b.bin"]);
}
