//! 5.5 Fail over: what fails at one upstream is tried at another, if that does no harm.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
};

/// The proxy. The first upstream gets the requests, the others take its place in their order.
struct Edge {
    upstreams: Vec<SocketAddr>,
    /// Of one request, in all.
    tries: usize,
    budget: RetryBudget,
}

/// What is known of one request.
#[derive(Default)]
struct Ctx {
    /// Where it was sent, or was to be sent, in order.
    tried: Vec<SocketAddr>,
}

impl Edge {
    // TODO 5.5: not the one that has failed.
    fn choose(&self, _tried: &[SocketAddr]) -> Option<SocketAddr> {
        self.upstreams.first().copied()
    }
    // END TODO
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    /// Runs for each try: `fail_to_connect` and `error_while_proxy` say whether there is another one (pingora-proxy,
    /// lib.rs, `process_request`).
    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        // TODO 5.5: the budget is a share of the requests. What does this count?
        self.budget.request();
        // END TODO
        let upstream = self
            .choose(&ctx.tried)
            .ok_or_else(|| Error::explain(HTTPStatus(502), "every upstream was tried"))?;
        ctx.tried.push(upstream);

        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }

    // TODO 5.5: try again only what can be tried again.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        _ctx: &mut Ctx,
        mut error: Box<Error>,
    ) -> Box<Error> {
        error.set_retry(self.budget.take());
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        _session: &mut Session,
        mut error: Box<Error>,
        _ctx: &mut Ctx,
        _client_reused: bool,
    ) -> Box<Error> {
        error.set_retry(self.budget.take());
        error
    }
    // END TODO

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        let request = session.request_summary();
        let error = error.map_or(String::new(), |error| format!(" error={error}"));
        let (tries, tried) = (self.tries, &ctx.tried);
        log::info!("{request} {status} tried={tried:?} of {tries}{error}");
    }
}

/// Retries are a share of the requests: a fleet that is dying must not get twice the load.
struct RetryBudget {
    settings: BudgetSettings,
    window: Mutex<Window>,
}

#[derive(Clone, Copy)]
struct BudgetSettings {
    /// Retries for each hundred requests.
    percent: u64,
    /// Retries that a window allows however few its requests are.
    floor: u64,
    window: Duration,
}

/// What was counted since `begin`. The demo's budget.rs lets its window slide; this one begins anew.
struct Window {
    begin: Instant,
    requests: u64,
    retries: u64,
}

impl RetryBudget {
    fn new(settings: BudgetSettings) -> Self {
        let window = Mutex::new(Window::begin());
        Self { settings, window }
    }

    /// Counts one request.
    fn request(&self) {
        self.with_window(|window| window.requests += 1);
    }

    /// Takes one retry from the budget, if there is one left.
    fn take(&self) -> bool {
        self.with_window(|window| {
            let share = self.settings.percent.saturating_mul(window.requests) / 100;
            let left = window.retries < share.max(self.settings.floor);
            window.retries += u64::from(left);
            left
        })
    }

    fn with_window<T>(&self, act: impl FnOnce(&mut Window) -> T) -> T {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.begin.elapsed() >= self.settings.window {
            *window = Window::begin();
        }
        act(&mut window)
    }
}

impl Window {
    fn begin() -> Self {
        Self {
            begin: Instant::now(),
            requests: 0,
            retries: 0,
        }
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let tries = number("TRIES", 3, 1);
    let budget = BudgetSettings {
        percent: number("RETRY_PERCENT", 20, 0),
        floor: number("RETRY_FLOOR", 10, 0),
        window: Duration::from_millis(number("RETRY_WINDOW_MS", 10_000, 1)),
    };
    println!(
        "Retries: {tries} tries in all for a request, {}% of the requests, at least {} in {:?}",
        budget.percent, budget.floor, budget.window
    );

    let conf = ServerConf {
        // TODO 5.5: the first try and its retries are `tries` in all. What does this setting count?
        max_retries: tries + 1,
        // END TODO
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let edge = Edge {
        upstreams,
        tries,
        budget: RetryBudget::new(budget),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    println!("  curl -i http://{listen}/close");
    server.run_forever();
}

/// A number from the environment.
fn number<T: TryFrom<u64> + Copy + PartialOrd + std::fmt::Display + std::str::FromStr>(
    variable: &str,
    default: T,
    least: T,
) -> T {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    match text.parse() {
        Ok(number) if number >= least => number,
        _ => {
            eprintln!(
                "{variable}: {text:?} is not a whole number of at least {least}, as in {variable}={default}"
            );
            std::process::exit(2)
        }
    }
}
