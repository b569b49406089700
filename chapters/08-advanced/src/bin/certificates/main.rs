//! Makes certificates for development in the folder that `CERTS` names, or `certs`.

use std::{path::PathBuf, process::ExitCode};

#[path = "../../development.rs"]
mod development;

const USAGE: &str = "usage: ch08-certificates [--renew one.test|two.test|client]";

fn main() -> ExitCode {
    let folder = PathBuf::from(std::env::var_os("CERTS").unwrap_or_else(|| "certs".into()));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (made, what) = match arguments.as_slice() {
        [] => (development::create(&folder), "certificates"),
        ["--renew", name] => (development::renew(&folder, name), *name),
        _ => (Err(USAGE.to_owned()), ""),
    };
    match made {
        Ok(()) => {
            println!("{what}: new in {}", folder.display());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
