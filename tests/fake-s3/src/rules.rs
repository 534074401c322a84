//! The rules that are set, and the requests that wait for a test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, watch};

use crate::fault::{Rule, S3Fault};
use crate::operation::RequestTarget;

/// A handle on a rule that has been set. The rule stays when the handle is dropped.
#[derive(Clone)]
pub struct FaultHandle {
    set: Arc<SetRule>,
    rules: Arc<Rules>,
}

impl FaultHandle {
    /// Returns how many requests the fault has struck.
    pub fn hits(&self) -> u64 {
        self.set.hits.load(Ordering::SeqCst)
    }

    /// Returns how many requests the rule holds now.
    pub fn held_now(&self) -> u64 {
        *self.set.held.borrow()
    }

    /// Waits until the rule holds a request.
    pub async fn held(&self) {
        self.held_count(1).await;
    }

    /// Waits until the rule holds so many requests at once.
    pub async fn held_count(&self, count: u64) {
        let mut held = self.set.held.subscribe();
        // The sender lives as long as this handle, so there is no other end of the wait.
        let _ = held.wait_for(|held| *held >= count).await;
    }

    /// Lets one request go on, one that is held or else the next one.
    pub fn release_one(&self) {
        self.set.gate.add_permits(1);
    }

    /// Lets all held requests go on, and holds no more.
    pub fn release(&self) {
        self.set.gate.close();
    }

    /// Removes the rule. Requests that it holds go on.
    pub fn remove(&self) {
        self.rules.lock().retain(|set| !Arc::ptr_eq(set, &self.set));
        self.release();
    }
}

/// A rule with its count of requests.
pub(crate) struct SetRule {
    rule: Rule,
    matches: AtomicU64,
    hits: AtomicU64,
    held: watch::Sender<u64>,
    gate: Semaphore,
}

impl SetRule {
    pub(crate) fn fault(&self) -> &S3Fault {
        &self.rule.fault
    }

    /// Waits until the test lets the request go on.
    pub(crate) async fn hold(&self) {
        self.held.send_modify(|held| *held += 1);
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
        self.held.send_modify(|held| *held = held.saturating_sub(1));
    }

    fn strikes(&self, target: &RequestTarget) -> bool {
        let rule = &self.rule;
        if rule.operation.is_some_and(|operation| operation != target.operation)
            || !target.key.starts_with(&rule.key_prefix)
        {
            return false;
        }
        let number = self.matches.fetch_add(1, Ordering::SeqCst) + 1;
        let strikes = rule.occurrence.includes(number);
        if strikes {
            self.hits.fetch_add(1, Ordering::SeqCst);
        }
        strikes
    }
}

/// All rules that are set.
#[derive(Default)]
pub(crate) struct Rules {
    set: Mutex<Vec<Arc<SetRule>>>,
}

impl Rules {
    pub(crate) fn add(self: &Arc<Self>, rule: Rule) -> FaultHandle {
        let set = Arc::new(SetRule {
            rule,
            matches: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            held: watch::Sender::new(0),
            gate: Semaphore::new(0),
        });
        self.lock().push(Arc::clone(&set));
        FaultHandle { set, rules: Arc::clone(self) }
    }

    /// Removes all rules. Requests that they hold go on.
    pub(crate) fn clear(&self) {
        self.lock().drain(..).for_each(|set| set.gate.close());
    }

    /// Returns the rules whose faults strike a request, in the order in which they were set.
    pub(crate) fn strike(&self, target: &RequestTarget) -> Vec<Arc<SetRule>> {
        self.lock().iter().filter(|set| set.strikes(target)).cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<SetRule>>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;

    fn strikes(rule: Rule, keys: &[&str]) -> Vec<bool> {
        let rules = Arc::new(Rules::default());
        let handle = rules.add(rule);
        let target =
            |key: &&str| RequestTarget { operation: Operation::GetObject, key: (*key).to_owned() };
        let struck: Vec<bool> =
            keys.iter().map(|key| !rules.strike(&target(key)).is_empty()).collect();
        assert_eq!(handle.hits(), struck.iter().filter(|struck| **struck).count() as u64);
        struck
    }

    #[test]
    fn rules_choose_their_requests() {
        let fault = || S3Fault::CorruptBody { at: 0 };
        let get = || Rule::new(Operation::GetObject, fault());
        assert_eq!(strikes(get(), &["a", "b"]), [true, true]);
        assert_eq!(strikes(get().nth(2), &["a", "b", "c"]), [false, true, false]);
        assert_eq!(strikes(get().first(2), &["a", "b", "c"]), [true, true, false]);
        assert_eq!(strikes(get().key("b").once(), &["a", "b1", "b2"]), [false, true, false]);
        assert_eq!(strikes(Rule::new(Operation::PutObject, fault()), &["a"]), [false]);
        assert_eq!(strikes(Rule::any(fault()), &["a"]), [true]);
    }

    #[tokio::test]
    async fn a_held_request_waits_for_its_release() {
        let rules = Arc::new(Rules::default());
        let handle = rules.add(Rule::any(S3Fault::Hold(crate::StrikePoint::Before)));
        let set = Arc::clone(&handle.set);
        let hold = || {
            let set = Arc::clone(&set);
            tokio::spawn(async move { set.hold().await })
        };
        let (first, second) = (hold(), hold());
        handle.held_count(2).await;
        handle.release_one();
        handle.set.held.subscribe().wait_for(|held| *held == 1).await.unwrap();
        handle.remove();
        first.await.unwrap();
        second.await.unwrap();
        assert_eq!(handle.held_now(), 0);
        let target = RequestTarget { operation: Operation::Other, key: String::new() };
        assert!(rules.strike(&target).is_empty());
    }
}
