//! A program under test for the tests of this crate: it passes bytes on to the first of `UPSTREAMS`, or misbehaves
//! as `RELAY` says.

use std::env::{args, var};
use std::io::{Error, Result};
use std::process::ExitCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> ExitCode {
    let role = var("RELAY").unwrap_or_default();
    let done = match role.as_str() {
        "exit" => Err(Error::other("this is how a start fails")),
        "say" => {
            println!("arguments: {}", Vec::from_iter(args().skip(1)).join(" "));
            Ok(())
        }
        _ => run(&role).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(role: &str) -> Result<()> {
    let address = setting("LISTEN")?;
    // Says 'in use' as long as the file is there, and takes it away: one start fails, the next does not.
    if let Ok(file) = var("FAIL_ONCE")
        && std::fs::remove_file(file).is_ok()
    {
        return Err(Error::other(format!("{address} is in use")));
    }
    if role == "deaf" {
        return std::future::pending().await;
    }
    let listener = TcpListener::bind(&address).await?;
    eprintln!("\x1b[32mrelay\x1b[0m: listening");
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(serve(client, role.to_owned()));
    }
}

async fn serve(mut client: TcpStream, role: String) -> Result<()> {
    let answer: &[u8] = match role.as_str() {
        "close" => b"",
        "garbage" => b"nothing of HTTP\r\n\r\n",
        "cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "teapot" | "hasty" => {
            b"HTTP/1.1 418 I'm a teapot\r\nX-Kind: pot\r\nContent-Length: 6\r\n\r\nshort\n"
        }
        "early" => b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        _ => return relay(client, &role).await,
    };
    if client.read(&mut [0; 4096]).await? > 0 {
        eprintln!("relay: got a request");
        client.write_all(answer).await?;
        if role == "hasty" {
            return std::future::pending().await;
        }
        // With unread bytes in its buffer the kernel would send a reset instead of a FIN.
        client.shutdown().await?;
        copy(&mut client, &mut sink()).await?;
    }
    Ok(())
}

async fn relay(mut client: TcpStream, role: &str) -> Result<()> {
    // A connection without a byte is no request.
    if client.peek(&mut [0]).await? == 0 {
        return Ok(());
    }
    match role {
        "die" => {
            _ = client.read(&mut [0; 4096]).await?;
            eprintln!("relay: cannot go on");
            std::process::exit(3);
        }
        "hang" => std::future::pending().await,
        _ => {}
    }
    let upstreams = setting("UPSTREAMS")?;
    let first = upstreams.split(',').next().unwrap_or_default();
    let mut upstream = TcpStream::connect(first).await?;
    copy_bidirectional(&mut client, &mut upstream).await?;
    Ok(())
}

fn setting(name: &str) -> Result<String> {
    var(name).map_err(|error| Error::other(format!("{name}: {error}")))
}
