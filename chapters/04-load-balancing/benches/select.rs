//! What one choice costs, by algorithm, number of backends and number of threads: `cargo bench --bench select`.
//!
//! Each choice is made as a request makes it: through the load balancer, health of the chosen one included. Least
//! connections and p2c also count the request, and give the count back.

#[allow(dead_code, reason = "some of it is for the demo and for tests alone")]
#[path = "../src/least.rs"]
mod least;
#[allow(dead_code, reason = "some of it is for the demo and for tests alone")]
#[path = "../src/p2c.rs"]
mod p2c;
#[allow(dead_code, reason = "some of it is for the demo and for tests alone")]
#[path = "../src/smooth.rs"]
mod smooth;

use std::{collections::BTreeSet, time::Duration};

use divan::{Bencher, black_box};
use pingora_load_balancing::{
    Backend, Backends, LoadBalancer,
    discovery::Static,
    selection::{BackendIter, BackendSelection, Consistent, RoundRobin},
};

use least::LeastConnections;
use p2c::PeakEwma;
use smooth::SmoothWeighted;

const BACKENDS: [u8; 2] = [3, 30];
const THREADS: [usize; 2] = [1, 2];

fn main() {
    divan::main();
}

/// So many backends, of which every third has five times the weight of the others if they are weighted.
fn balancer<S>(count: u8, weighted: bool) -> LoadBalancer<S>
where
    S: BackendSelection<Iter: BackendIter> + 'static,
{
    let backend = |number: u8| {
        let weight = if weighted && number.is_multiple_of(3) {
            5
        } else {
            1
        };
        Backend::new_with_weight(&format!("10.0.0.{number}:80"), weight).ok()
    };
    let backends: BTreeSet<Backend> = (0..count).filter_map(backend).collect();
    let balancer = LoadBalancer::from_backends(Backends::new(Static::new(backends)));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let updated = runtime.map(|runtime| runtime.block_on(balancer.update()));
    assert!(matches!(updated, Ok(Ok(()))), "a static set cannot fail");
    balancer
}

fn select<S>(bencher: Bencher, count: u8, weighted: bool)
where
    S: BackendSelection<Iter: BackendIter> + Send + Sync + 'static,
{
    let balancer = balancer::<S>(count, weighted);
    bencher.bench(|| balancer.select(black_box(b"ada"), 256));
}

#[divan::bench(args = BACKENDS, threads = THREADS)]
fn round_robin(bencher: Bencher, count: u8) {
    select::<RoundRobin>(bencher, count, false);
}

#[divan::bench(args = BACKENDS, threads = THREADS)]
fn pingora_weighted(bencher: Bencher, count: u8) {
    select::<RoundRobin>(bencher, count, true);
}

#[divan::bench(args = BACKENDS, threads = THREADS)]
fn smooth_weighted(bencher: Bencher, count: u8) {
    select::<SmoothWeighted>(bencher, count, true);
}

#[divan::bench(args = BACKENDS, threads = THREADS)]
fn ketama(bencher: Bencher, count: u8) {
    select::<Consistent>(bencher, count, false);
}

#[divan::bench(args = BACKENDS, threads = THREADS)]
fn least_connections(bencher: Bencher, count: u8) {
    let members = balancer::<RoundRobin>(count, false);
    let least = LeastConnections::default();
    bencher.bench(|| drop(least.choose(members.backends())));
}

#[divan::bench(args = BACKENDS, threads = THREADS)]
fn power_of_two(bencher: Bencher, count: u8) {
    let members = balancer::<RoundRobin>(count, false);
    let ewma = PeakEwma::new(Duration::from_secs(10));
    bencher.bench(|| {
        let mut picked = ewma.choose(members.backends());
        if let Some(picked) = &mut picked {
            picked.answered();
        }
    });
}
