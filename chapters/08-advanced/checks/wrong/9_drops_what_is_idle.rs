//! Tells clients to close as long as both processes listen, and lets Pingora drop those that did not ask then.
//! fails: an_idle_client_gets_its_next_answer_and_then_the_old_process_leaves

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
wait_for(&mut phases, |it| matches!(it, ExecutionPhase::ShutdownGracePeriod)).await;
drained(drain).await;
// END TODO

// TODO 8.9
// As it is.
// END TODO
