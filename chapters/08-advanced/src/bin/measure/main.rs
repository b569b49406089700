//! Measures this chapter's proxy beside nginx and HAProxy, all in one run: CPU for each request, latency at a fixed
//! rate, connections to the upstream, and on demand memory of idle clients and instructions for each request.
//!
//! The README's section 'Measured' says why it is done like this, and what the numbers are worth.

mod arguments;
mod cases;
mod certificates;
mod client;
mod contestant;
mod cpu;
mod idle;
mod instructions;
mod load;
mod machine;
mod percentiles;
mod report;
mod reuse;
mod rivals;
mod rounds;
mod upstream;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use arguments::Arguments;
use contestant::Contestant;
use upstream::Upstream;

/// What all measurements need.
struct Stage {
    arguments: Arguments,
    contestants: Vec<Contestant>,
    upstream: Upstream,
    /// Configurations, certificates and what the programs write. Removed at the end.
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = tokio::select! {
        // In this order: the signals are watched before anything starts.
        biased;
        // Leaving through here ends the programs that were started.
        () = told_to_stop() => Err("stopped".to_owned()),
        result = measure(arguments) => result,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ch08-measure: {why}");
            ExitCode::from(2)
        }
    }
}

async fn measure(arguments: Arguments) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    certificates::create(folder.path())?;
    let upstream = Upstream::start().await?;
    let contestants = contestant::all(&arguments, folder.path(), upstream.address())?;
    report::method(&arguments, &contestants);
    let stage = Stage {
        arguments,
        contestants,
        upstream,
        folder: folder.path().to_owned(),
    };
    rounds::run(&stage).await?;
    if let Some(clients) = stage.arguments.reuse {
        reuse::run(&stage, clients).await?;
    }
    if let Some(clients) = stage.arguments.idle {
        idle::run(&stage, clients).await?;
    }
    if let Some(requests) = stage.arguments.instructions {
        instructions::run(&stage, requests).await?;
    }
    Ok(())
}

async fn told_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Then the signals end this process as they do by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
