//! A background service that looks at the shutdown only between two sleeps.
//! fails: it_does_not_sleep_until_the_next_beat

// TODO 1.4
use pingora_core::{
    server::ShutdownWatch,
    services::background::{BackgroundService, GenBackgroundService},
};

#[async_trait]
impl BackgroundService for Clock {
    async fn start(&self, shutdown: ShutdownWatch) {
        while !*shutdown.borrow() {
            tokio::time::sleep(self.interval).await;
            self.beat();
        }
        info!("heartbeat stopped after {} beats", self.beats.load(Ordering::Relaxed));
    }
}

fn start_heart(server: &mut Server, clock: Arc<Clock>) {
    server.add_service(GenBackgroundService::new("heartbeat".to_owned(), clock));
}
// END TODO
