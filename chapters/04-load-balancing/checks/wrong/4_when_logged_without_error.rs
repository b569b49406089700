//! Gives the count back where it logs a success: errors, and clients that leave, are counted for ever.
//! fails: a_broken_answer_leaves_nothing_behind, a_time_out_leaves_nothing_behind, a_client_that_leaves_before_the_answer_leaves_nothing_behind

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
async fn logging(&self, _session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
    if error.is_none() && let Some(backend) = ctx.counted.take() {
        backend.running.fetch_sub(1, Ordering::Relaxed);
    }
}
// END TODO

// TODO 4.4
use rand::seq::SliceRandom;
// END TODO
