use std::fs;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ftx_core::native::Reason;
use ftx_core::{AccessToken, TokenId};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::access::{Access, AccessPolicy, LegacyPolicy, Scope, UserPolicy};
use crate::auth::login_fault::LoginFault;

/// A clock that stands still.
#[derive(Debug)]
struct SetClock(Mutex<SystemTime>);

impl WallClock for SetClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// An authenticator with its parts.
struct Fixture {
    authenticator: TokenAuthenticator,
    reload: TokenReload,
    access: Access,
    clock: Arc<SetClock>,
    file: TokenFile,
    _dir: TempDir,
}

impl Fixture {
    fn new(policy: AccessPolicy) -> Self {
        let dir = tempdir().unwrap();
        let (access, start) = (Access::new(policy), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let clock = Arc::new(SetClock(Mutex::new(start)));
        let (authenticator, reload) =
            TokenAuthenticator::with_clock(access.clone(), dir.path(), clock.clone()).unwrap();
        let file = TokenFile::in_state_dir(dir.path());
        Self { authenticator, reload, access, clock, file, _dir: dir }
    }

    fn add(&self, user: &str, lifetime: Option<Duration>) -> AccessToken {
        let (token, _) = self.file.add(user, self.clock.now(), lifetime).unwrap();
        self.reload.reload().unwrap();
        token
    }

    fn advance(&self, seconds: u64) {
        *self.clock.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn login(&self, token: &AccessToken) -> Result<Identity, LoginFault> {
        self.authenticator.fault_of(Credentials::new(Some(&token.to_string()), peer(1)))
    }

    fn show(&self, key: Fingerprint) -> Result<Identity, LoginFault> {
        let credentials = Credentials::new(None, peer(1)).with_certificate(Some(key));
        self.authenticator.fault_of(credentials)
    }
}

impl TokenAuthenticator {
    /// Authenticates, and compares the answers to the client and to the log.
    fn fault_of(&self, credentials: Credentials<'_>) -> Result<Identity, LoginFault> {
        let fault = self.identify(credentials);
        if let Err(fault) = &fault {
            let shown = format!("{fault} {fault:?} {:?}", fault.refusal());
            if let Some(auth) = credentials.auth.filter(|auth| auth.len() > 40) {
                assert!(!shown.contains(&auth[20..40]), "{shown}");
            }
        }
        fault
    }
}

fn peer(host: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::V4((0x0a00_0000 + host).into()), 1)
}

fn key(digit: char) -> Fingerprint {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

/// A policy in which these users have these certificates.
fn policy(users: &[(&str, &[char])]) -> AccessPolicy {
    let user = |&(name, keys): &(&str, &[char])| {
        let certificates = keys.iter().map(|digit| key(*digit)).collect();
        (name.into(), UserPolicy { certificates, ..UserPolicy::default() })
    };
    AccessPolicy { users: users.iter().map(user).collect(), ..AccessPolicy::default() }
}

fn alice() -> Principal {
    Principal::user("alice")
}

fn changed(token: &AccessToken, byte: usize) -> AccessToken {
    let mut secret = *token.secret();
    secret[byte] ^= 1;
    AccessToken::new(token.id(), secret)
}

#[test]
fn a_token_stands_for_its_user_alone() {
    let all = Fixture::new(policy(&[("alice", &[]), ("bob", &[])]));
    let tokens = ["alice", "alice", "bob"].map(|user| all.add(user, None));
    let users = tokens.each_ref().map(|token| all.login(token).unwrap().principal);
    assert_eq!(users, [alice(), alice(), Principal::user("bob")]);
}

#[test]
fn a_secret_that_differs_in_one_byte_is_wrong() {
    let all = Fixture::new(policy(&[("alice", &[])]));
    let (id, user) = (all.add("alice", None), "alice".into());
    for byte in 0..AccessToken::SECRET_BYTES {
        let fault = all.login(&changed(&id, byte)).unwrap_err();
        assert_eq!(fault, LoginFault::WrongSecret { id: id.id(), user: Arc::clone(&user) });
    }
    let unknown = TokenId([id.id().0[0] ^ 1, 0, 0, 0]);
    let fault = all.login(&AccessToken::new(unknown, *id.secret())).unwrap_err();
    assert_eq!(fault, LoginFault::UnknownToken { id: unknown });
    all.login(&id).unwrap();
}

#[test]
fn the_log_tells_the_faults_apart_and_the_client_hears_one_text() {
    let all = Fixture::new(policy(&[("alice", &['a']), ("bob", &['b']), ("carol", &['b'])]));
    let [good, revoked] = [None, None].map(|lifetime| all.add("alice", lifetime));
    let expired = all.add("alice", Some(Duration::from_secs(60)));
    all.file.revoke(&revoked.id().to_string()).unwrap();
    all.reload.reload().unwrap();
    all.advance(60);
    let mistyped = all.authenticator.fault_of(Credentials::new(Some("ftx_"), peer(1)));
    let faults = [
        all.login(&changed(&good, 0)).unwrap_err(),
        all.login(&AccessToken::new(TokenId([1; 4]), [1; 32])).unwrap_err(),
        all.login(&expired).unwrap_err(),
        all.login(&revoked).unwrap_err(),
        mistyped.unwrap_err(),
        all.show(key('c')).unwrap_err(),
        all.show(key('b')).unwrap_err(),
    ];
    let texts: std::collections::HashSet<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), faults.len(), "{texts:?}");
    for (fault, said) in faults.iter().zip([
        "wrong secret",
        "unknown token",
        "has expired",
        "was revoked",
        "no valid token",
        "no user has",
        "several users have",
    ]) {
        assert!(fault.to_string().contains(said), "{fault}");
        assert_eq!(fault.refusal(), faults[0].refusal());
        assert_eq!(fault.refusal().reason, Reason::Unauthorised);
    }
}

