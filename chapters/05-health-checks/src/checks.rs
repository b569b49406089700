//! Active checks: what is asked of a backend, and when.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use log::info;
use pingora::{
    Error, ErrorType::Custom, Result, connectors::http::Connector, http::RequestHeader,
    prelude::HttpPeer, server::ShutdownWatch, services::background::BackgroundService,
};
use pingora_load_balancing::{
    Backend, LoadBalancer, health_check::HealthCheck, selection::RoundRobin,
};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use crate::{board::Board, outlier::Outliers, settings::Settings};

/// A report on health is short. Who sends more, or never stops, is not well.
const MOST_BYTES: usize = 64 * 1024;

/// What a check wants to know.
pub(crate) enum Question {
    /// Does it take a connection? The kernel answers that even for a process that hangs.
    Connect,
    /// Does it answer 200, and if a field is named, does its body say so?
    Ask { path: String, field: Option<Field> },
}

/// A place in a JSON body (RFC 6901), and the text that must stand there.
pub(crate) struct Field {
    pointer: String,
    value: String,
}

impl Field {
    /// `/status=ok`
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (pointer, value) = text.split_once('=')?;
        pointer.starts_with('/').then(|| Self {
            pointer: pointer.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// One check of one backend. Pingora counts what it finds, and flips the backend at the threshold.
pub(crate) struct Check {
    question: Question,
    port: Option<u16>,
    timeout: Duration,
    fall: usize,
    rise: usize,
    connector: Connector,
    board: Arc<Board>,
    outliers: Arc<Outliers>,
}

impl Check {
    pub(crate) fn new(settings: Settings, board: Arc<Board>, outliers: Arc<Outliers>) -> Self {
        Self {
            question: settings.question,
            port: settings.port,
            timeout: settings.timeout,
            fall: settings.fall,
            rise: settings.rise,
            connector: Connector::new(None),
            board,
            outliers,
        }
    }

    async fn find_out(&self, mut address: SocketAddr) -> Result<(), String> {
        if let Some(port) = self.port {
            address.set_port(port);
        }
        let answer = async {
            match &self.question {
                Question::Connect => match TcpStream::connect(address).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.kind().to_string()),
                },
                Question::Ask { path, field } => self.ask(address, path, field.as_ref()).await,
            }
        };
        // Around the whole: a limit for each read is kept by who sends a byte now and then.
        let in_time = timeout(self.timeout, answer).await;
        in_time.unwrap_or_else(|_| Err(format!("no answer in {} ms", self.timeout.as_millis())))
    }

    /// Pingora's HttpHealthCheck hands its validator the header alone, and reads as much body as there is
    /// (pingora-load-balancing, health_check.rs).
    async fn ask(
        &self,
        address: SocketAddr,
        path: &str,
        field: Option<&Field>,
    ) -> Result<(), String> {
        let answer = self.answer(address, path).await;
        let (status, body) = answer.map_err(|error| error.etype().as_str().to_owned())?;
        if status != 200 {
            return Err(format!("status {status}"));
        }
        let Some(Field { pointer, value }) = field else {
            return Ok(());
        };
        let body: Value = serde_json::from_slice(&body).map_err(|_| "its report is not JSON")?;
        match body.pointer(pointer) {
            Some(Value::String(found)) if found == value => Ok(()),
            _ => Err(format!("{pointer} is not {value}")),
        }
    }

    async fn answer(&self, address: SocketAddr, path: &str) -> Result<(u16, Vec<u8>)> {
        let mut request = RequestHeader::build("GET", path.as_bytes(), None)?;
        request.insert_header("host", address.to_string())?;
        request.insert_header("user-agent", "ch05-health-checks")?;
        let peer = HttpPeer::new(address, false, String::new());
        // The session is dropped at the end, and never reused: each check proves that a connection can be had.
        let (mut session, _reused) = self.connector.get_http_session(&peer).await?;
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let status = session.response_header().map_or(0, |it| it.status.as_u16());
        let mut body = Vec::new();
        while let Some(piece) = session.read_response_body().await? {
            if body.len() + piece.len() > MOST_BYTES {
                return Err(Error::new(Custom("a report without end")));
            }
            body.extend_from_slice(&piece);
        }
        Ok((status, body))
    }
}

#[async_trait]
impl HealthCheck for Check {
    async fn check(&self, target: &Backend) -> Result<()> {
        let Some(address) = target.addr.as_inet() else {
            return Error::e_explain(Custom("unhealthy"), "it has no address");
        };
        let found = self.find_out(*address).await;
        self.board.checked(*address, &found);
        found.or_else(|why| Error::e_explain(Custom("unhealthy"), why))
    }

    /// Called for a change, not for each check (pingora-load-balancing, lib.rs, `run_health_check`).
    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        if let Some(address) = target.addr.as_inet() {
            self.board.changed(*address, healthy);
            self.outliers.checked(*address, healthy, Instant::now());
        }
    }

    fn health_threshold(&self, success: bool) -> usize {
        if success { self.rise } else { self.fall }
    }
}

/// The rounds. Pingora's own loop has no jitter, and says that it is ready before the first check, or after one that
/// does not reach a threshold (background.rs).
pub(crate) struct Rounds {
    balancer: Arc<LoadBalancer<RoundRobin>>,
    interval: Duration,
    fall: usize,
    ready: AtomicBool,
}

impl Rounds {
    pub(crate) fn new(
        balancer: Arc<LoadBalancer<RoundRobin>>,
        interval: Duration,
        fall: usize,
    ) -> Self {
        Self {
            balancer,
            interval,
            fall,
            ready: AtomicBool::new(false),
        }
    }

    /// Whether there is a verdict on every backend.
    pub(crate) fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    async fn run(&self) {
        // Backends begin as healthy, so it takes so many checks to find out that one is not.
        for _ in 0..self.fall {
            self.balancer.backends().run_health_check(true).await;
        }
        self.ready.store(true, Ordering::Release);
        info!("ready: every backend was checked");
        // Proxies that were started together shall not go on checking together: the first pause is any part of one.
        let mut pause = self.interval.mul_f64(rand::random_range(0.0..1.0));
        loop {
            tokio::time::sleep(pause).await;
            self.balancer.backends().run_health_check(true).await;
            pause = self.interval.mul_f64(rand::random_range(0.9..1.1));
        }
    }
}

#[async_trait]
impl BackgroundService for Rounds {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            _ = shutdown.changed() => {}
            () = self.run() => {}
        }
    }
}
