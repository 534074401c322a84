//! The Qt class `ftx::qt::Client`, and the example that is a window.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::Qt;
use ftx_tests::qt::{Screen, Setting};
use ftx_tests::{DEADLINE, Plan, Process, Proxy, with_each_qt};

const MIB: u64 = 1 << 20;

with_each_qt!(jobs_go_on_by_themselves, the_example_with_widgets_can_be_clicked);

/// Slow enough that a transfer of some MiB can be met under way.
fn slow_line(setting: &Setting) -> Proxy {
    Proxy::start(setting.server.addr(), |_| Plan::default().rate(4 * MIB))
}

fn jobs_go_on_by_themselves(qt: Qt) {
    let setting = Setting::new(qt, "jobs");
    let line = slow_line(&setting);
    let outcome = setting.run_at(line.addr(), "all", &[]);
    assert_eq!(outcome.stdout, "done", "{outcome:#?}");
}

fn the_example_with_widgets_can_be_clicked(qt: Qt) {
    let setting = Setting::new(qt, "clicks");
    let line = slow_line(&setting);
    write_file(&setting.local("a.bin"), content(1, 6 * MIB));
    write_file(&setting.local("b.bin"), content(2, 6 * MIB));
    let screen = Screen::start();
    let mut command = setting.command(line.addr(), "window.png", &["a.bin", "b.bin"]);
    screen.show(&mut command);
    Process::spawn(&mut command).wait(DEADLINE).assert_done();
    // The program has looked at what is on the picture.
    assert!(setting.local("window.png").is_file());
    assert_content(&setting.remote("a.bin"), content(1, 6 * MIB));
    assert!(!setting.remote("b.bin").exists());
}