#[test]
fn a_certificate_stands_for_its_user() {
    let all = Fixture::new(policy(&[("alice", &['a', 'b', 'a'])]));
    for digit in ['a', 'b'] {
        assert_eq!(all.show(key(digit)).unwrap().principal, alice());
    }
    let fault = LoginFault::UnknownCertificate { key: key('c') };
    assert_eq!(all.show(key('c')).unwrap_err(), fault);
}

#[test]
fn credentials_that_are_not_accepted_never_count_as_none() {
    let anonymous = Some(Scope::everything());
    let all = Fixture::new(AccessPolicy { anonymous, ..policy(&[("alice", &['a'])]) });
    let login = |auth, certificate: Option<char>| {
        let credentials = Credentials::new(auth, peer(1));
        all.authenticator.authenticate(credentials.with_certificate(certificate.map(key)))
    };
    assert_eq!(login(None, None).unwrap().principal, Principal::Anonymous);
    for auth in ["", "ftx_", "x"] {
        login(Some(auth), None).unwrap_err();
        login(Some(auth), Some('a')).unwrap_err();
    }
    login(None, Some('c')).unwrap_err();
    // The token decides alone.
    let bob = all.add("bob", None).to_string();
    assert_eq!(login(Some(&bob), Some('a')).unwrap().principal, Principal::user("bob"));
}

#[test]
fn without_rights_for_them_anonymous_clients_are_refused() {
    let all = Fixture::new(policy(&[]));
    let refusal = all.authenticator.authenticate(Credentials::new(None, peer(1))).unwrap_err();
    assert_eq!(refusal.reason, Reason::Unauthorised);
    // Nothing was tried, so nothing is limited.
    for _ in 0..20 {
        all.authenticator.authenticate(Credentials::new(None, peer(1))).unwrap_err();
    }
    all.login(&all.add("alice", None)).unwrap();
}

#[test]
fn legacy_clients_are_served_from_their_networks() {
    let networks = vec!["10.0.0.1/32".parse().unwrap()];
    let legacy = Some(LegacyPolicy::new(networks, Scope::everything()));
    let all = Fixture::new(AccessPolicy { legacy, ..AccessPolicy::default() });
    assert_eq!(all.authenticator.legacy(peer(1)).unwrap().principal, Principal::Legacy);
    assert_eq!(all.authenticator.legacy(peer(2)).unwrap_err().reason, Reason::Unauthorised);
    all.access.replace(AccessPolicy::default());
    all.authenticator.legacy(peer(1)).unwrap_err();
}

#[test]
fn after_many_failures_even_a_right_token_has_to_wait() {
    let all = Fixture::new(policy(&[("alice", &['a'])]));
    let token = all.add("alice", None).to_string();
    let authenticate =
        |auth, peer| all.authenticator.authenticate(Credentials::new(Some(auth), peer));
    for _ in 0..9 {
        authenticate("ftx_", peer(1)).unwrap_err();
    }
    for _ in 0..20 {
        authenticate(&token, peer(1)).unwrap();
    }
    assert_eq!(authenticate("ftx_", peer(1)).unwrap_err().reason, Reason::Unauthorised);
    let refusal = authenticate(&token, peer(1)).unwrap_err();
    assert_eq!(refusal.reason, Reason::TooManyRequests);
    authenticate(&token, peer(2)).unwrap();
}

#[test]
fn a_token_ends_its_connections_when_it_expires() {
    let all = Fixture::new(policy(&[("alice", &[])]));
    let token = all.add("alice", Some(Duration::from_secs(60)));
    let identity = all.login(&token).unwrap();
    all.advance(59);
    all.reload.reload().unwrap();
    assert!(!identity.ended.is_cancelled());
    all.login(&token).unwrap();
    all.advance(1);
    // Before the next look at the clock, too.
    assert!(matches!(all.login(&token), Err(LoginFault::Expired { .. })));
    all.reload.reload().unwrap();
    assert!(identity.ended.is_cancelled());
    // A clock that is set back revives nothing.
    *all.clock.0.lock().unwrap() = UNIX_EPOCH + Duration::from_secs(1_000_000);
    assert!(matches!(all.login(&token), Err(LoginFault::Expired { .. })));
}

