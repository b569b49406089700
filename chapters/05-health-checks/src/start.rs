//! Puts the parts together and runs them.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use pingora::{
    proxy::http_proxy_service,
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
    services::background::{GenBackgroundService, background_service},
};
use pingora_load_balancing::LoadBalancer;

use crate::{
    Edge,
    board::Board,
    breaker::Breaker,
    budget::RetryBudget,
    checks::{Check, Rounds},
    fleet::Fleet,
    outlier::Outliers,
    settings::Settings,
};

pub(crate) fn run(listen: &str, upstreams: &[SocketAddr]) {
    let settings = Settings::from_env();
    let conf = ServerConf {
        threads: 2,
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        pid_file: "/tmp/ch05-health-checks.pid".to_owned(),
        upgrade_sock: "/tmp/ch05-health-checks.sock".to_owned(),
        // Who counts is `Edge`: so many tries, and as many again on connections that were stale. Pingora would end
        // what it has granted, and paid for, after 16.
        max_retries: settings.tries.saturating_mul(2).saturating_add(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let (tries, retry_after) = (settings.tries, settings.interval.as_secs().max(1));
    let (fleet, rounds) = parts(settings, upstreams).unwrap_or_else(|error| {
        eprintln!("cannot use these upstreams: {error}");
        std::process::exit(2)
    });
    server.add_service(rounds);
    let edge = Edge {
        fleet,
        tries,
        retry_after,
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/readyz");
    println!("  curl -s http://{listen}/status.txt");
    server.run_forever();
}

/// The backends, and the service that checks them.
fn parts(
    settings: Settings,
    upstreams: &[SocketAddr],
) -> std::io::Result<(Fleet, GenBackgroundService<Rounds>)> {
    let now = Instant::now();
    let backends = upstreams.iter().copied();
    let board = Arc::new(Board::new(backends.clone(), now));
    let outliers = Arc::new(Outliers::new(settings.ejection, backends, now));
    let (budget, breaker) = (settings.budget, settings.breaker);
    let (interval, fall) = (settings.interval, settings.fall);

    let mut balancer = LoadBalancer::try_from_iter(upstreams)?;
    let check = Check::new(settings, Arc::clone(&board), Arc::clone(&outliers));
    balancer.set_health_check(Box::new(check));
    let balancer = Arc::new(balancer);
    let rounds = Rounds::new(Arc::clone(&balancer), interval, fall);
    let rounds = background_service("health checks", rounds);
    let fleet = Fleet {
        addresses: upstreams.to_vec(),
        balancer,
        rounds: rounds.task(),
        board,
        outliers,
        budget: RetryBudget::new(budget, now),
        breaker: Breaker::new("upstreams", breaker, now),
    };
    Ok((fleet, rounds))
}
