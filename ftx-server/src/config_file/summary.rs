//! A policy in words: who may do what, and where.

use std::fmt;

use bytesize::ByteSize;

use super::Listed;
use crate::access::{AccessPolicy, Grant, Rights, Scope};

/// Displays a policy as lines for people.
#[derive(Clone, Copy, Debug)]
pub struct AccessSummary<'a>(pub &'a AccessPolicy);

impl fmt::Display for AccessSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(policy) = self;
        let mut users: Vec<_> = policy.users.iter().collect();
        users.sort_by_key(|(name, _)| *name);
        for (name, user) in users {
            write!(f, "user {name:?} {}", ScopeSummary(&user.scope))?;
            match user.certificates.len() {
                0 => writeln!(f)?,
                1 => writeln!(f, "; one certificate stands for this user")?,
                many => writeln!(f, "; {many} certificates stand for this user")?,
            }
        }
        match &policy.anonymous {
            Some(scope) => writeln!(f, "clients without credentials {}", ScopeSummary(scope))?,
            None => writeln!(f, "clients without credentials are refused")?,
        }
        match &policy.legacy {
            Some(legacy) => {
                let networks: Vec<_> = legacy.networks.iter().map(ToString::to_string).collect();
                let scope = ScopeSummary(&legacy.scope);
                writeln!(f, "legacy clients from {} {scope}", Listed(&networks))?;
            }
            None => writeln!(f, "legacy clients are refused")?,
        }
        if !policy.trusted_proxies.is_empty() {
            let proxies: Vec<_> = policy.trusted_proxies.iter().map(ToString::to_string).collect();
            writeln!(f, "proxies in {} name the addresses of their clients", Listed(&proxies))?;
        }
        match policy.allows_plain {
            true => write!(f, "other machines may connect without TLS"),
            false => write!(f, "other machines must connect with TLS"),
        }
    }
}

/// The end of a sentence about somebody.
struct ScopeSummary<'a>(&'a Scope);

impl fmt::Display for ScopeSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(scope) = self;
        let grants: Vec<_> = scope.grants.iter().map(in_words).collect();
        match &*grants {
            [] => f.write_str("may do nothing")?,
            grants => write!(f, "may {}", grants.join("; "))?,
        }
        if let Some(bytes) = scope.quota_bytes {
            write!(f, "; at most {} in all", ByteSize::b(bytes).display().si())?;
        }
        if let Some(bytes) = scope.max_file_bytes {
            write!(f, "; at most {} in a file", ByteSize::b(bytes).display().si())?;
        }
        if let Some(rate) = scope.bytes_per_second {
            write!(f, "; at most {} a second", ByteSize::b(rate.get()).display().si())?;
        }
        Ok(())
    }
}

fn in_words(grant: &Grant) -> String {
    let names = Rights::NAMES.iter().filter(|&&(_, right)| grant.rights.contains(right));
    let names: Vec<_> = names.map(|&(name, _)| name.to_owned()).collect();
    let is_drop_box = grant.rights.contains(Rights::CREATE)
        && !grant.rights.intersects(Rights::LIST | Rights::READ);
    let note = if is_drop_box { " (a drop box)" } else { "" };
    match grant.path.as_str() {
        "" => format!("{} everywhere{note}", Listed(&names)),
        path => format!("{} below {path:?}{note}", Listed(&names)),
    }
}
