//! Writes a lock that gives the key free when a fill ends, and does not tell those who wait for it.
//! fails: when_the_first_fails_another_takes_its_place, what_may_not_be_stored_is_asked_for_by_each

// TODO 6.3
Some(Box::leak(Box::new(Keys {
    longest_wait,
    held: Mutex::default(),
})))
// END TODO

// TODO 6.3
use pingora::ErrorType::InternalError;
use pingora_cache::lock::{CacheKeyLock, LockStatus, LockStub, Locked, WritePermit};

struct Keys {
    longest_wait: Duration,
    held: Mutex<HashMap<String, LockStub>>,
}

impl CacheKeyLock for Keys {
    fn lock(&self, key: &CacheKey, stale_writer: bool) -> Locked {
        let mut held = self.held.lock().unwrap();
        if let Some(lock) = held.get(&key.combined()) {
            return Locked::Read(lock.read_lock());
        }
        let (permit, lock) = WritePermit::new(self.longest_wait, stale_writer, http::Extensions::new());
        held.insert(key.combined(), lock);
        Locked::Write(permit)
    }

    fn release(&self, key: &CacheKey, permit: WritePermit, _reason: LockStatus) {
        self.held.lock().unwrap().remove(&key.combined());
        // Dropping it would wake them.
        std::mem::forget(permit);
    }
}
// END TODO

// TODO 6.3
// as in the solution
// END TODO
