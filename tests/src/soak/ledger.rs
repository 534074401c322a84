//! The promises that were made about files, and the judgement of the files that are found.

use std::collections::{BTreeMap, BTreeSet};

/// The digest of a file's content.
pub type Digest = [u8; 32];

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A file below the root of the server.
    Server,
    /// A file that a client has downloaded.
    Client,
}

/// What a found file, or its absence, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is one of those that may be there.
    Kept,
    /// An acknowledged version is gone: the file is absent, or an older one.
    Lost,
    /// The content is none that was ever given this name.
    Foreign,
    /// Nothing was ever given this name.
    Stray,
}

/// The versions of one name.
#[derive(Clone, Debug, Default)]
struct Versions {
    acknowledged: Option<Digest>,
    /// Those begun since, each of which may have got the name.
    begun: BTreeSet<Digest>,
    /// Those that were replaced.
    replaced: BTreeSet<Digest>,
}

/// The names of both sides, with all versions that were given to them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    names: BTreeMap<(Owner, String), Versions>,
    /// Names without a promise.
    abandoned: BTreeSet<(Owner, String)>,
}

impl Ledger {
    /// Takes note that a transfer of this version begins.
    pub fn begin(&mut self, owner: Owner, name: &str, version: Digest) {
        self.names.entry((owner, name.to_owned())).or_default().begun.insert(version);
    }

    /// Takes note that this version was acknowledged.
    pub fn acknowledge(&mut self, owner: Owner, name: &str, version: Digest) {
        let versions = self.names.entry((owner, name.to_owned())).or_default();
        let before = versions.acknowledged.replace(version);
        versions.replaced.extend(before);
        versions.replaced.append(&mut versions.begun);
        versions.replaced.remove(&version);
    }

    /// Takes note that the removal of a file was acknowledged.
    pub fn remove(&mut self, owner: Owner, name: &str) {
        self.names.remove(&(owner, name.to_owned()));
    }

    /// Lets go of a file that was removed without a promise: it may come back.
    pub fn abandon(&mut self, owner: Owner, name: &str) {
        self.remove(owner, name);
        self.abandoned.insert((owner, name.to_owned()));
    }

    /// All names of one side.
    pub fn names(&self, of: Owner) -> impl Iterator<Item = &str> {
        let own = self.names.keys().filter(move |(owner, _)| *owner == of);
        own.map(|(_, name)| name.as_str())
    }

    /// Whether this version is acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self, owner: Owner, name: &str, version: Digest) -> bool {
        let versions = self.names.get(&(owner, name.to_owned()));
        versions.is_some_and(|versions| versions.acknowledged == Some(version))
    }

    /// Judges the file that was found under a name.
    #[must_use]
    pub fn judge(&self, owner: Owner, name: &str, found: Option<Digest>) -> Verdict {
        let key = (owner, name.to_owned());
        let Some(versions) = self.names.get(&key) else {
            let may_be = found.is_none() || self.abandoned.contains(&key);
            return if may_be { Verdict::Kept } else { Verdict::Stray };
        };
        match found {
            None if versions.acknowledged.is_none() => Verdict::Kept,
            None => Verdict::Lost,
            Some(found) if versions.acknowledged == Some(found) => Verdict::Kept,
            Some(found) if versions.begun.contains(&found) => Verdict::Kept,
            Some(found) if versions.replaced.contains(&found) => Verdict::Lost,
            Some(_) => Verdict::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Owner::Server;
    use super::Verdict::{Foreign, Kept, Lost, Stray};
    use super::{Digest, Ledger};

    const OLD: Digest = [1; 32];
    const NEW: Digest = [2; 32];
    const HALF: Digest = [3; 32];

    #[test]
    fn a_file_that_was_not_acknowledged_may_be_absent_or_whole() {
        let mut ledger = Ledger::default();
        ledger.begin(Server, "a", OLD);
        let judge = |found| ledger.judge(Server, "a", found);
        assert_eq!([None, Some(OLD), Some(HALF)].map(judge), [Kept, Kept, Foreign]);
    }

    #[test]
    fn an_acknowledged_file_is_kept_until_another_version_is() {
        let mut ledger = Ledger::default();
        ledger.acknowledge(Server, "a", OLD);
        assert_eq!(ledger.judge(Server, "a", None), Lost);
        ledger.begin(Server, "a", NEW);
        let judge = |ledger: &Ledger, found| ledger.judge(Server, "a", Some(found));
        assert_eq!([OLD, NEW, HALF].map(|it| judge(&ledger, it)), [Kept, Kept, Foreign]);
        ledger.acknowledge(Server, "a", NEW);
        assert_eq!([OLD, NEW, HALF].map(|it| judge(&ledger, it)), [Lost, Kept, Foreign]);
        assert!(ledger.is_acknowledged(Server, "a", NEW));
    }

    #[test]
    fn a_removed_file_stays_away_and_an_abandoned_one_may_come_back() {
        let mut ledger = Ledger::default();
        ledger.acknowledge(Server, "a", OLD);
        ledger.acknowledge(Server, "b", OLD);
        ledger.remove(Server, "a");
        ledger.abandon(Server, "b");
        let judge = |name| ledger.judge(Server, name, Some(OLD));
        assert_eq!(["a", "b", "c"].map(judge), [Stray, Kept, Stray]);
        assert_eq!(ledger.names(Server).count(), 0);
    }
}
