use std::fs;
use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;

fn self_signed(dir: &Path) -> TlsFiles {
    let certificate = ServerCertificate::SelfSigned { dir: dir.to_owned() };
    TlsFiles { certificate, client_ca: None }
}

/// Writes a new certificate and its key.
fn issue(dir: &Path) -> TlsFiles {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["files.example".to_owned()]).unwrap();
    let [cert_path, key_path] = ["cert.pem", "key.pem"].map(|name| dir.join(name));
    fs::write(&cert_path, cert.pem()).unwrap();
    fs::write(&key_path, signing_key.serialize_pem()).unwrap();
    let certificate = ServerCertificate::Files { cert: cert_path, key: key_path };
    TlsFiles { certificate, client_ca: None }
}

#[test]
fn a_server_makes_its_key_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = self_signed(&dir.path().join("a/state"));
    let first = ServerTls::load(files.clone()).unwrap().fingerprint();
    assert_eq!(ServerTls::load(files.clone()).unwrap().fingerprint(), first);
    // A new certificate for the same key: clients that know the server still do.
    fs::remove_file(dir.path().join("a/state/certificate.pem")).unwrap();
    assert_eq!(ServerTls::load(files).unwrap().fingerprint(), first);
    let other = self_signed(&dir.path().join("b"));
    assert_ne!(ServerTls::load(other).unwrap().fingerprint(), first);
}

#[cfg(unix)]
#[test]
fn the_key_is_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    ServerTls::load(self_signed(&state)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join("key.pem"))), (0o700, 0o600));
    let names = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["certificate.pem", "key.pem"]);
}

#[test]
fn unusable_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let files = issue(dir.path());
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    let error = |files: &TlsFiles| ServerTls::load(files.clone()).unwrap_err().to_string();
    let (good_cert, good_key) = (fs::read(&cert).unwrap(), fs::read(&key).unwrap());
    fs::write(&key, &good_cert).unwrap();
    assert!(error(&files).contains("key.pem has no private key"), "{}", error(&files));
    fs::write(&key, &good_key).unwrap();
    fs::write(&cert, "nothing").unwrap();
    assert!(error(&files).contains("cert.pem has no certificate"), "{}", error(&files));
    // The key of another certificate.
    fs::write(&cert, &good_cert).unwrap();
    issue(dir.path());
    fs::write(&cert, &good_cert).unwrap();
    assert!(error(&files).contains("cert.pem and its key"), "{}", error(&files));
    fs::remove_file(&cert).unwrap();
    assert!(error(&files).contains("cert.pem"), "{}", error(&files));
    let with_ca = TlsFiles { client_ca: Some(dir.path().join("ca.pem")), ..issue(dir.path()) };
    assert!(error(&with_ca).contains("ca.pem"), "{}", error(&with_ca));
}

#[test]
fn a_reload_takes_the_new_files_or_keeps_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let tls = ServerTls::load(issue(dir.path())).unwrap();
    let first = tls.fingerprint();
    issue(dir.path());
    tls.reload().unwrap();
    let second = tls.fingerprint();
    assert_ne!(second, first);
    fs::write(dir.path().join("key.pem"), "nothing").unwrap();
    tls.reload().unwrap_err();
    assert_eq!(tls.fingerprint(), second);
}
