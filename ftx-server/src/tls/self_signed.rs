//! The certificate that a server makes for itself.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ftx_io::{read_certificates, read_private_key};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use crate::state_dir;

const KEY_FILE: &str = "key.pem";
const CERTIFICATE_FILE: &str = "certificate.pem";

/// The name in the certificate. Clients trust it by its fingerprint, whatever the server's name is.
const SUBJECT: &str = "ftx-server";

/// Reads the key and the certificate, and makes those that are missing. Returns the file of the
/// certificate, too.
pub(super) fn load_or_create(
    dir: &Path,
) -> Result<(PathBuf, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let (key_path, path) = (dir.join(KEY_FILE), dir.join(CERTIFICATE_FILE));
    state_dir::create(dir).map_err(|source| TlsError::File { path: dir.to_owned(), source })?;
    if !exists(&key_path)? {
        let pair = KeyPair::generate().map_err(TlsError::Generate)?;
        write_new(&key_path, pair.serialize_pem().as_bytes())?;
    }
    if !exists(&path)? {
        let pem = std::fs::read_to_string(&key_path)
            .map_err(|source| TlsError::File { path: key_path.clone(), source })?;
        let pair = KeyPair::from_pem(&pem).map_err(TlsError::Generate)?;
        write_new(&path, certificate(&pair)?.as_bytes())?;
    }
    let chain = read_certificates(&path)?;
    Ok((path, chain, read_private_key(&key_path)?))
}

/// A certificate for a key, in PEM form.
fn certificate(pair: &KeyPair) -> Result<String, TlsError> {
    let mut params =
        CertificateParams::new(vec![SUBJECT.to_owned()]).map_err(TlsError::Generate)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, SUBJECT);
    Ok(params.self_signed(pair).map_err(TlsError::Generate)?.pem())
}

fn exists(path: &Path) -> Result<bool, TlsError> {
    path.try_exists().map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// Writes a file for its owner alone, which appears as a whole. A file of this name that another process
/// has written meanwhile stays.
fn write_new(path: &Path, content: &[u8]) -> Result<(), TlsError> {
    let write = || {
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(content).and_then(|()| file.sync_all())?;
        let linked = std::fs::hard_link(&part, path);
        std::fs::remove_file(&part)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    };
    write().map_err(|source| TlsError::File { path: path.to_owned(), source })
}
