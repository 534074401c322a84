use std::ffi::OsStr;
use std::num::NonZeroU64;

use ftx_core::RemoteName;

use super::*;
use crate::access::{Grants, Rights};
use crate::auth::Principal;

/// The settings of a small program.
struct Keys;

impl SettingKeys for Keys {
    fn keys(&self) -> Vec<SettingKey> {
        let key = |name: &str, table, kind, requires| SettingKey {
            name: name.to_owned(),
            table,
            kind,
            requires,
        };
        vec![
            key("listen", None, SettingKind::Text, None),
            key("root", None, SettingKind::Path, None),
            key("durability", None, SettingKind::Text, None),
            key("threads", None, SettingKind::Text, None),
            key("insecure", None, SettingKind::Switch, None),
            key("cert", Some("tls"), SettingKind::Path, Some("key")),
            key("key", Some("tls"), SettingKind::Path, Some("cert")),
            key("client_ca", Some("tls"), SettingKind::Path, None),
        ]
    }

    fn check(&self, key: &SettingKey, value: &str) -> Result<(), InvalidSetting> {
        let valid = ["full", "none"].map(str::to_owned).to_vec();
        match key.name.as_str() {
            "durability" if !valid.iter().any(|valid| valid == value) => {
                Err(InvalidSetting { message: "invalid value".to_owned(), valid })
            }
            "threads" if value.parse::<u8>().is_err() => {
                let message = "a number from 1 to 255".to_owned();
                Err(InvalidSetting { message, valid: Vec::new() })
            }
            _ => Ok(()),
        }
    }

    fn is_set_by_flag(&self, _: &str) -> bool {
        false
    }
}

fn parse(text: &str) -> Result<ConfigFile, ConfigErrors> {
    ConfigFile::parse(Path::new("/etc/ftx/server.toml"), text, &Keys)
}

