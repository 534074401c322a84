//! Users, grants, and the networks that are trusted.

use ftx_core::escaped;

use super::nearest::advice;
use super::networks;
use super::reader::TableReader;
use super::users::Users;
use crate::access::{AccessPolicy, Grant, GrantPath, Grants, LegacyPolicy, Rights, Scope};

/// The keys at the beginning of a file that this module reads.
pub(super) const KEYS: [&str; 5] = ["user", "grant", "anonymous", "legacy", "trusted_proxies"];

/// The setting with the issuers of client certificates.
pub(super) const CLIENT_CA: &str = "client_ca";

/// What a client without credentials may do, if nothing else is said.
const ANONYMOUS_RIGHTS: Rights = Rights::LIST.union(Rights::READ);

/// Reads the policy of a server, which has issuers of client certificates or not.
pub(super) fn read(root: &TableReader<'_>, has_client_ca: bool) -> AccessPolicy {
    let mut users = Users::default();
    if let Some(value) = root.value("user").filter(|value| value.as_str().is_some()) {
        let message = "write [[user]] for a user with rights; the user as which the server runs is \
                       the key \"user\" in [process]";
        root.findings.add(&value.span, message);
    }
    let tables = root.value("user").is_none_or(|value| value.as_str().is_none());
    for table in tables.then(|| root.tables("user", "[[user]]")).into_iter().flatten() {
        users.add_user(&table);
    }
    for table in root.tables("grant", "[[grant]]") {
        users.add_grant(&table);
    }
    if let Some(first) = users.first_certificates().filter(|_| !has_client_ca) {
        let message = format!(
            "certificates: no client can show one; name a file with their issuers by the key {CLIENT_CA:?} in [tls]"
        );
        root.findings.add(first, message);
    }
    let anonymous = root.table("anonymous", "[anonymous]");
    let legacy = root.table("legacy", "[legacy]");
    AccessPolicy {
        users: users.finish(),
        anonymous: anonymous.map(|table| {
            table.reject_others(["path", "can", "quota", "max_file", "limit_rate"], &|_| None);
            scope(&table, "[anonymous]", Some(ANONYMOUS_RIGHTS))
        }),
        legacy: legacy.map(|table| {
            table.reject_others(
                ["networks", "path", "can", "quota", "max_file", "limit_rate"],
                &|_| None,
            );
            legacy_policy(&table)
        }),
        trusted_proxies: networks::read(root, "trusted_proxies").unwrap_or_default(),
        allows_plain: false,
    }
}

fn legacy_policy(table: &TableReader<'_>) -> LegacyPolicy {
    let networks = networks::read(table, "networks").unwrap_or_else(networks::loopback);
    if let Some(value) = table.texts("networks").filter(|networks| networks.is_empty()) {
        let message =
            "a legacy client of no network is never served; remove [legacy], or name a network";
        table.findings.add(&value.span, message);
    }
    LegacyPolicy::new(networks, scope(table, "[legacy]", None))
}

/// The scope of clients without a name, who have rights on one directory.
fn scope(table: &TableReader<'_>, name: &str, default: Option<Rights>) -> Scope {
    if default.is_none() {
        table.require("can");
    }
    let path = match table.text("path") {
        Some(_) => path(table),
        None => Some(GrantPath::ROOT),
    };
    let rights = rights(table);
    if let Some(can) = table.texts("can").filter(|can| can.is_empty()) {
        let message = format!("nobody may do anything here; name a right, or remove {name}");
        table.findings.add(&can.span, message);
    }
    let grant = path.zip(rights.or(default)).map(|(path, rights)| Grant { path, rights });
    Scope {
        grants: Grants::new(grant),
        quota_bytes: table.size("quota"),
        max_file_bytes: table.size("max_file"),
        bytes_per_second: table.rate("limit_rate"),
    }
}

/// The path of a grant; `None` if there is none, or a wrong one.
pub(super) fn path(table: &TableReader<'_>) -> Option<GrantPath> {
    let text = table.text("path")?;
    match GrantPath::parse(&text) {
        Ok(path) => Some(path),
        Err(error) => {
            table
                .findings
                .add(&text.span, format!("path: {:?}: {error}", escaped(&text).to_string()));
            None
        }
    }
}

/// The rights of a grant; `None` if there are none, or a wrong one.
pub(super) fn rights(table: &TableReader<'_>) -> Option<Rights> {
    let names = || Rights::NAMES.iter().map(|&(name, _)| name);
    let texts = table.texts("can")?;
    let mut rights = Some(Rights::empty());
    for text in texts.iter() {
        match (Rights::named(text), &mut rights) {
            (None, _) => {
                let name = text.value;
                let message = format!("unknown right {name:?}{}", advice(name, names()));
                table.findings.add(&text.span, message);
                rights = None;
            }
            (Some(right), Some(rights)) if rights.contains(right) => {
                table.findings.add(&text.span, format!("{:?} is already in this list", text.value));
            }
            (Some(right), Some(rights)) => *rights |= right,
            (Some(_), None) => {}
        }
    }
    rights
}
