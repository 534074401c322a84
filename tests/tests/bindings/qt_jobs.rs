//! The Qt class `ftx::qt::Client`, and the example that is a window.

use std::fs;
use std::net::SocketAddr;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::Qt;
use ftx_tests::qt::{Screen, Served, Setting, under_valgrind};
use ftx_tests::{DEADLINE, Direction, NOBODY, Plan, Process, Proxy, with_each_qt};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

/// Bytes of the file that a window moves to its end.
const LEN: u64 = 32 * MIB;

with_each_qt!(
    jobs_continue_by_themselves,
    an_original_server_answers_no_questions,
    a_server_that_is_not_there_fails_the_job,
    thousands_of_jobs_end_in_their_order,
    a_client_moves_to_another_thread_with_its_jobs,
    a_client_may_be_destroyed_while_its_jobs_run,
    no_memory_is_lost,
    the_example_with_widgets_can_be_clicked,
    the_example_with_widgets_shows_failures,
);

/// Slow enough that a transfer of some MiB can be met under way.
fn slow_line(setting: &Setting) -> Proxy {
    Proxy::start(setting.server.addr(), |_| Plan::default().rate(4 * MIB))
}

fn assert_done(setting: &Setting, addr: SocketAddr, scenario: &str) {
    let outcome = setting.run_at(addr, scenario, &[]);
    assert_eq!(outcome.stdout, "done", "{scenario}, {}: {outcome:#?}", setting.what);
}

fn jobs_continue_by_themselves(qt: Qt) {
    for scenario in ["transfers", "interruptions"] {
        let setting = Setting::new(qt, "jobs");
        assert_done(&setting, slow_line(&setting).addr(), scenario);
    }
}

fn an_original_server_answers_no_questions(qt: Qt) {
    for setting in Setting::with_each_server(qt, "jobs") {
        if matches!(setting.server, Served::Qt(..)) {
            assert_done(&setting, setting.server.addr(), "foreign");
        }
    }
}

fn a_server_that_is_not_there_fails_the_job(qt: Qt) {
    let setting = Setting::new(qt, "jobs");
    assert_done(&setting, NOBODY, "nowhere");
}

fn thousands_of_jobs_end_in_their_order(qt: Qt) {
    let setting = Setting::new(qt, "jobs");
    assert_done(&setting, setting.server.addr(), "many");
}

fn a_client_moves_to_another_thread_with_its_jobs(qt: Qt) {
    let setting = Setting::new(qt, "jobs");
    assert_done(&setting, slow_line(&setting).addr(), "moves");
    for (name, len) in [("big", 6 * MIB), ("small", 1000), ("paused", 1000)] {
        assert_eq!(fs::metadata(setting.remote(name)).unwrap().len(), len);
    }
}

fn a_client_may_be_destroyed_while_its_jobs_run(qt: Qt) {
    let setting = Setting::new(qt, "jobs");
    assert_done(&setting, slow_line(&setting).addr(), "ends");
    assert!(!setting.remote("ends/99").exists());
}

fn no_memory_is_lost(qt: Qt) {
    let log = tempdir().unwrap();
    for scenario in ["transfers", "interruptions", "moves", "ends"] {
        let setting = Setting::new(qt, "jobs");
        let line = slow_line(&setting);
        let command = setting.command(line.addr(), scenario, &[]);
        let said = under_valgrind(&command, &log.path().join("valgrind.log"));
        assert_eq!(said, "done", "{scenario}");
    }
}

/// Has a program click through the example, and checks that it took a picture, whose content it checked.
fn click(setting: &Setting, addr: SocketAddr, scenario: &str) {
    let screen = Screen::start();
    let mut command = setting.command(addr, scenario, &["a.bin", "b.bin"]);
    screen.show(&mut command);
    Process::spawn(&mut command).wait(DEADLINE).assert_done();
    assert!(setting.local(&format!("{scenario}.png")).is_file());
}

fn the_example_with_widgets_can_be_clicked(qt: Qt) {
    let setting = Setting::new(qt, "clicks");
    let line = slow_line(&setting);
    // So much that neither is done before it is clicked on; the second is cancelled.
    write_file(&setting.local("a.bin"), content(1, LEN));
    write_file(&setting.local("b.bin"), content(2, 64 * MIB));
    click(&setting, line.addr(), "controls");
    assert_content(&setting.remote("a.bin"), content(1, LEN));
    assert!(!setting.remote("b.bin").exists());
}

fn the_example_with_widgets_shows_failures(qt: Qt) {
    let setting = Setting::new(qt, "clicks");
    // Three attempts of two connections at most. The first one is not reported as failed: its connection
    // was idle, and the server may close those.
    let line = Proxy::start(setting.server.addr(), |connection| match connection {
        0..6 => Plan::default().cut_after(Direction::ToServer, 2 * MIB),
        _ => Plan::default(),
    });
    write_file(&setting.local("b.bin"), content(2, 16 * MIB));
    click(&setting, line.addr(), "failures");
    assert_eq!(fs::read_to_string(setting.remote("a.bin")).unwrap(), "now");
    assert_content(&setting.remote("b.bin"), content(2, 16 * MIB));
}
