//! Users, who exist by being named: in a grant, or in a table of their own.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

use ftx_io::Fingerprint;

use super::policy;
use super::reader::TableReader;
use crate::access::{Grant, Grants, Scope, UserPolicy};
use crate::auth::check_user_name;

/// The users as they have been read so far.
#[derive(Default)]
pub(super) struct Users {
    by_name: BTreeMap<Arc<str>, User>,
    /// Who has a certificate.
    certificates: HashMap<Fingerprint, Arc<str>>,
    /// Where the first list of certificates is that is not empty.
    first_certificates: Option<Range<usize>>,
}

#[derive(Default)]
struct User {
    /// Where the table of the user is, if there is one.
    table: Option<Range<usize>>,
    grants: Vec<(Grant, Range<usize>)>,
    quota_bytes: Option<u64>,
    max_file_bytes: Option<u64>,
    bytes_per_second: Option<NonZeroU64>,
    certificates: Vec<Fingerprint>,
}

impl Users {
    /// Adds what a `[[user]]` says.
    pub(super) fn add_user(&mut self, table: &TableReader<'_>) {
        table.reject_others(["name", "quota", "max_file", "limit_rate", "certificates"], &|_| None);
        let (quota_bytes, max_file_bytes) = (table.size("quota"), table.size("max_file"));
        let bytes_per_second = table.rate("limit_rate");
        let Some((name, span)) = name(table, "name") else { return };
        let certificates = self.certificates(table, &name);
        let user = self.by_name.entry(Arc::clone(&name)).or_default();
        if let Some(earlier) = &user.table {
            let line = table.findings.position(earlier).line;
            let message = format!("the user {name:?} has a table already, in line {line}");
            table.findings.add(&span, message);
            return;
        }
        *user = User {
            table: Some(span),
            quota_bytes,
            max_file_bytes,
            bytes_per_second,
            certificates,
            ..User::default()
        };
    }

    fn certificates(&mut self, table: &TableReader<'_>, name: &Arc<str>) -> Vec<Fingerprint> {
        let mut certificates = Vec::new();
        let texts = table.texts("certificates").filter(|texts| !texts.is_empty());
        if let Some(texts) = &texts {
            self.first_certificates.get_or_insert_with(|| texts.span.clone());
        }
        for text in texts.iter().flat_map(|texts| texts.iter()) {
            let fingerprint: Fingerprint = match text.parse() {
                Ok(fingerprint) => fingerprint,
                Err(error) => {
                    table.findings.add(&text.span, format!("{:?}: {error}", text.value));
                    continue;
                }
            };
            match self.certificates.insert(fingerprint, Arc::clone(name)) {
                Some(other) => {
                    let message = format!("this certificate already stands for the user {other:?}");
                    table.findings.add(&text.span, message);
                }
                None => certificates.push(fingerprint),
            }
        }
        certificates
    }

    /// Where the first list of certificates is that is not empty.
    pub(super) fn first_certificates(&self) -> Option<&Range<usize>> {
        self.first_certificates.as_ref()
    }

    /// Adds a `[[grant]]`.
    pub(super) fn add_grant(&mut self, table: &TableReader<'_>) {
        table.reject_others(["who", "path", "can"], &|_| None);
        ["who", "path", "can"].iter().for_each(|key| table.require(key));
        let (name, path, rights) = (name(table, "who"), policy::path(table), policy::rights(table));
        let (Some((name, _)), Some(path), Some(text)) = (name, path, table.text("path")) else {
            return;
        };
        let user = self.by_name.entry(Arc::clone(&name)).or_default();
        if let Some((_, earlier)) = user.grants.iter().find(|(grant, _)| grant.path == path) {
            let line = table.findings.position(earlier).line;
            let message =
                format!("{name:?} has a grant on {:?} already, in line {line}", path.as_str());
            table.findings.add(&text.span, message);
            return;
        }
        user.grants.push((Grant { path, rights: rights.unwrap_or_default() }, text.span));
    }

    /// The users and their rights.
    pub(super) fn finish(self) -> HashMap<Arc<str>, UserPolicy> {
        let policy = |user: User| UserPolicy {
            scope: Scope {
                grants: Grants::new(user.grants.into_iter().map(|(grant, _)| grant)),
                quota_bytes: user.quota_bytes,
                max_file_bytes: user.max_file_bytes,
                bytes_per_second: user.bytes_per_second,
            },
            certificates: user.certificates,
        };
        self.by_name.into_iter().map(|(name, user)| (name, policy(user))).collect()
    }
}

/// The name of a user, and its place.
fn name(table: &TableReader<'_>, key: &str) -> Option<(Arc<str>, Range<usize>)> {
    let text = table.text(key)?;
    match check_user_name(&text) {
        Ok(()) => Some((Arc::from(text.value), text.span)),
        Err(error) => {
            table.findings.add(&text.span, format!("{key}: {error}"));
            None
        }
    }
}
