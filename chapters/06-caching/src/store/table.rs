//! Finds entries, and throws out the least recently used one when room is needed.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pingora_cache::key::HashBinary;

use super::body::{Body, Budget, Charge};

/// How many responses that were too large are remembered.
const REMEMBERED: usize = 256;

/// The place of an entry. All variants of a response share the primary hash; the first one to be stored has no
/// variance in its key, and tells which request headers select the others (pingora-cache, `cache_vary_lookup`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub(super) primary: HashBinary,
    pub(super) variance: Option<HashBinary>,
}

/// A response: times and header as pingora-cache serializes them, and the body.
pub(super) struct Entry {
    pub(super) meta: (Vec<u8>, Vec<u8>),
    pub(super) body: Arc<Body>,
    _charge: Charge,
}

impl Entry {
    pub(super) fn new(meta: (Vec<u8>, Vec<u8>), charge: Charge, body: Arc<Body>) -> Self {
        Self {
            meta,
            body,
            _charge: charge,
        }
    }
}

pub(super) struct Table {
    /// The most bytes that a body may have.
    pub(super) largest: usize,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    families: HashMap<HashBinary, HashMap<Option<HashBinary>, Variant>>,
    /// When each stored variant was used last, oldest first. A counter, not a clock: no two are the same.
    order: BTreeMap<u64, Slot>,
    uses: u64,
    /// Responses on their way in, by number.
    fills: HashMap<u64, Arc<Entry>>,
    last_fill: u64,
    too_large: VecDeque<Slot>,
}

#[derive(Default)]
struct Variant {
    stored: Option<(u64, Arc<Entry>)>,
    /// The newest response on its way in. Readers prefer it: what is stored is older.
    fill: Option<u64>,
}

