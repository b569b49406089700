//! A limit for the time in which the next whole header has to be there, the idle time before it included.
//!
//! Pingora limits each wait for bytes: 60 s before the first request of a connection, none at all before the next ones
//! (pingora-core, protocols/http/v1/server.rs, `read_request_buf`). So one byte a minute keeps a connection for ever,
//! and a client of HTTP/2 that never begins is waited for without end (protocols/http/v2/server.rs, `handshake`).

use std::{any::Any, pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use log::debug;
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp},
    protocols::{
        Stream,
        http::{ServerSession, v2::server::H2Options},
    },
    proxy::{HttpProxy, ProxyHttp},
    server::ShutdownWatch,
};
use tokio::{
    sync::{Notify, oneshot},
    time::sleep,
};

/// A proxy whose clients have so much time for a header.
pub(crate) struct HeaderLimit<P> {
    proxy: Arc<HttpProxy<P>>,
    limit: Duration,
}

impl<P> HeaderLimit<P> {
    pub(crate) fn new(proxy: HttpProxy<P>, limit: Duration) -> Self {
        let proxy = Arc::new(proxy);
        Self { proxy, limit }
    }
}

#[async_trait]
impl<P> ServerApp for HeaderLimit<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let connection = Arc::new(Connection {
            proxy: Arc::clone(&self.proxy),
            limit: self.limit,
            begun: Notify::new(),
        });
        let mut served = pin!(connection.process_new(stream, shutdown));
        tokio::select! {
            biased;
            done = &mut served => return done,
            () = connection.begun.notified() => {}
            () = sleep(self.limit) => {
                debug!("no request within {:?}", self.limit);
                return None;
            }
        }
        served.await
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

/// One connection.
struct Connection<P> {
    proxy: Arc<HttpProxy<P>>,
    limit: Duration,
    /// Its first request is there.
    begun: Notify,
}

#[async_trait]
impl<P> HttpServerApp for Connection<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // A stream of HTTP/2 begins with its header. An idle connection has `h2_idle_timeout`.
        if session.is_http2() {
            self.begun.notify_one();
            return self.proxy.process_new_http(session, shutdown).await;
        }
        let (waiting, read) = oneshot::channel();
        session.set_connection_user_context(Some(Box::new(Waiting(waiting))));
        let mut request = pin!(self.proxy.process_new_http(session, shutdown));
        tokio::select! {
            biased;
            done = &mut request => return done,
            _ = read => self.begun.notify_one(),
            () = sleep(self.limit) => {
                debug!("no whole header within {:?}", self.limit);
                return None;
            }
        }
        request.await
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.proxy.server_options()
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.proxy.h2_options()
    }
}

/// Put into the session, it comes out in the first phase after the header was read.
struct Waiting(oneshot::Sender<()>);

/// To be called by `on_connection_reuse`, which gets what was put into the session.
pub(crate) fn header_is_read(context: Box<dyn Any + Send + Sync>) {
    if let Ok(waiting) = context.downcast::<Waiting>() {
        // Nobody takes it where the limit has passed in this very moment.
        _ = waiting.0.send(());
    }
}