fn good(text: &str) -> ConfigFile {
    parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The errors of a text, without the path of the file.
fn errors(text: &str) -> Vec<String> {
    let errors = parse(text).unwrap_err();
    errors.lines().map(|line| line.replace("/etc/ftx/server.toml:", "")).collect()
}

fn rights(grants: &Grants, name: &str) -> Rights {
    grants.rights_on(&RemoteName::parse(name).unwrap())
}

#[test]
fn settings_are_those_of_the_flags() {
    let file =
        good("root = \"files\"\nthreads = 4\ninsecure = true\n[tls]\ncert = \"/c\"\nkey = \"k\"");
    let value = |name| file.setting(name).map(|setting| setting.value.to_str().unwrap());
    assert_eq!(value("root"), Some("/etc/ftx/files"));
    assert_eq!(value("threads"), Some("4"));
    assert_eq!(value("insecure"), Some("true"));
    assert_eq!(value("cert"), Some("/c"));
    assert_eq!(value("key"), Some("/etc/ftx/k"));
    assert_eq!(value("listen"), None);
    assert_eq!(file.position_of(OsStr::new("/c")), Some(Position { line: 5, column: 8 }));
    assert_eq!(file.position_of(OsStr::new("/d")), None);
}

#[test]
fn an_empty_file_lets_nobody_do_anything() {
    let access = good("").access;
    for principal in [Principal::Anonymous, Principal::Legacy, Principal::user("alice")] {
        assert!(access.scope(&principal).is_none(), "{principal}");
    }
    assert!(!access.allows_plain && access.trusted_proxies.is_empty());
}

#[test]
fn users_exist_by_being_named() {
    let access = good(
        "[tls]\nclient_ca = \"ca.pem\"\n[[user]]\nname = \"carol\"\nquota = \"10 GB\"\nmax_file = 1024\nlimit_rate = \"2 MB\"\n\
         certificates = [\"sha256:00ff01020304050607080910111213141516171819202122232425262728293f\"]\n\
         [[grant]]\nwho = \"alice\"\npath = \"reports/\"\ncan = [\"list\", \"read\"]\n\
         [[grant]]\nwho = \"alice\"\npath = \"reports/secret/\"\ncan = []\n",
    )
    .access;
    let alice = access.scope(&Principal::user("alice")).unwrap();
    assert_eq!(rights(&alice.grants, "reports/a"), Rights::LIST | Rights::READ);
    assert_eq!(rights(&alice.grants, "reports/secret/a"), Rights::empty());
    assert_eq!((alice.quota_bytes, alice.max_file_bytes), (None, None));
    let carol = &access.users["carol"];
    assert_eq!(carol.scope.grants.iter().count(), 0);
    assert_eq!(carol.scope.quota_bytes, Some(10_000_000_000));
    assert_eq!(carol.scope.max_file_bytes, Some(1024));
    assert_eq!(carol.scope.bytes_per_second, NonZeroU64::new(2_000_000));
    assert_eq!(carol.certificates.len(), 1);
}

#[test]
fn clients_without_credentials_only_read_unless_more_is_said() {
    let access = good("[anonymous]\n[legacy]\ncan = [\"create\"]\npath = \"old/\"").access;
    let anonymous = access.anonymous.unwrap();
    assert_eq!(rights(&anonymous.grants, "a"), Rights::LIST | Rights::READ);
    let legacy = access.legacy.unwrap();
    assert_eq!(rights(&legacy.scope.grants, "old/a"), Rights::CREATE);
    assert_eq!(rights(&legacy.scope.grants, "a"), Rights::empty());
    for (address, is_served) in [("127.0.0.1", true), ("::1", true), ("192.0.2.1", false)] {
        assert_eq!(legacy.serves(address.parse().unwrap()), is_served, "{address}");
    }
}

#[test]
fn networks_are_as_listed() {
    let text = "trusted_proxies = [\"10.0.0.1/32\"]\n[legacy]\nnetworks = [\"192.0.2.0/24\"]\ncan = [\"read\"]";
    let access = good(text).access;
    assert_eq!(access.trusted_proxies, ["10.0.0.1/32".parse().unwrap()]);
    let legacy = access.legacy.unwrap();
    assert!(legacy.serves([192, 0, 2, 9].into()) && !legacy.serves([127, 0, 0, 1].into()));
}

#[test]
fn all_errors_are_found_at_once_with_their_places() {
    let text = "\
lisen = \"0.0.0.0:7411\"
  durability = \"ful\"
threads = [1]
insecure = \"yes\"
cert = \"c.pem\"
root = \"\"
trusted_proxies = [\"10.0.0.1\", \"10.0.0.0/8\"]

[tls]
cert = \"c.pem\"
kay = \"k.pem\"

[[usr]]

[[grant]]
who = \"alice\"
path = \"reports\"
can = [\"lst\", \"write\", \"read\", \"read\"]

[[grant]]
who = \"alice\"
can = \"read\"
";
    let expected = [
        "1:1: unknown key \"lisen\"; did you mean \"listen\"?",
        "2:16: durability: \"ful\": invalid value; did you mean \"full\"?",
        "3:11: threads: expected a string or a number, found an array",
        "4:12: insecure: expected true or false, found a string",
        "5:1: unknown key \"cert\"; it belongs into [tls]",
        "6:8: root: the path is empty",
        "7:20: \"10.0.0.1\" is an address, not a network; write \"10.0.0.1/32\" for this address alone",
        "10:8: \"cert\" needs the key \"key\" beside it",
        "11:1: unknown key \"kay\" in [tls]; did you mean \"key\"?",
        "13:3: unknown key \"usr\"; did you mean \"user\"?",
        "17:8: path: \"reports\": rights are given on directories: write \"reports/\"",
        "18:8: unknown right \"lst\"; did you mean \"list\"?",
        "18:15: unknown right \"write\"; valid are \"list\", \"read\", \"create\", \"replace\" and \"delete\"",
        "20:1: [[grant]] needs the key \"path\"",
        "22:7: can: expected an array of strings, found a string",
    ];
    assert_eq!(errors(text), expected);
}

#[test]
fn contradictions_are_errors() {
    let pin = "sha256:00ff01020304050607080910111213141516171819202122232425262728293f";
    let grant = "[[grant]]\nwho = \"a\"\npath = \"p/\"\ncan = [\"read\"]\n";
    let user = |name| format!("[[user]]\nname = {name:?}\ncertificates = [{pin:?}]\n");
    let tls = "[tls]\nclient_ca = \"ca.pem\"\n";
    for (text, expected) in [
        (grant.repeat(2), "7:8: \"a\" has a grant on \"p/\" already, in line 3"),
        (
            tls.to_owned() + &user("a") + &user("b"),
            "8:17: this certificate already stands for the user \"a\"",
        ),
        (
            user("a") + "[[user]]\nname = \"a\"\n" + tls,
            "5:8: the user \"a\" has a table already, in line 2",
        ),
        (
            "[[user]]\nname = \"b\"\ncertificates = []\n".to_owned() + &user("a"),
            "6:16: certificates: no client can show one; name a file with their issuers by the key \"client_ca\" in [tls]",
        ),
        (user("a") + "[tls]\nclient_ca = \"\"\n", "5:13: client_ca: the path is empty"),
        (
            "[anonymous]\ncan = []".to_owned(),
            "2:7: nobody may do anything here; name a right, or remove [anonymous]",
        ),
        (
            "[legacy]\ncan = []".to_owned(),
            "2:7: nobody may do anything here; name a right, or remove [legacy]",
        ),
        ("\n[legacy]".to_owned(), "2:1: [legacy] needs the key \"can\""),
        (
            "[legacy]\ncan = [\"read\"]\nnetworks = []".to_owned(),
            "3:12: a legacy client of no network is never served; remove [legacy], or name a network",
        ),
        (
            "[[grant]]\nwho = \"\"\npath = \"\"\ncan = []".to_owned(),
            "2:7: who: the name of a user is empty",
        ),
        (
            "[[user]]\nname = \"a\\u0007\"".to_owned(),
            "2:8: name: the name of a user has a control character",
        ),
        (
            "[[user]]\nname = \"a\"\nquota = \"lots\"".to_owned(),
            "3:9: quota: \"lots\" is not a size; write a number and a unit, such as \"10 GB\" or \"512 MiB\"",
        ),
        ("[grant]".to_owned(), "1:1: there can be several of these: write [[grant]]"),
        ("[[anonymous]]".to_owned(), "1:1: write it as a table: [anonymous]"),
        ("grant = [1]".to_owned(), "1:10: there can be several of these: write [[grant]]"),
        ("[[grant]]\nwho = \"a\"\npath = \"../\"\ncan = []".to_owned(), "3:8: path: \"../\": "),
    ] {
        let errors = errors(&text);
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{text}\n{errors:#?}");
    }
}

#[test]
fn what_is_no_toml_is_named_beside_the_other_errors() {
    let found = errors("root = \nlisen = 1\n[tls\n");
    assert!(found[0].starts_with("1:8: ") || found[0].starts_with("1:7: "), "{found:#?}");
    assert!(
        found.iter().any(|error| error.starts_with("2:1: unknown key \"lisen\"")),
        "{found:#?}"
    );
    assert!(found.iter().any(|error| error.starts_with("3:")), "{found:#?}");
    let found = errors("root = \"a\"\nroot = \"b\"");
    assert!(found.len() == 1 && found[0].starts_with("2:1: "), "{found:#?}");
}

#[test]
fn columns_count_characters() {
    assert_eq!(errors("user = [] \u{9}\n\"ä\\u0007\" = 1"), ["2:1: unknown key \"ä\\u{7}\""]);
    let found = errors("trusted_proxies = [\"ä\", \"ö\"]");
    assert!(found[1].starts_with("1:25: "), "{found:#?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.toml");
    let error = |path: &Path| ConfigFile::read(path, &Keys).unwrap_err().to_string();
    let shown = path.display().to_string();
    assert!(error(&path).starts_with(&format!("{shown}: cannot be read: ")), "{}", error(&path));
    std::fs::write(&path, b"root = 1\n# \xff").unwrap();
    assert_eq!(error(&path), format!("{shown}:2:3: this is not UTF-8"));
    std::fs::write(&path, "root = \"r\"").unwrap();
    let file = ConfigFile::read(&path, &Keys).unwrap();
    assert_eq!(Path::new(&file.settings[0].value), dir.path().join("r"));
}

#[test]
fn a_policy_is_told_in_words() {
    let access = good(
        "[[user]]\nname = \"bob\"\nquota = \"10 GB\"\n\
         [[grant]]\nwho = \"alice\"\npath = \"\"\ncan = [\"list\", \"read\", \"create\"]\n\
         [[grant]]\nwho = \"bob\"\npath = \"in/\"\ncan = [\"create\"]\n\
         [[grant]]\nwho = \"bob\"\npath = \"in/out/\"\ncan = []\n\
         [[user]]\nname = \"carol\"\n",
    )
    .access;
    let expected = "\
user \"alice\" may list, read and create everywhere
user \"bob\" may create below \"in/\" (a drop box); nothing below \"in/out/\"; at most 10.0 GB in all
user \"carol\" may do nothing
clients without credentials are refused
legacy clients are refused
other machines must connect with TLS";
    assert_eq!(AccessSummary(&access).to_string(), expected);
    let open = AccessSummary(&AccessPolicy::open()).to_string();
    assert!(open.contains("legacy clients from 0.0.0.0/0 and ::/0 may list, read"), "{open}");
}
