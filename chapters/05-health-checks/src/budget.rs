//! A retry budget: retries are a share of the requests, so that they cannot double the load of a fleet that is dying.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Into so many slots the window is cut: old requests leave it one slot at a time.
const SLOTS: u32 = 10;

/// How much may be tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Retries for each hundred requests of the window.
    pub(crate) percent: u64,
    /// Retries that a window allows however few its requests are: a quiet proxy may try again too.
    pub(crate) floor: u64,
    pub(crate) window: Duration,
}

/// What is left of the budget, as `/status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) requests: u64,
    pub(crate) retries: u64,
    pub(crate) left: u64,
}

/// Counts requests and retries over the last window. Its memory is bounded by the number of slots.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    policy: Policy,
    begin: Instant,
    slots: Mutex<VecDeque<Slot>>,
}

/// A tenth of the window.
#[derive(Debug)]
struct Slot {
    /// Counted from `begin`.
    number: u128,
    requests: u64,
    retries: u64,
}

impl RetryBudget {
    pub(crate) fn new(policy: Policy, now: Instant) -> Self {
        Self {
            policy,
            begin: now,
            slots: Mutex::default(),
        }
    }

    /// A request of a client, counted once however often it is tried.
    pub(crate) fn request(&self, now: Instant) {
        if let Some(slot) = self.slots(now).back_mut() {
            slot.requests += 1;
        }
    }

    /// Takes one retry from the budget, if there is one left.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut slots = self.slots(now);
        // Looked at and taken under one lock: two threads never take the last one both.
        let left = self.spent_of(&slots).left;
        match slots.back_mut() {
            Some(slot) if left > 0 => {
                slot.retries += 1;
                true
            }
            _ => false,
        }
    }

    /// What `/status` shows.
    pub(crate) fn spent(&self, now: Instant) -> Spent {
        self.spent_of(&self.slots(now))
    }

    fn spent_of(&self, slots: &VecDeque<Slot>) -> Spent {
        let requests: u64 = slots.iter().map(|slot| slot.requests).sum();
        let retries: u64 = slots.iter().map(|slot| slot.retries).sum();
        let allowed = (self.policy.percent.saturating_mul(requests) / 100).max(self.policy.floor);
        Spent {
            requests,
            retries,
            left: allowed.saturating_sub(retries),
        }
    }

    /// The slots of the window that ends now; the last one is the present.
    fn slots(&self, now: Instant) -> MutexGuard<'_, VecDeque<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let width = (self.policy.window / SLOTS).as_nanos().max(1);
        let number = now.saturating_duration_since(self.begin).as_nanos() / width;
        // A thread may come with a time that it took a moment ago: that is counted as the present.
        let present = slots.back().map_or(number, |last| last.number.max(number));
        slots.retain(|slot| slot.number + u128::from(SLOTS) > present);
        if slots.back().is_none_or(|last| last.number < present) {
            slots.push_back(Slot {
                number: present,
                requests: 0,
                retries: 0,
            });
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const MS: Duration = Duration::from_millis(1);

    fn budget(percent: u64, floor: u64) -> (RetryBudget, Instant) {
        let now = Instant::now();
        let window = 1000 * MS;
        let policy = Policy {
            percent,
            floor,
            window,
        };
        (RetryBudget::new(policy, now), now)
    }

    fn take_all(budget: &RetryBudget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn a_share_of_the_requests_and_no_more() {
        let (budget, now) = budget(20, 0);
        for _ in 0..100 {
            budget.request(now);
        }
        assert_eq!(take_all(&budget, now), 20);
    }

    #[test]
    fn the_floor_holds_without_requests_and_is_not_added_to_the_share() {
        let (budget, now) = budget(20, 3);
        assert_eq!(take_all(&budget, now), 3);
        for _ in 0..100 {
            budget.request(now);
        }
        assert_eq!(take_all(&budget, now), 17);
    }

    #[test]
    fn a_share_that_is_more_than_all_does_not_overflow() {
        let (budget, now) = budget(u64::MAX, 1);
        budget.request(now);
        budget.request(now);
        assert_eq!(take_all(&budget, now), 10_000);
    }

    #[test]
    fn what_was_spent_comes_back_when_the_window_has_passed() {
        let (budget, now) = budget(20, 2);
        assert_eq!(take_all(&budget, now), 2);
        assert_eq!(take_all(&budget, now + 999 * MS), 0);
        assert_eq!(take_all(&budget, now + 1000 * MS), 2);
    }

    #[test]
    fn old_requests_allow_nothing() {
        let (budget, now) = budget(50, 0);
        for _ in 0..10 {
            budget.request(now);
        }
        assert_eq!(budget.spent(now + 950 * MS).left, 5);
        assert_eq!(budget.spent(now + 1000 * MS).left, 0);
    }

    #[test]
    fn a_time_from_a_moment_ago_counts_as_the_present() {
        let (budget, now) = budget(100, 0);
        budget.request(now + 500 * MS);
        budget.request(now);
        assert_eq!(budget.spent(now + 500 * MS).requests, 2);
    }

    #[test]
    fn its_memory_is_bounded() {
        let (budget, now) = budget(20, 0);
        for step in 0..100_000 {
            budget.request(now + step * MS);
        }
        assert!(budget.slots(now).len() <= SLOTS as usize);
    }

    #[test]
    fn it_is_exact_when_many_threads_take_at_once() {
        let (budget, now) = budget(20, 0);
        let taken = AtomicUsize::new(0);
        for _ in 0..1000 {
            budget.request(now);
        }
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        taken.fetch_add(budget.take(now).into(), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 200);
    }
}
