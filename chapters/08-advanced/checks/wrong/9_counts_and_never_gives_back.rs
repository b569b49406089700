//! Counts a connection and gives it back only if it can be used again: with HTTP none can, so the old process stays.
//! fails: a_kept_alive_client_is_told_to_close_and_goes_on_with_the_new_process, an_idle_client_gets_its_next_answer_and_then_the_old_process_leaves

// TODO 8.9
use pingora::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};
// END TODO

// TODO 8.9
#[derive(Default)]
struct Drain {
    leaving: AtomicBool,
    handing_over: AtomicBool,
    in_flight: AtomicUsize,
    connections: AtomicUsize,
}

struct Watched<A> {
    app: Arc<A>,
    drain: Arc<Drain>,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Watched<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        self.drain.connections.fetch_add(1, Ordering::AcqRel);
        let next = self.app.process_new(stream, shutdown).await;
        if next.is_some() {
            self.drain.connections.fetch_sub(1, Ordering::AcqRel);
        }
        next
    }

    async fn cleanup(&self) {
        if !self.drain.handing_over.load(Ordering::Acquire) {
            self.app.cleanup().await;
        }
    }
}
// END TODO

// TODO 8.9
wait_for(&mut phases, |it| matches!(it, ExecutionPhase::GracefulUpgradeCloseTimeout)).await;
drain.leaving.store(true, Ordering::Release);
drain.handing_over.store(true, Ordering::Release);
wait_for(&mut phases, |it| matches!(it, ExecutionPhase::ShutdownGracePeriod)).await;
while drain.connections.load(Ordering::Acquire) > 0 {
    sleep(LOOK).await;
}
// END TODO

// TODO 8.9
let app = Watched { app: Arc::new(app), drain: Arc::clone(&drain) };
// END TODO
