//! Chapter 06: a shared cache, as correct as RFC 9111 asks.
//!
//! `proxy` has the phases in order. The rules are in a module each: who asks for the same thing (`key`, `vary`), what
//! may be stored (`policy`), for how long (`freshness`), what a client wants (`request`), what is asked about
//! (`validate`), what is out of date (`invalidate`, `purge`). `store` holds it all, within a limit.

mod date;
mod directives;
mod entry;
mod errors;
mod freshness;
mod invalidate;
mod key;
mod policy;
mod proxy;
mod purge;
mod ranges;
mod request;
mod settings;
mod status;
mod store;
#[cfg(test)]
mod testing;
mod validate;
mod vary;

use std::sync::{Arc, atomic::AtomicUsize};

use env_logger::Env;
use pingora::{
    proxy::http_proxy,
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
    services::listening::Service,
};
use pingora_cache::lock::CacheLock;

use date::KeepsDate;
use proxy::Edge;
use settings::Settings;
use store::Store;

fn main() {
    // Pingora's cache warns once that stored headers are not compressed with a dictionary: here that is no fault.
    let levels = "info,pingora=warn,pingora_cache::meta=error";
    env_logger::Builder::from_env(Env::default().default_filter_or(levels)).init();

    let settings = Settings::from_env();
    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    let conf = ServerConf {
        threads: 2,
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        pid_file: "/tmp/ch06-caching.pid".to_owned(),
        upgrade_sock: "/tmp/ch06-caching.sock".to_owned(),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    // Leaked on purpose: Pingora's cache wants them for as long as the process runs.
    let store: &'static Store = Box::leak(Box::new(Store::new(settings.cache_bytes)));
    let lock: &'static CacheLock = Box::leak(CacheLock::new_boxed(settings.lock_timeout));
    let edge = Edge {
        upstreams,
        next: AtomicUsize::new(0),
        settings,
        store,
        lock,
    };
    let proxy = KeepsDate(Arc::new(http_proxy(&server.configuration, edge)));
    let mut proxy = Service::new("cache".to_owned(), proxy);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i 'http://{listen}/headers?Cache-Control=max-age%3D60'");
    println!("  curl -i 'http://{listen}/headers?Cache-Control=max-age%3D60&Set-Cookie=id%3D1'");
    println!("  curl -i -X PURGE 'http://{listen}/headers?Cache-Control=max-age%3D60'");
    server.run_forever();
}
