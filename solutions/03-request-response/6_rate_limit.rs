//! 3.6 Rate limit: so many requests of one client in a window, and every client is told what it has left.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use ipnet::IpNet;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
use pingora_limits::rate::Rate;

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// The networks of proxies that may stand before this one.
    trusted: Vec<IpNet>,
    /// How many requests a client has in a window.
    limit: isize,
    window: Duration,
    /// Behind a lock, although it counts with atomics: at the end of a window it clears its counters, and threads that
    /// meet there lose counts, or panic (pingora-limits, rate.rs, `maybe_reset`). Nobody waits while it is held.
    rate: Mutex<Rate>,
}

/// What the client of a request has left.
struct Quota {
    /// This request is one too many.
    exceeded: bool,
    left: isize,
    /// Until the window ends.
    seconds: u64,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Option<Quota>;

    fn new_ctx(&self) -> Option<Quota> {
        None
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Option<Quota>) -> Result<bool> {
        let client = one_client(self.address_of_client(session)?);
        let quota = ctx.insert(self.take(client));
        if quota.exceeded {
            self.answer(session, 429, Some(quota)).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut Option<Quota>,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Option<Quota>,
    ) -> Result<()> {
        ctx.as_ref()
            .map_or(Ok(()), |quota| self.tell(response, quota))
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Option<Quota>,
    ) -> FailToProxy {
        let status = match error.etype() {
            HTTPStatus(status) => *status,
            _ => 502,
        };
        // Once an answer has begun, only the closed connection can tell that the rest is missing.
        let begun = session
            .response_written()
            .is_some_and(|header| !header.status.is_informational());
        if !begun && let Err(error) = self.answer(session, status, ctx.as_ref()).await {
            log::info!("the client did not take the answer: {error}");
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }
}

impl Edge {
    /// The address of whoever asks, as far as it can be believed.
    fn address_of_client(&self, session: &Session) -> Result<IpAddr> {
        let address = session.client_addr().and_then(|address| address.as_inet());
        let address = address.ok_or_else(|| Error::new(HTTPStatus(400)))?;
        // On a listener for both families an IPv4 client shows up as ::ffff:192.0.2.1.
        let mut client = address.ip().to_canonical();
        let lines = session.req_header().headers.get_all("x-forwarded-for");
        let entries = lines.iter().filter_map(|line| line.to_str().ok());
        let mut entries = entries.flat_map(|line| line.split(','));
        // TODO 3.6: believe an entry only if it was written by a proxy that is trusted. Each appends at the end.
        while self.trusts(client)
            && let Some(entry) = entries.next_back()
            && let Ok(address) = entry.trim().parse::<IpAddr>()
        {
            client = address.to_canonical();
        }
        // END TODO
        Ok(client)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Counts a request of this client.
    fn take(&self, client: IpAddr) -> Quota {
        let rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        // TODO 3.6: count first, then compare: each request has a number of its own in the window.
        let used = rate.observe(&client, 1);
        let elapsed = rate.rate_with(&client, |window| window.current_interval_fraction);
        // END TODO
        drop(rate);
        let left = self.window.mul_f64((1.0 - elapsed).clamp(0.0, 1.0));
        Quota {
            exceeded: used > self.limit,
            left: (self.limit - used).max(0),
            seconds: whole_seconds(left),
        }
    }

    /// Tells the client what it has left.
    fn tell(&self, header: &mut ResponseHeader, quota: &Quota) -> Result<()> {
        let Quota { left, seconds, .. } = quota;
        // TODO 3.6: the fields of draft-ietf-httpapi-ratelimit-headers-11, and Retry-After with a refusal.
        let (limit, window) = (self.limit, whole_seconds(self.window));
        // Appended: they are lists, and an upstream may have a policy of its own.
        header.append_header("ratelimit-policy", format!("\"edge\";q={limit};w={window}"))?;
        header.append_header("ratelimit", format!("\"edge\";r={left};t={seconds}"))?;
        if quota.exceeded {
            header.insert_header("retry-after", seconds.to_string())?;
        }
        // END TODO
        Ok(())
    }

    /// Answers for the proxy itself.
    async fn answer(
        &self,
        session: &mut Session,
        status: u16,
        quota: Option<&Quota>,
    ) -> Result<()> {
        let body = format!("{{\"status\":{status}}}\n");
        let mut header = ResponseHeader::build(status, Some(6))?;
        header.insert_header("content-type", "application/json")?;
        header.set_content_length(body.len())?;
        quota.map_or(Ok(()), |quota| self.tell(&mut header, quota))?;
        let head = session.req_header().method == "HEAD";
        session
            .write_response_header(Box::new(header), head)
            .await?;
        if !head {
            session.write_response_body(Some(body.into()), true).await?;
        }
        Ok(())
    }
}

/// The address that stands for a client in the counters.
fn one_client(address: IpAddr) -> IpAddr {
    // TODO 3.6: an IPv6 client has a whole network: it can send each request from another address.
    match address {
        IpAddr::V4(_) => address,
        // Its last 64 bits are the client's to choose (RFC 4291, section 2.5.1).
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
    // END TODO
}

/// Rounded up, and never 0: who comes back after so many seconds must not be too early.
fn whole_seconds(duration: Duration) -> u64 {
    let seconds = duration.as_nanos().div_ceil(1_000_000_000);
    u64::try_from(seconds).unwrap_or(u64::MAX).max(1)
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let window = Duration::from_millis(number("RATE_WINDOW_MS", 60_000));
    let limit = isize::try_from(number("RATE_LIMIT", 100)).unwrap_or(isize::MAX);

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let edge = Edge {
        upstreams,
        trusted: trusted_networks(),
        limit,
        window,
        // Four rows of counters, twice: 4 MiB, however many clients there are. In each row all clients share the
        // counters, so there must be far more of them than all clients together have requests for each one allowed.
        rate: Mutex::new(Rate::new_with_estimator_config(window, 4, 1 << 16)),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!(
        "Listening on http://{listen}: {limit} requests in {window:?}. In another terminal, try:"
    );
    println!("  curl -i http://{listen}/");
    server.run_forever();
}

/// `TRUSTED_PROXIES`, a list of networks such as `10.0.0.0/8,192.168.1.7/32`. By default nobody is trusted.
fn trusted_networks() -> Vec<IpNet> {
    let text = std::env::var("TRUSTED_PROXIES").unwrap_or_default();
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts
        .map(|part| {
            part.parse().unwrap_or_else(|_| {
                eprintln!("TRUSTED_PROXIES: {part:?} is not a network, as in TRUSTED_PROXIES=10.0.0.0/8,192.168.1.7/32");
                std::process::exit(2)
            })
        })
        .collect()
}

/// A number above 0 from the environment.
fn number(variable: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    match text.parse() {
        Ok(number @ 1..) => number,
        _ => {
            eprintln!("{variable}: {text:?} is not a number above 0, as in {variable}={default}");
            std::process::exit(2)
        }
    }
}
