//! Keeps what is idle from Pingora, and ends the process when no request is in flight: the connections end with it.
//! fails: an_idle_client_gets_its_next_answer_and_then_the_old_process_leaves, no_request_fails_under_load

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
        self.drain.connections.fetch_sub(1, Ordering::AcqRel);
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
drain.handing_over.store(true, Ordering::Release);
wait_for(&mut phases, |it| matches!(it, ExecutionPhase::ShutdownGracePeriod)).await;
drain.leaving.store(true, Ordering::Release);
drained(drain).await;
// END TODO

// TODO 8.9
let app = Watched { app: Arc::new(app), drain: Arc::clone(&drain) };
// END TODO
