//! Fingerprints of public keys, by which people and pins name a server or a client.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};

/// The name of the hash, which every written fingerprint begins with.
const PREFIX: &str = "sha256:";

/// The SHA-256 of a certificate's public key (its `SubjectPublicKeyInfo`). A certificate that is renewed
/// with the same key keeps it. Written as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// The text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is sha256: and 64 hexadecimal digits")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint of the public key in a certificate.
    ///
    /// # Errors
    /// The certificate cannot be read.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        Ok(Self(Sha256::digest(&key).into()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Also reads upper case, and pairs of digits between colons, as other tools print them.
impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (prefix, digits) = text.split_at_checked(PREFIX.len()).ok_or(FingerprintError)?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return Err(FingerprintError);
        }
        let digits = match digits.split(':').collect::<Vec<_>>() {
            pairs if pairs.iter().all(|pair| pair.len() == 2) => pairs.concat(),
            _ => digits.to_owned(),
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| FingerprintError)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "sha256:00ff01020304050607080910111213141516171819202122232425262728293f";

    #[test]
    fn it_is_read_as_it_is_written() {
        let fingerprint: Fingerprint = TEXT.parse().unwrap();
        assert_eq!(fingerprint.to_string(), TEXT);
        assert_eq!(TEXT.to_uppercase().parse(), Ok(fingerprint));
        let pairs: Vec<_> = TEXT.as_bytes()[7..].chunks(2).map(String::from_utf8_lossy).collect();
        assert_eq!(format!("SHA256:{}", pairs.join(":")).parse(), Ok(fingerprint));
    }

    #[test]
    fn other_texts_are_refused() {
        let (short, long) = (&TEXT[..70], format!("{TEXT}00"));
        let md5 = TEXT.replace("sha256", "md5");
        let letter = TEXT.replace('f', "g");
        for text in
            ["", "sha256:", &TEXT[7..], short, &long, &md5, &letter, "sha256:é", "sha25é:00"]
        {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
    }

    #[test]
    fn it_is_that_of_the_key_and_not_of_the_certificate() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = |name: &str| {
            let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.self_signed(&key).unwrap().der().clone()
        };
        let [one, two] = ["one", "two"].map(certificate);
        assert_ne!(one, two);
        let of = |certificate| Fingerprint::of_certificate(certificate).unwrap();
        assert_eq!(of(&one), of(&two));
        let other = rcgen::generate_simple_self_signed(vec!["one".to_owned()]).unwrap();
        assert_ne!(of(&one), of(other.cert.der()));
        assert!(Fingerprint::of_certificate(&CertificateDer::from(vec![0; 9])).is_err());
    }
}
