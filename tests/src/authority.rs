//! Certificates of servers and of clients, and their issuer.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _, date_time_ymd,
};
use sha2::{Digest as _, Sha256};

/// Issues certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The file with the certificate.
    pub cert: PathBuf,
    /// The file with its key.
    pub key: PathBuf,
    /// The SHA-256 of its public key, as programs take it.
    pub fingerprint: String,
}

impl Authority {
    /// A new issuer, whom nobody knows.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes its own certificate into a directory as `ca.pem`, and returns the path.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, dir: &Path) -> PathBuf {
        let path = dir.join("ca.pem");
        fs::write(&path, &self.pem).unwrap();
        path
    }

    /// Issues a certificate for a name, valid until the beginning of a year, and writes it into a directory,
    /// created if missing, as `cert.pem` and `key.pem`.
    ///
    /// # Panics
    /// If it cannot be made or written.
    pub fn issue(&self, dir: &Path, name: &str, until_year: i32) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until_year, 1, 1);
        let pair = KeyPair::generate().unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.join(name));
        fs::create_dir_all(dir).unwrap();
        fs::write(&cert, params.signed_by(&pair, &self.issuer).unwrap().pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
        let digest = hex::encode(Sha256::digest(pair.subject_public_key_info()));
        Issued { cert, key, fingerprint: format!("sha256:{digest}") }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Issued {
    /// The flags of a server that shows it.
    #[must_use]
    pub fn server_flags(&self) -> [OsString; 4] {
        ["--cert".into(), (&self.cert).into(), "--key".into(), (&self.key).into()]
    }

    /// The flags of a client that shows it.
    #[must_use]
    pub fn client_flags(&self) -> [OsString; 4] {
        ["--client-cert".into(), (&self.cert).into(), "--client-key".into(), (&self.key).into()]
    }
}
