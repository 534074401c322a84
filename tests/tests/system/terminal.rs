//! What a person sees on a terminal, and in a file.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use ftx_tests::content::{content, write_file};
use ftx_tests::{Client, DEADLINE, Direction, Plan, Proxy, Pty, Server, Shown, bins};
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;

/// A server behind a proxy that can stop a transfer at any byte.
struct Setting {
    server: Server,
    proxy: Proxy,
    _root: TempDir,
    local: TempDir,
}

impl Setting {
    fn new() -> Self {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = Server::start(root.path());
        let proxy = Proxy::plain(server.addr());
        Self { server, proxy, _root: root, local }
    }

    /// With a file `film.mkv` of 16 MiB, whose upload stops in its middle.
    fn stopped() -> Self {
        let setting = Self::new();
        write_file(&setting.local.path().join("film.mkv"), content(1, 16 * MIB));
        setting.proxy.let_pass(Direction::ToServer, 8 * MIB);
        setting
    }

    fn upload(&self) -> Client {
        upload(self.proxy.addr(), self.local.path())
    }

    fn go_on(&self) {
        self.proxy.let_pass(Direction::ToServer, u64::MAX);
    }
}

fn upload(addr: SocketAddr, directory: &Path) -> Client {
    Client::upload(addr).streams(1).arg("--no-cache").current_dir(directory)
}

/// 400 files of together 2 MB in `tree`.
fn write_tree(directory: &Path) {
    for number in 0..400 {
        let path = directory.join(format!("tree/{}/file-{number}", number % 7));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_file(&path, content(number, 5000));
    }
}

/// Whether the screen has the lines of the progress.
fn has_bars(screen: &str) -> bool {
    screen.contains("ETA")
}

/// Waits until the transfer stands still in its middle and is shown.
fn wait_for_middle(pty: &Pty) -> String {
    pty.wait_for("the middle", DEADLINE, |screen| {
        let percent = screen.split('%').next().and_then(|before| before.split(' ').next_back());
        has_bars(screen)
            && percent
                .is_some_and(|percent| percent.parse::<u32>().is_ok_and(|percent| percent >= 5))
    })
}

/// The end of a transfer leaves the summary and nothing of the progress.
#[track_caller]
fn assert_summary(shown: &Shown, lines: &[&str]) {
    assert_eq!(shown.code, Some(0), "{}", shown.screen);
    let found: Vec<_> = shown.screen.lines().collect();
    assert_eq!(found.len(), lines.len(), "{}", shown.screen);
    for (found, line) in found.iter().zip(lines) {
        assert!(found.starts_with(line), "{}", shown.screen);
    }
}

#[test]
fn a_tree_has_one_bar_and_a_summary_but_no_names() {
    let setting = Setting::new();
    write_tree(setting.local.path());
    let (server, dir) = (&setting.server, setting.local.path());
    let slow = Proxy::start(server.addr(), |_| Plan::default().rate(MIB / 2));
    let pty = upload(slow.addr(), dir).arg("tree").on_terminal(24, 80);
    let middle = pty.wait_for("the middle", DEADLINE, |screen| screen.contains("█░"));
    let first = middle.lines().next().unwrap();
    assert!(first.contains("/400 files █") && first.contains("/1.91 MiB"), "{middle}");
    assert!(!first.contains("file-"), "{middle}");
    let shown = pty.wait(DEADLINE);
    assert_summary(&shown, &["400 files uploaded: 1.91 MiB moved in "]);

    let names = upload(server.addr(), dir).args(["tree", "-v"]).on_terminal(500, 80).wait(DEADLINE);
    assert_eq!(names.screen.lines().count(), 401, "{}", names.screen);
    assert!(names.screen.contains("\ntree/3/file-10: "));
}

#[test]
fn one_file_has_a_bar_with_its_name() {
    let setting = Setting::stopped();
    let mut pty = setting.upload().arg("film.mkv").on_terminal(24, 80);
    let middle = wait_for_middle(&pty);
    assert!(middle.starts_with("film.mkv ██"), "{middle}");
    for part in ["░", "/16.0 MiB", "/s ETA "] {
        assert!(middle.contains(part), "{part}: {middle}");
    }
    // Without a shell that could continue it, Ctrl-Z does not stop it.
    pty.type_in("\u{1a}");
    // Nothing moves any more.
    pty.wait_for("the stall", DEADLINE, |screen| screen.contains(" 0 B/s ETA -"));
    setting.go_on();
    assert_summary(&pty.wait(DEADLINE), &["1 file uploaded: 16.0 MiB moved in "]);
    let again = setting.upload().arg("film.mkv").on_terminal(24, 80).wait(DEADLINE);
    assert_summary(&again, &["1 file already there: 0 B moved, 16.0 MiB saved in "]);
}

