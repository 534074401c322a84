//! The Qt class `FileClient`: one application with ours and with the original's class, with `ftx-server`
//! and with the servers made of Qt; and the features that only ours has.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::{Qt, clients};
use ftx_tests::qt::{Served, Setting, under_valgrind};
use ftx_tests::{DEADLINE, NOBODY, Plan, Process, Proxy, with_each_qt};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

with_each_qt!(
    files_go_up_and_down,
    a_file_that_is_there_is_ok,
    a_list_stops_at_the_first_failure,
    the_last_file_of_a_name_replaces_the_others,
    missing_files_cannot_be_opened,
    names_mean_the_same_as_in_the_original,
    a_server_that_is_not_there_cannot_be_reached,
    the_codes_are_constants_when_asked_for,
    the_signals_report_each_event,
    a_cancelled_list_stops,
    a_cancel_before_a_call_cancels_that_call,
    a_click_before_the_queued_call_cancels_it,
    a_list_continues_behind_a_failure_when_asked_to,
    resources_and_search_paths_are_files,
    a_receiver_may_make_calls,
    a_subclass_can_test_the_connection,
    a_silent_server_ends_a_call_after_one_timeout,
    a_file_too_large_for_an_original_server_is_an_upload_error,
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

fn the_last_file_of_a_name_replaces_the_others(qt: Qt) {
    for setting in settings(qt) {
        let files: Vec<String> = (1..=9).map(|number| format!("d{number}/x")).collect();
        for (seed, file) in (1..).zip(&files) {
            fs::create_dir(setting.local(file).parent().unwrap()).unwrap();
            write_file(&setting.local(file), content(seed, 1000 * seed));
        }
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        setting.assert("upload-list", &files, "0 OK");
        assert_content(&setting.remote("x"), content(9, 9000));
        setting.assert("download-list", &["x", "x"], "0 OK");
        assert_content(&setting.local("x"), content(9, 9000));
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

fn the_codes_are_constants_when_asked_for(qt: Qt) {
    let setting = Setting::new(qt, "caller-constants");
    setting.assert("upload", &["none"], "-2 FILE_OPEN_ERROR");
}

fn the_signals_report_each_event(qt: Qt) {
    let setting = Setting::new(qt, "features");
    write_file(&setting.local("a.bin"), content(1, 3 * MIB));
    write_file(&setting.local("b.bin"), content(2, 3 * MIB));
    let outcome = setting.run("upload", &["a.bin", "b.bin"]);
    let mut lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    // Both are under way at the same time.
    lines[1..3].sort_unstable();
    assert_eq!(lines, ["moving", "finished a.bin 0", "finished b.bin 0", "0 0"]);
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
    write_file(&setting.local("b.bin"), content(2, 16 * MIB));
    let line = Proxy::start(setting.server.addr(), |_| Plan::default().rate(4 * MIB));
    let said = setting.run_at(line.addr(), "cancel-list", &["a.bin", "b.bin"]).stdout;
    assert!(said.contains("finished a.bin 0\n") && said.contains("\nerror -5 "), "{said}");
    assert!(said.ends_with("finished b.bin -5\n-5 -503"), "{said}");
    assert!(!setting.remote("b.bin").exists());
}

fn assert_calls(setting: &Setting, scenario: &str) {
    let outcome = setting.run(scenario, &[]);
    assert_eq!(outcome.stdout, "done", "{scenario}, {}: {outcome:#?}", setting.what);
}

fn a_cancel_before_a_call_cancels_that_call(qt: Qt) {
    for setting in Setting::with_each_server(qt, "calls") {
        assert_calls(&setting, "cancelled");
    }
}

fn a_click_before_the_queued_call_cancels_it(qt: Qt) {
    for (click, expected) in [("early", "-5 -503\n0 0"), ("never", "0 0\n0 0")] {
        let setting = Setting::new(qt, "dialog");
        write_file(&setting.local("a.bin"), content(1, MIB));
        let mut command = setting.command(setting.server.addr(), click, &["a.bin"]);
        let outcome = Process::spawn(command.env("QT_QPA_PLATFORM", "offscreen")).wait(DEADLINE);
        assert_eq!(outcome.stdout, expected, "{click}: {outcome:#?}");
    }
}

fn a_list_continues_behind_a_failure_when_asked_to(qt: Qt) {
    for setting in Setting::with_each_server(qt, "calls") {
        assert_calls(&setting, "lists");
    }
}

fn resources_and_search_paths_are_files(qt: Qt) {
    let setting = Setting::new(qt, "calls");
    assert_calls(&setting, "paths");
    for (path, name) in [("one/x", "data:x"), ("greeting.txt", "texts:greeting.txt")] {
        let stored = fs::read(setting.remote(name)).unwrap();
        assert_eq!(stored, fs::read(setting.local(path)).unwrap(), "{name}");
    }
}

fn a_receiver_may_make_calls(qt: Qt) {
    assert_calls(&Setting::new(qt, "calls"), "nested");
}

fn a_subclass_can_test_the_connection(qt: Qt) {
    for setting in Setting::with_each_server(qt, "calls") {
        assert_calls(&setting, "probe");
        let outcome = setting.run_at(NOBODY, "unreachable", &[]);
        assert_eq!(outcome.stdout, "done", "{outcome:#?}");
    }
}

fn a_silent_server_ends_a_call_after_one_timeout(qt: Qt) {
    let setting = Setting::new(qt, "calls");
    // The system accepts connections for it.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let outcome = setting.run_at(silent.local_addr().unwrap(), "silent", &[]);
    assert_eq!(outcome.stdout, "done", "{outcome:#?}");
}

fn a_file_too_large_for_an_original_server_is_an_upload_error(qt: Qt) {
    for setting in Setting::with_each_server(qt, "caller") {
        if matches!(setting.server, Served::Qt(..)) {
            File::create(setting.local("a.bin")).unwrap().set_len(1 << 31).unwrap();
            setting.assert("upload", &["a.bin"], "-8 UPLOAD_FILE_ERROR");
        }
    }
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
    let setting = setting.with_program("calls");
    for scenario in ["cancelled", "lists", "paths", "nested"] {
        let command = setting.command(setting.server.addr(), scenario, &[]);
        let said = under_valgrind(&command, &log.path().join("valgrind.log"));
        assert_eq!(said, "done", "{scenario}");
    }
}
