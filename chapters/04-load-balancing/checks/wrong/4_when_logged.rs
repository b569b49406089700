//! Gives back one count when it logs; a retry has counted twice.
//! fails: a_retry_counts_where_it_went_and_only_there, a_retry_at_the_same_backend_counts_once

// TODO 4.4
counted: Option<Arc<Backend>>,
// END TODO

// TODO 4.4
// as in the solution
// END TODO

// TODO 4.4
backend.running.fetch_add(1, Ordering::Relaxed);
ctx.counted = Some(backend);
// END TODO

// TODO 4.4
async fn logging(&self, _session: &mut Session, _error: Option<&Error>, ctx: &mut Ctx) {
    if let Some(backend) = ctx.counted.take() {
        backend.running.fetch_sub(1, Ordering::Relaxed);
    }
}
// END TODO

// TODO 4.4
use rand::seq::SliceRandom;
// END TODO