#[test]
fn a_retry_is_shown_with_its_reason() {
    let mut setting = Setting::stopped();
    let client = setting.upload().args(["film.mkv", "--retries", "100"]);
    let pty = client.on_terminal(24, 80);
    wait_for_middle(&pty);
    setting.server.kill();
    setting.proxy.cut();
    let retry = pty.wait_for("the retry", DEADLINE, |screen| screen.contains("\nretry "));
    let (first, second) = retry.split_once('\n').unwrap();
    assert!(first.ends_with("ETA -"), "{retry}");
    assert!(second.starts_with("retry ") && second.contains(": the "), "{retry}");
    let Setting { server, proxy, local: _local, _root } = setting;
    let server = server.restart();
    proxy.set_upstream(server.addr());
    proxy.let_pass(Direction::ToServer, u64::MAX);
    let shown = pty.wait(DEADLINE);
    assert_summary(&shown, &["1 file uploaded: ", ""]);
    assert!(shown.screen.contains(" retr"), "{}", shown.screen);
}

#[test]
fn twenty_columns_are_enough() {
    let setting = Setting::stopped();
    let pty = setting.upload().arg("film.mkv").on_terminal(24, 20);
    let middle = pty.wait_for("a bar", DEADLINE, |screen| screen.contains("% ETA "));
    assert_eq!(middle.lines().count(), 1, "{middle}");
    setting.go_on();
    let shown = pty.wait(DEADLINE);
    assert_eq!(shown.screen.replace('\n', "").find("1 file uploaded"), Some(0), "{shown:#?}");
    assert!(!has_bars(&shown.screen), "{shown:#?}");
}

#[test]
fn the_c_locale_gets_ascii() {
    let setting = Setting::new();
    write_file(&setting.local.path().join("caf\u{e9}.bin"), content(1, 16 * MIB));
    setting.proxy.let_pass(Direction::ToServer, 8 * MIB);
    let client = setting.upload().args(["caf\u{e9}.bin", "none", "-v", "--keep-going"]);
    let pty = client.env("LANG", "C").on_terminal(24, 100);
    pty.wait_for("a bar", DEADLINE, |screen| screen.contains("##--") && screen.contains("none"));
    setting.go_on();
    let shown = pty.wait(DEADLINE);
    assert_eq!(shown.code, Some(1), "{shown:#?}");
    assert!(shown.output.is_ascii(), "{}", shown.output);
    assert!(shown.screen.contains(r"caf\u{e9}.bin: uploaded, 16.0 MiB moved"), "{}", shown.screen);
}