#[test]
fn a_revoked_token_ends_its_own_connections_only() {
    let all = Fixture::new(policy(&[("alice", &[]), ("bob", &[])]));
    let tokens = ["alice", "alice", "bob"].map(|user| all.add(user, None));
    let identities = tokens.each_ref().map(|token| all.login(token).unwrap());
    let ended = || identities.each_ref().map(|identity| identity.ended.is_cancelled());
    all.add("carol", None);
    assert_eq!(ended(), [false; 3]);
    all.file.revoke(&tokens[0].id().to_string()).unwrap();
    all.reload.reload().unwrap();
    assert_eq!(ended(), [true, false, false]);
    assert!(matches!(all.login(&tokens[0]), Err(LoginFault::Revoked { .. })));
    all.file.revoke("bob").unwrap();
    all.reload.reload().unwrap();
    assert_eq!(ended(), [true, false, true]);
}

#[test]
fn tokens_that_are_gone_or_given_to_others_end_too() {
    let all = Fixture::new(policy(&[("alice", &[])]));
    let tokens = ["alice", "bob"].map(|user| all.add(user, None));
    let identities = tokens.each_ref().map(|token| all.login(token).unwrap());
    let text = fs::read_to_string(all.file.path()).unwrap();
    fs::write(all.file.path(), text.replace("bob", "alice")).unwrap();
    all.reload.reload().unwrap();
    assert!(!identities[0].ended.is_cancelled() && identities[1].ended.is_cancelled());
    assert_eq!(all.login(&tokens[1]).unwrap().principal, alice());
    fs::remove_file(all.file.path()).unwrap();
    all.reload.reload().unwrap();
    assert!(identities[0].ended.is_cancelled());
    assert!(matches!(all.login(&tokens[0]), Err(LoginFault::UnknownToken { .. })));
}

#[test]
fn a_damaged_file_leaves_the_former_tokens_in_force() {
    let all = Fixture::new(policy(&[("alice", &[])]));
    let token = all.add("alice", None);
    let identity = all.login(&token).unwrap();
    fs::write(all.file.path(), "ftx-tokens 1\nnonsense\n").unwrap();
    assert!(matches!(all.reload.reload(), Err(TokenFileError::Damaged { line: 2, .. })));
    all.login(&token).unwrap();
    assert!(!identity.ended.is_cancelled());
    let start = TokenAuthenticator::start(all.access.clone(), all._dir.path());
    assert!(matches!(start, Err(TokenFileError::Damaged { .. })));
}

#[test]
fn a_certificate_that_is_taken_from_its_user_ends_its_connections() {
    let all = Fixture::new(policy(&[("alice", &['a', 'b', 'c']), ("bob", &['d'])]));
    let identities = ['a', 'b', 'c', 'd'].map(|digit| all.show(key(digit)).unwrap());
    let ended = || identities.each_ref().map(|identity| identity.ended.is_cancelled());
    all.access.replace(policy(&[("alice", &['a', 'c']), ("bob", &['b', 'c', 'd'])]));
    all.reload.reload().unwrap();
    // The second is bob's now, and the third nobody's alone.
    assert_eq!(ended(), [false, true, true, false]);
    assert_eq!(all.show(key('b')).unwrap().principal, Principal::user("bob"));
    all.show(key('c')).unwrap_err();
    all.access.replace(policy(&[]));
    all.show(key('a')).unwrap_err();
    assert_eq!(ended(), [true; 4]);
}

#[test]
fn a_user_without_rights_is_known_but_may_do_nothing() {
    let all = Fixture::new(policy(&[]));
    let identity = all.login(&all.add("alice", None)).unwrap();
    assert_eq!(identity.principal, alice());
    assert!(all.access.current().scope(&identity.principal).is_none());
}

#[test]
fn everyone_is_accepted_whatever_the_proof() {
    for auth in [None, Some("secret")] {
        let identity = Everyone.authenticate(Credentials::new(auth, peer(1))).unwrap();
        assert_eq!(identity.principal, Principal::Anonymous);
        assert!(!identity.ended.is_cancelled());
    }
    assert_eq!(Everyone.legacy(peer(1)).unwrap().principal, Principal::Legacy);
}

#[test]
fn users_differ_by_their_names() {
    assert_eq!(Principal::user("alice"), Principal::user("alice"));
    assert_ne!(Principal::user("alice"), Principal::user("bob"));
    assert_ne!(Principal::user(""), Principal::Anonymous);
}

#[test]
fn a_proof_is_not_shown() {
    let shown = format!("{:?}", Credentials::new(Some("secret"), peer(1)));
    assert!(!shown.contains("secret") && shown.contains("10.0.0.1"), "{shown}");
}