impl Table {
    pub(super) fn new(limit: usize, largest: usize) -> Self {
        Self {
            largest,
            budget: Arc::new(Budget::new(limit)),
            state: Mutex::new(State::default()),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.budget.taken()
    }

    /// Takes bytes from the budget, and throws out entries until they are there. `None` if nothing is left to throw
    /// out: the rest belongs to responses that are being written or read.
    pub(super) fn take(&self, bytes: usize) -> Option<Charge> {
        loop {
            if let Some(charge) = self.budget.take(bytes) {
                return Some(charge);
            }
            if !self.state().remove_oldest() {
                return None;
            }
        }
    }

    pub(super) fn find(&self, slot: &Slot) -> Option<Arc<Entry>> {
        self.state().find(slot)
    }

    pub(super) fn find_fill(&self, id: u64) -> Option<Arc<Entry>> {
        self.state().fills.get(&id).cloned()
    }

    /// A response is on its way in.
    pub(super) fn begin(&self, slot: &Slot, entry: Entry) -> u64 {
        let mut state = self.state();
        state.last_fill += 1;
        let id = state.last_fill;
        state.fills.insert(id, Arc::new(entry));
        state.variant(slot).fill = Some(id);
        id
    }

    /// A response is whole: it is stored, unless it was purged or another one was begun meanwhile.
    pub(super) fn commit(&self, slot: &Slot, id: u64) {
        let mut state = self.state();
        let entry = state.fills.remove(&id);
        let expected = state.fill_of(slot) == Some(id);
        if let (true, Some(entry)) = (expected, entry) {
            state.store(slot, entry);
        }
    }

    /// A response has failed, or was committed before.
    pub(super) fn forget_fill(&self, slot: &Slot, id: u64) {
        let mut state = self.state();
        state.fills.remove(&id);
        state.clear_fill(slot, id);
    }

    /// A response turned out to be too large: nobody finds it, and the next one is not even tried.
    pub(super) fn give_up(&self, slot: &Slot, id: u64) {
        let mut state = self.state();
        state.clear_fill(slot, id);
        if !state.too_large.contains(slot) {
            state.too_large.truncate(REMEMBERED - 1);
            state.too_large.push_front(slot.clone());
        }
    }

    pub(super) fn is_too_large(&self, slot: &Slot) -> bool {
        self.state().too_large.contains(slot)
    }

    /// New times and headers for a stored response. `false` if it is gone.
    pub(super) fn update(&self, slot: &Slot, meta: (Vec<u8>, Vec<u8>), charge: Charge) -> bool {
        let mut state = self.state();
        let variant = state.families.get_mut(&slot.primary);
        let variant = variant.and_then(|family| family.get_mut(&slot.variance));
        let Some((_, stored)) = variant.and_then(|variant| variant.stored.as_mut()) else {
            return false;
        };
        // Readers of the old one keep what they have.
        *stored = Arc::new(Entry::new(meta, charge, Arc::clone(&stored.body)));
        true
    }

    /// Whether there was one.
    pub(super) fn remove(&self, slot: &Slot) -> bool {
        let mut state = self.state();
        state.too_large.retain(|other| other != slot);
        state.remove(slot)
    }

    /// All variants. Whether there was one.
    pub(super) fn remove_all(&self, primary: &HashBinary) -> bool {
        let mut state = self.state();
        state.too_large.retain(|slot| slot.primary != *primary);
        state.remove_all(primary)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, slot: &Slot) -> Option<Arc<Entry>> {
        let now = self.next_use();
        let variant = self
            .families
            .get_mut(&slot.primary)?
            .get_mut(&slot.variance)?;
        if let Some(entry) = variant.fill.and_then(|id| self.fills.get(&id)) {
            return Some(Arc::clone(entry));
        }
        let (used, entry) = variant.stored.as_mut()?;
        self.order.remove(used);
        self.order.insert(now, slot.clone());
        *used = now;
        Some(Arc::clone(entry))
    }

    fn store(&mut self, slot: &Slot, entry: Arc<Entry>) {
        let now = self.next_use();
        let variant = self.variant(slot);
        variant.fill = None;
        let before = variant.stored.replace((now, entry));
        if let Some((used, _)) = before {
            self.order.remove(&used);
        }
        self.order.insert(now, slot.clone());
    }

    fn variant(&mut self, slot: &Slot) -> &mut Variant {
        let family = self.families.entry(slot.primary).or_default();
        family.entry(slot.variance).or_default()
    }

    fn fill_of(&self, slot: &Slot) -> Option<u64> {
        self.families.get(&slot.primary)?.get(&slot.variance)?.fill
    }

    fn clear_fill(&mut self, slot: &Slot, id: u64) {
        if self.fill_of(slot) == Some(id) {
            self.variant(slot).fill = None;
            self.tidy(&slot.primary);
        }
    }

    /// Leaves no empty maps behind: they would grow with every address that was ever asked for.
    fn tidy(&mut self, primary: &HashBinary) {
        let Some(family) = self.families.get_mut(primary) else {
            return;
        };
        family.retain(|_, variant| variant.stored.is_some() || variant.fill.is_some());
        if family.is_empty() {
            self.families.remove(primary);
        }
    }

    /// `false` if there is nothing to throw out.
    fn remove_oldest(&mut self) -> bool {
        let Some((_, Slot { primary, variance })) = self.order.pop_first() else {
            return false;
        };
        let Some(family) = self.families.get_mut(&primary) else {
            return true;
        };
        for (key, member) in family.iter_mut() {
            // Without the first variant nobody finds the others.
            if variance.is_some() && *key != variance {
                continue;
            }
            if let Some((used, _)) = member.stored.take() {
                self.order.remove(&used);
            }
        }
        self.tidy(&primary);
        true
    }

    fn remove(&mut self, slot: &Slot) -> bool {
        let Some(family) = self.families.get_mut(&slot.primary) else {
            return false;
        };
        let Some(variant) = family.remove(&slot.variance) else {
            return false;
        };
        if let Some((used, _)) = variant.stored {
            self.order.remove(&used);
        }
        self.tidy(&slot.primary);
        true
    }

    fn remove_all(&mut self, primary: &HashBinary) -> bool {
        let Some(family) = self.families.remove(primary) else {
            return false;
        };
        for (used, _) in family.into_values().filter_map(|variant| variant.stored) {
            self.order.remove(&used);
        }
        true
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}
