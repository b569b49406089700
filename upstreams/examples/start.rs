//! How a proxy of the course begins: asks for its address and its backends, and prints both. It ends with its stdin.

use std::io;

fn main() -> io::Result<()> {
    println!("{}", upstreams::listen("LISTEN", "127.0.0.1:6188"));
    let backends = upstreams::from_env();
    println!(
        "{}",
        backends
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    );
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
