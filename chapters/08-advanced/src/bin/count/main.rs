//! Counts requests that fail: `cargo run --bin ch08-count -- https://127.0.0.1:6443/`, until Ctrl-C.
//!
//! Clients of five kinds ask, and none of them tries anything twice. What a browser or a library would hide from you by
//! asking again counts here.

mod client;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Uri;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use client::{PATIENCE, Request, Target};

/// Clients of a kind.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    clients: usize,
    request: Request,
    /// Whether a connection serves one request only.
    once: bool,
    pause: Duration,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "kept alive, busy",
        clients: 16,
        request: Request::Small,
        once: false,
        pause: Duration::ZERO,
    },
    Kind {
        name: "kept alive, idle for 3 s",
        clients: 16,
        request: Request::Small,
        once: false,
        pause: Duration::from_secs(3),
    },
    Kind {
        name: "a connection each",
        clients: 4,
        request: Request::Small,
        once: true,
        pause: Duration::from_millis(1),
    },
    Kind {
        name: "slow downloads",
        clients: 8,
        request: Request::SlowDownload,
        once: false,
        pause: Duration::ZERO,
    },
    Kind {
        name: "slow uploads",
        clients: 8,
        request: Request::SlowUpload,
        once: false,
        pause: Duration::ZERO,
    },
];

#[derive(Default)]
struct Count {
    requests: usize,
    failures: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(Ok(url)) = std::env::args().nth(1).map(|it| it.parse::<Uri>()) else {
        eprintln!("Say whom to ask: cargo run --bin ch08-count -- https://127.0.0.1:6443/");
        return ExitCode::from(2);
    };
    let certs = std::env::var_os("CERTS").unwrap_or_else(|| "certs".into());
    let target = match Target::new(&url, &PathBuf::from(certs).join("ca.pem")) {
        Ok(target) => Arc::new(target),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    println!("Asking {url} until Ctrl-C");
    let counts = ask_until_told(target).await;
    report(&counts)
}

async fn ask_until_told(target: Arc<Target>) -> [Count; KINDS.len()] {
    let ends = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for (index, kind) in KINDS.into_iter().enumerate() {
        for _ in 0..kind.clients {
            let (target, ends) = (Arc::clone(&target), Arc::clone(&ends));
            clients.spawn(async move { (index, ask(kind, &target, &ends).await) });
        }
    }
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("cannot wait for Ctrl-C: {error}");
    }
    ends.store(true, Ordering::Relaxed);
    let mut counts: [Count; KINDS.len()] = Default::default();
    while let Some(client) = clients.join_next().await {
        if let Ok((index, one)) = client
            && let Some(count) = counts.get_mut(index)
        {
            count.requests += one.requests;
            count.failures.extend(one.failures);
        }
    }
    counts
}

/// One client. Each begins one more request after the end: a connection that was lost meanwhile shows.
async fn ask(kind: Kind, target: &Target, ends: &AtomicBool) -> Count {
    let mut count = Count::default();
    let mut connection = None;
    loop {
        let last = ends.load(Ordering::Relaxed);
        count.requests += 1;
        let exchange = target.exchange(kind.request, connection.take());
        match timeout(PATIENCE, exchange).await {
            Ok(Ok(kept)) if !kind.once => connection = kept,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => count.failures.push(error.to_string()),
            Err(_) => count
                .failures
                .push(format!("no answer within {PATIENCE:?}")),
        }
        if last {
            return count;
        }
        sleep(kind.pause).await;
    }
}

fn report(counts: &[Count]) -> ExitCode {
    let requests: usize = counts.iter().map(|it| it.requests).sum();
    let failed: usize = counts.iter().map(|it| it.failures.len()).sum();
    for (kind, count) in KINDS.iter().zip(counts) {
        let (asked, failed) = (count.requests, count.failures.len());
        println!("  {:<25} {asked:>7} requests, {failed} failed", kind.name);
        for failure in count.failures.iter().take(3) {
            println!("    {failure}");
        }
    }
    println!("{requests} requests, {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