#[test]
fn a_file_gets_the_summary_and_with_v_the_names() {
    let setting = Setting::new();
    write_tree(setting.local.path());
    let upload = |args: &[&str]| {
        let outcome = upload(setting.server.addr(), setting.local.path()).args(args).run();
        outcome.assert_done();
        assert_eq!(outcome.stdout, "");
        assert!(!outcome.stderr.contains(['\u{1b}', '\r']), "{}", outcome.stderr);
        outcome.stderr
    };
    let told = upload(&["tree"]);
    assert!(told.starts_with("400 files uploaded: 1.91 MiB moved in "), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    let told = upload(&["tree", "--verbose"]);
    assert_eq!(told.lines().count(), 401, "{told}");
    assert_eq!(upload(&["tree", "-q"]), "");
}

/// The screen after an upload of `names` whose bars were drawn before the first message.
fn screen_after_bars(setting: &Setting, names: &[String], args: &[&str]) -> String {
    let passed = setting.proxy.count(Direction::ToServer);
    setting.proxy.let_pass(Direction::ToServer, passed);
    let pty = setting.upload().args(names).args(args).on_terminal(300, 160);
    pty.wait_for("bars", DEADLINE, |screen| screen.ends_with("ETA -"));
    setting.go_on();
    let screen = pty.wait(DEADLINE).screen;
    assert!(!has_bars(&screen), "{screen}");
    screen
}

#[track_caller]
fn assert_line(screen: &str, line: &str) {
    assert_eq!(screen.lines().filter(|found| *found == line).count(), 1, "{line}: {screen}");
}

#[test]
fn errors_have_lines_of_their_own_above_the_bars() {
    let setting = Setting::new();
    let names = |kind: &str| (0..40).map(|number| format!("{kind}-{number}")).collect::<Vec<_>>();
    let (small, missing) = (names("small"), names("missing"));
    for name in &small {
        fs::write(setting.local.path().join(name), "small").unwrap();
    }
    // These lines are shorter than the bars, and would leave something of them.
    let screen = screen_after_bars(&setting, &small, &["-v"]);
    for name in &small {
        assert_line(&screen, &format!("{name}: uploaded, 5 B moved"));
    }
    let args = ["--keep-going", "--log", "ftx_client=debug"];
    let screen = screen_after_bars(&setting, &missing, &args);
    for name in &missing {
        let reason = format!("cannot open \"{name}\": there is no such file; check the name");
        assert_line(&screen, &format!("{name}: upload failed: local file: {reason}"));
    }
    let is_record = |line: &str| line.starts_with("20") && line.contains(" DEBUG ftx_client");
    assert!(screen.lines().any(is_record) && screen.ends_with("\n40 files failed"), "{screen}");
}

#[test]
fn bars_fit_after_the_terminal_was_resized() {
    let setting = Setting::stopped();
    let pty = setting.upload().arg("film.mkv").on_terminal(24, 100);
    wait_for_middle(&pty);
    for columns in [30, 120, 20, 60] {
        pty.resize(24, columns);
        let fits = |line: &str| line.chars().count() < usize::from(columns);
        let screen = pty.wait_for("bars that fit", DEADLINE, |screen| {
            has_bars(screen) && screen.lines().all(fits)
        });
        assert_eq!(screen.matches("ETA").count(), 1, "{screen}");
    }
    setting.go_on();
    assert_summary(&pty.wait(DEADLINE), &["1 file uploaded: 16.0 MiB moved in "]);
}

/// A shell with job control, and a client under it that is in the middle of a transfer.
fn shell_with_client(setting: &Setting) -> Pty {
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]).env("PS1", "> ").env_remove("HISTFILE");
    let mut pty = Pty::spawn(shell, 24, 200);
    pty.wait_for("a prompt", DEADLINE, |screen| screen.ends_with('>'));
    let (client, addr) = (bins::client(), setting.proxy.addr());
    let film = setting.local.path().join("film.mkv");
    let (client, film) = (client.display(), film.display());
    pty.type_in(&format!("clear; {client} upload {addr} {film} --streams 1 --no-cache\n"));
    wait_for_middle(&pty);
    pty.type_in("\u{1a}");
    let stopped = pty.wait_for("the prompt", DEADLINE, |screen| {
        screen.contains("Stopped") && screen.ends_with('>')
    });
    assert!(!has_bars(&stopped), "{stopped}");
    pty
}

#[test]
fn a_stopped_client_leaves_a_clean_terminal_and_shows_bars_again() {
    let setting = Setting::stopped();
    let mut pty = shell_with_client(&setting);
    pty.type_in("fg\n");
    pty.wait_for("bars again", DEADLINE, has_bars);
    setting.go_on();
    let end = pty.wait_for("the end", DEADLINE, |screen| screen.ends_with('>'));
    assert!(end.contains("\n1 file uploaded: 16.0 MiB moved in "), "{end}");
    assert!(!has_bars(&end), "{end}");
    pty.type_in("exit\n");
    assert_eq!(pty.wait(DEADLINE).code, Some(0));
}

#[test]
fn a_client_in_the_background_draws_nothing() {
    let setting = Setting::stopped();
    let mut pty = shell_with_client(&setting);
    let before = pty.output().len();
    pty.type_in("bg\n");
    setting.go_on();
    pty.wait_for("the summary", DEADLINE, |screen| screen.contains("1 file uploaded: "));
    assert!(!has_bars(&pty.output()[before..]), "{}", pty.output());
    pty.type_in("exit\n");
    assert_eq!(pty.wait(DEADLINE).code, Some(0));
}

#[test]
fn a_terminal_that_can_only_print_gets_no_bars() {
    let setting = Setting::new();
    write_file(&setting.local.path().join("film.mkv"), content(1, 3 * MIB));
    let slow = Proxy::start(setting.server.addr(), |_| Plan::default().rate(4 * MIB));
    let client = upload(slow.addr(), setting.local.path()).arg("film.mkv").env("TERM", "dumb");
    let shown = client.on_terminal(24, 80).wait(DEADLINE);
    assert_summary(&shown, &["1 file uploaded: 3.00 MiB moved in "]);
    assert!(!shown.output.contains('\u{1b}'), "{:?}", shown.output);
}
