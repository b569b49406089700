//! Puts the parts together and runs them, and at the end writes what still waits.

use std::error::Error;

use pingora::{
    proxy::http_proxy_service,
    server::{
        RunArgs, Server,
        configuration::{Opt, ServerConf},
    },
};

use crate::{
    Edge, admin,
    export::Tracing,
    log_writer,
    metrics::{self, Metrics},
    pool::Pool,
    settings::{self, Settings},
};

pub(crate) fn run() {
    let options = Opt::parse_args();
    if options.daemon {
        // The fork happens in `run`, and of the threads only the one that forks goes on (pingora-core, server/mod.rs).
        refuse(
            "--daemon: the log and the spans have threads that would be lost; use systemd or a container",
        );
    }
    let settings = Settings::from_env();
    let (log, lost) = log_writer::start(settings::log_buffer_lines());
    let (metrics, tracing) = metrics::register_log_loss(lost)
        .and_then(|()| Metrics::register())
        .map_err(Box::<dyn Error>::from)
        .and_then(|metrics| {
            let tracing = Tracing::start(settings.export, metrics.spans())?;
            Ok((metrics, tracing))
        })
        .unwrap_or_else(|error| refuse(&format!("cannot start: {error}")));

    // `run_forever` would exit before anything is flushed.
    server(options, settings, metrics, &tracing).run(RunArgs::default());
    tracing.stop();
    drop(log);
}

fn server(options: Opt, settings: Settings, metrics: Metrics, tracing: &Tracing) -> Server {
    let conf = ServerConf {
        threads: 2,
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        pid_file: "/tmp/ch07-observability.pid".to_owned(),
        upgrade_sock: "/tmp/ch07-observability.sock".to_owned(),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(options, conf);
    server.bootstrap();

    let Settings { listen, admin, .. } = settings;
    let edge = Edge {
        pool: Pool::new(
            settings.upstreams,
            settings.connect_timeout,
            settings.read_timeout,
        ),
        metrics,
        tracer: tracing.tracer(),
        client_timeout: settings.client_timeout,
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);
    server.add_service(admin::service(&admin));

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/users/7");
    println!("  curl -s http://{listen}/close");
    println!("  curl -s http://{admin}/metrics");
    server
}

fn refuse(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}
