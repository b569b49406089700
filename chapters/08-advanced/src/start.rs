//! Puts the parts together and runs them.

use std::{fs, net::SocketAddr, sync::Arc, thread};

use env_logger::{Builder, Env};
use pingora::{
    apps::HttpServerOptions,
    listeners::{L4BufferSettings, ListenerConfig, tls::TlsSettings},
    protocols::http::v2::server::{H2Options, default_h2_options},
    proxy::http_proxy,
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
    services::{background::background_service, listening::Service},
};

use crate::{
    Edge,
    certificates::Certificates,
    development,
    drain::Drain,
    header_limit::HeaderLimit,
    limits::Limits,
    pool::Pool,
    settings::{Settings, refuse},
};

pub(crate) fn run() -> ! {
    // env_logger shows errors only unless told otherwise; Pingora itself is chatty at `info`, and rustls warns of what
    // clients do wrong.
    Builder::from_env(Env::default().default_filter_or("info,pingora=warn,rustls=error")).init();
    let options = Opt::parse_args();
    let settings = Settings::from_env();
    let certificates = certificates(&settings).unwrap_or_else(|why| refuse(&why));
    let drain = Drain::new(&settings.listen, settings.drain);
    let server = server(options, settings, certificates, &drain);
    drain.run(server)
}

/// Those in the folder. Where it has none at all, new ones for development: then `cargo run` just works.
fn certificates(settings: &Settings) -> Result<Certificates, String> {
    let folder = &settings.certificates;
    let empty = fs::read_dir(folder).map_or(true, |mut files| files.next().is_none());
    if empty {
        development::create(folder)?;
        println!(
            "certificates: made for development in {}, by an authority that nobody trusts",
            folder.display()
        );
    }
    Certificates::read(folder, settings.reload)
        .map_err(|why| format!("{why}; make them with: cargo run --bin ch08-certificates"))
}

fn configuration(drain: &Drain) -> ServerConf {
    let mut conf = ServerConf {
        // Pingora's default is one for each service.
        threads: thread::available_parallelism().map_or(2, usize::from),
        // For each thread. With fewer than there are busy clients, connections are closed and opened all the time.
        upstream_keepalive_pool_size: 1_024,
        ..ServerConf::default()
    };
    drain.configure(&mut conf);
    conf
}

fn server(options: Opt, settings: Settings, certificates: Certificates, drain: &Drain) -> Server {
    let mut server = Server::new_with_opt_and_conf(options, configuration(drain));
    server.bootstrap();

    let edge = Edge {
        pool: Pool::new(settings.upstreams, settings.upstream),
        limits: settings.limits,
        drain: drain.clone(),
        https_port: port(&settings.listen_tls),
    };
    let mut proxy = http_proxy(&server.configuration, edge);
    proxy.h2_options = Some(h2_options(&settings.limits));
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(settings.limits.header_time);
    proxy.server_options = Some(options);

    let app = drain.watch(HeaderLimit::new(proxy, settings.limits.header_time));
    let mut service = Service::new("edge".to_owned(), app);
    service.add_listener(ListenerConfig::tcp(&settings.listen).l4_buffer(buffers()));
    let certificates = background_service("certificates", certificates);
    let tls = tls(certificates.task()).unwrap_or_else(|error| refuse(&format!("TLS: {error}")));
    service.add_listener(
        ListenerConfig::tcp(&settings.listen_tls)
            .l4_buffer(buffers())
            .tls(tls),
    );
    server.add_service(service);
    server.add_service(certificates);

    let (plain, tls) = (&settings.listen, &settings.listen_tls);
    let authority = settings.certificates.join("ca.pem");
    println!("Listening on http://{plain} and https://{tls}. In another terminal, try:");
    println!("  curl -i http://{plain}/hello");
    println!(
        "  curl -i --cacert {} https://{tls}/hello",
        authority.display()
    );
    server
}

fn tls(certificates: Arc<Certificates>) -> pingora::Result<TlsSettings> {
    // The files named here are not read where there is a resolver. TLS 1.2 and 1.3 is all that rustls has.
    let mut settings = TlsSettings::intermediate("", "")?;
    settings.set_cert_resolver(certificates);
    settings.enable_h2();
    Ok(settings)
}

fn h2_options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    options.max_header_list_size(u32::try_from(limits.header_size).unwrap_or(u32::MAX));
    options
}

/// Each connection has both buffers for as long as it lasts, idle or not, and Pingora's are 64 KiB for reading.
fn buffers() -> L4BufferSettings {
    L4BufferSettings::new(4 << 10, 4 << 10)
}

fn port(address: &str) -> u16 {
    address.parse().map_or(443, |it: SocketAddr| it.port())
}
