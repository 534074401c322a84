use ftx_core::RemoteName;

use super::*;

fn name(text: &str) -> RemoteName {
    RemoteName::parse(text).unwrap()
}

fn grants(all: &[(&str, Rights)]) -> Grants {
    let grant = |&(path, rights)| Grant { path: GrantPath::parse(path).unwrap(), rights };
    Grants::new(all.iter().map(grant))
}

#[test]
fn the_longest_path_decides_alone() {
    let both = Rights::LIST | Rights::READ;
    let grants = grants(&[
        ("a/b/", Rights::CREATE),
        ("", both),
        ("a/", Rights::empty()),
        ("a-b/", Rights::DELETE),
    ]);
    for (file, rights) in [
        ("x", both),
        ("a", both),
        ("ab", both),
        ("a/x", Rights::empty()),
        ("a/b", Rights::empty()),
        ("a/b/c/d", Rights::CREATE),
        ("a-b/x", Rights::DELETE),
    ] {
        assert_eq!(grants.rights_on(&name(file)), rights, "{file}");
    }
    assert_eq!(grants.rights_in(None), both);
    assert_eq!(grants.rights_in(Some(&name("a"))), Rights::empty());
    assert_eq!(grants.rights_in(Some(&name("a/b"))), Rights::CREATE);
    assert_eq!(grants.rights_in(Some(&name("ab"))), both);
}

#[test]
fn without_a_grant_there_is_no_right() {
    let grants = grants(&[("reports/", Rights::all())]);
    for file in ["reports", "reports2/x", "x/reports/y"] {
        assert_eq!(grants.rights_on(&name(file)), Rights::empty(), "{file}");
    }
    assert_eq!(grants.rights_in(None), Rights::empty());
    assert_eq!(Grants::default().rights_on(&name("x")), Rights::empty());
}

#[test]
fn a_path_is_a_directory_with_its_slash() {
    assert_eq!(GrantPath::parse(""), Ok(GrantPath::ROOT));
    assert_eq!(GrantPath::parse("a/b/").unwrap().as_str(), "a/b/");
    let error = GrantPath::parse("a/b").unwrap_err();
    assert_eq!(error.to_string(), "rights are given on directories: write \"a/b/\"");
    for text in ["/", "/a/", "a//", "../", ".ftx/"] {
        assert!(matches!(GrantPath::parse(text), Err(GrantPathError::Name(_))), "{text}");
    }
}

#[test]
fn a_path_knows_the_directories_above_and_below() {
    let path = GrantPath::parse("a/b/").unwrap();
    for above in [None, Some("a"), Some("a/b")] {
        assert!(path.is_within(above.map(name).as_ref()), "{above:?}");
    }
    for beside in ["a/b/c", "a/bc", "ab"] {
        assert!(!path.is_within(Some(&name(beside))), "{beside}");
    }
    assert!(path.covers(Some(&name("a/b"))) && path.covers(Some(&name("a/b/c"))));
    assert!(!path.covers(Some(&name("a"))) && !path.covers(None));
}

#[test]
fn of_two_grants_with_one_path_the_later_counts() {
    let grants = grants(&[("a/", Rights::all()), ("a/", Rights::READ)]);
    assert_eq!(grants.iter().count(), 1);
    assert_eq!(grants.rights_on(&name("a/x")), Rights::READ);
}

#[test]
fn networks_contain_addresses_of_either_form() {
    let networks = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    for (address, is_in) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("::1", true),
        ("11.1.2.3", false),
        ("::2", false),
    ] {
        assert_eq!(contains(&networks, address.parse().unwrap()), is_in, "{address}");
    }
}

#[test]
fn only_this_machine_does_without_tls_unless_more_is_said() {
    let mut policy = AccessPolicy::default();
    for (address, is_local) in
        [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.2", true), ("192.0.2.1", false)]
    {
        let address = address.parse().unwrap();
        policy.allows_plain = false;
        assert_eq!(policy.admits_plain(address), is_local, "{address}");
        policy.allows_plain = true;
        assert!(policy.admits_plain(address), "{address}");
    }
}

#[test]
fn an_open_policy_lets_everybody_do_everything() {
    let policy = AccessPolicy::open();
    for principal in [Principal::Anonymous, Principal::Legacy] {
        let scope = policy.scope(&principal).unwrap();
        assert_eq!(scope.grants.rights_on(&name("x")), Rights::all());
    }
    assert!(policy.scope(&Principal::user("alice")).is_none());
    let legacy = policy.legacy.unwrap();
    assert!(legacy.serves("192.0.2.1".parse().unwrap()));
    assert!(legacy.serves("2001:db8::1".parse().unwrap()));
}
