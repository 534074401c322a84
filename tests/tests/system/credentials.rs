//! The client's token and its settings for a server: where they come from, and that no token shows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use ftx_core::{AccessToken, TokenId};
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, Outcome, Proxy, Server, wait_until};
use tempfile::{TempDir, tempdir};

/// A server with a configuration file, and a user.
struct Setting {
    server: Server,
    proxy: Proxy,
    dir: TempDir,
}

impl Setting {
    /// The server gives nobody rights.
    fn new() -> Self {
        Self::with("")
    }

    /// The configuration has these tables.
    fn with(tables: &str) -> Self {
        let dir = tempdir().unwrap();
        let config = dir.path().join("server.toml");
        fs::write(&config, format!("root = \"root\"\n{tables}")).unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        let server = Server::configured(&config, &dir.path().join("root")).start();
        write_file(&dir.path().join("source"), content(1, 300_000));
        fs::create_dir_all(dir.path().join("config/ftx")).unwrap();
        Self { proxy: Proxy::plain(server.addr()), server, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that only its owner can read.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn upload(&self, change: impl FnOnce(Client) -> Client) -> Outcome {
        let client = Client::upload(self.proxy.addr()).env("XDG_CONFIG_HOME", self.path("config"));
        change(client.arg(self.path("source"))).run()
    }
}

fn token() -> AccessToken {
    AccessToken::new(TokenId([0x1a; 4]), [0x2b; AccessToken::SECRET_BYTES])
}

#[test]
fn a_token_that_is_not_accepted_ends_the_command_and_shows_nowhere() {
    let setting = Setting::new();
    let file = setting.write("token", &format!("{}\n", token()));
    let beside = setting.write("config/ftx/a.token", &token().to_string());
    assert!(beside.exists());
    let config = format!("[server.\"{}\"]\ntoken_file = \"a.token\"\n", setting.proxy.addr());
    for (number, json) in (1..).zip([false, true, false]) {
        let outcome = setting.upload(|client| {
            let client = client.args(["--log", "trace", "--retries", "3"]);
            let client = if json { client.arg("--json") } else { client };
            match number {
                1 => client.arg("--token-file").arg(&file),
                2 => client.env("FTX_TOKEN", token().to_string()),
                _ => {
                    setting.write("config/ftx/config.toml", &config);
                    client
                }
            }
        });
        outcome.assert_code(3);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains("does not accept the token"), "{outcome:#?}");
        assert!(!said.contains("2b2b2b"), "{outcome:#?}");
        assert_eq!(setting.proxy.connections(), number);
    }
    assert!(!setting.server.log().contains("2b2b2b"));
}

#[test]
fn a_token_is_accepted_from_each_source() {
    let setting = Setting::with("[[grant]]\nwho = \"alice\"\npath = \"\"\ncan = [\"create\"]\n");
    let token = Server::add_token(&setting.path("server.toml"), "alice");
    let known = || setting.server.log().contains("the tokens were read again");
    wait_until("the token is known", DEADLINE, known);
    let file = setting.write("token", &token);
    setting.write("config/ftx/a.token", &token);
    let config = format!("[server.\"{}\"]\ntoken_file = \"a.token\"\n", setting.proxy.addr());
    let upload = |name: &str, change: &dyn Fn(Client) -> Client| {
        let outcome = setting.upload(|client| change(client).args(["--as", name]));
        outcome.assert_done();
        assert_content(&setting.path("root").join(name), content(1, 300_000));
        assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains(&token));
    };
    setting.upload(|client| client).assert_code(3);
    upload("flag", &|client| client.arg("--token-file").arg(&file));
    upload("variable", &|client| client.env("FTX_TOKEN", &token));
    setting.write("config/ftx/config.toml", &config);
    upload("settings", &|client| client);
    assert!(!setting.server.log().contains(&token));
}

#[test]
fn a_client_without_a_token_is_told_that_it_needs_one() {
    let setting = Setting::new();
    let outcome = setting.upload(|client| client);
    outcome.assert_code(3);
    assert!(outcome.stderr.contains("give a token"), "{outcome:#?}");
    assert_eq!(setting.proxy.connections(), 1);
}

#[test]
fn a_mistyped_or_open_token_ends_the_command_before_any_connection() {
    let setting = Setting::new();
    let mistyped = token().to_string().replacen("2b", "2c", 1);
    let outcome = setting.upload(|client| client.env("FTX_TOKEN", &mistyped));
    outcome.assert_code(2);
    assert!(outcome.stderr.contains("FTX_TOKEN"), "{outcome:#?}");
    assert!(outcome.stderr.contains("checksum"), "{outcome:#?}");
    let file = setting.write("token", &token().to_string());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = setting.upload(|client| client.arg("--token-file").arg(&file));
    outcome.assert_code(2);
    assert!(outcome.stderr.contains("chmod 600"), "{outcome:#?}");
    assert_eq!(setting.proxy.connections(), 0);
}

#[test]
fn a_flag_wins_over_the_settings_of_the_server() {
    let (setting, root) = (Setting::new(), tempdir().unwrap());
    let open = Server::builder(root.path()).arg("--state").arg(setting.path("open state")).start();
    setting.proxy.set_upstream(open.addr());
    let pin = open.fingerprint();
    let other = format!("sha256:{}", "0".repeat(64));
    let address = setting.proxy.addr();
    let text = format!("[server.\"{address}\"]\nfingerprint = \"{other}\"\n");
    setting.write("config/ftx/config.toml", &text);
    setting.upload(|client| client).assert_code(3);
    setting.upload(|client| client.args(["--fingerprint", &pin])).assert_done();
    setting.write("config/ftx/config.toml", &text.replace(&other, &pin));
    setting.upload(|client| client).assert_done();
}

#[test]
fn an_error_in_the_settings_has_its_place() {
    let setting = Setting::new();
    let file = setting.write("config/ftx/config.toml", "[server.a]\nfingerprnt = \"x\"\ntls = 1\n");
    let outcome = setting.upload(|client| client);
    outcome.assert_code(2);
    let file = file.display();
    let expected = format!("{file}:2:1: unknown key \"fingerprnt\"; did you mean \"fingerprint\"?");
    assert!(outcome.stderr.contains(&expected), "{outcome:#?}");
    assert!(outcome.stderr.contains(&format!("{file}:3:7: ")), "{outcome:#?}");
    assert_eq!(setting.proxy.connections(), 0);
}
