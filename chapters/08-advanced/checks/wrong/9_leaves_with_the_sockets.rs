//! Leaves as soon as the new process has the sockets: whoever was told that the connection stays finds it closed.
//! fails: an_idle_client_gets_its_next_answer_and_then_the_old_process_leaves, no_request_fails_under_load

// TODO 8.9
// Nothing.
// END TODO

// TODO 8.9
#[derive(Default)]
struct Drain {
    leaving: AtomicBool,
    in_flight: AtomicUsize,
}
// END TODO

// TODO 8.9
wait_for(&mut phases, |it| matches!(it, ExecutionPhase::GracefulUpgradeCloseTimeout)).await;
drain.leaving.store(true, Ordering::Release);
drained(drain).await;
// END TODO

// TODO 8.9
// As it is.
// END TODO
