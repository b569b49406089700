//! The echo servers as a command: see `upstreams --help`.

mod command;
mod signals;

use clap::Parser;
use command::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = Command::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.reason);
            ExitCode::from(failure.code)
        }
    }
}
