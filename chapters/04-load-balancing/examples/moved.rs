//! How many keys move when one backend of ten is taken away, by Pingora's two selections that hash.

use std::{collections::BTreeSet, sync::Arc};

use pingora_load_balancing::{
    Backend,
    selection::{BackendIter, BackendSelection, Consistent, FNVHash},
};

const KEYS: usize = 10_000;
/// The fourth one goes: in the middle, where it hurts most.
const GOES: &str = "10.0.0.4:80";

fn main() {
    println!("{KEYS} keys, 10 backends, then 9    must move   move");
    show::<FNVHash>("hash modulo N (FNVHash)");
    show::<Consistent>("ketama (Consistent)");
}

fn show<S>(name: &str)
where
    S: BackendSelection<Iter: BackendIter>,
{
    let ten = (1..=10).filter_map(|number| Backend::new(&format!("10.0.0.{number}:80")).ok());
    let mut backends = BTreeSet::from_iter(ten);
    let before = choices::<S>(&backends);
    backends.retain(|backend| backend.addr.to_string() != GOES);
    let after = choices::<S>(&backends);

    let left_alone = before.iter().filter(|address| *address == GOES).count();
    let pairs = before.iter().zip(&after);
    let moved = pairs.filter(|(before, after)| before != after).count();
    println!("{name:<32} {left_alone:>9} {moved:>6}");
}

/// Where each key goes.
fn choices<S>(backends: &BTreeSet<Backend>) -> Vec<String>
where
    S: BackendSelection<Iter: BackendIter>,
{
    let selection = Arc::new(S::build(backends));
    let choice = |key| {
        let mut choices = selection.iter(format!("user{key}").as_bytes());
        let first = choices.next().map(|backend| backend.addr.to_string());
        first.unwrap_or_default()
    };
    (0..KEYS).map(choice).collect()
}
