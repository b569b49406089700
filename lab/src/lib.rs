//! Judges a proxy from outside: it runs the program as a child process between a client and upstreams that the
//! check owns, sees both sides, and shows both when an expectation fails.
//!
//! ```no_run
//! # async fn check() {
//! use lab::{Proxy, Upstream};
//!
//! let upstream = Upstream::echo().await;
//! let proxy = Proxy::of("2-9").in_front_of(&upstream).await;
//!
//! proxy.get("/").header("via", "1.0 alpha").send().await.expect_status(200);
//!
//! upstream.last_request().expect_list("via", ["1.0 alpha", "1.1 edge"]);
//! # }
//! ```
//!
//! Every wait has the same patience: ten seconds, or as many as `LAB_PATIENCE` says.

mod answer;
mod certificate;
mod certificates;
mod client;
mod condition;
mod connection;
mod ended;
mod expectation;
pub mod failure;
mod handshake;
mod headers;
mod log;
mod message;
mod name_server;
mod ports;
mod process;
mod proxy;
mod record;
mod reply;
mod report;
mod request;
mod response;
mod scene;
mod serve;
mod stream;
mod target;
mod tls;
mod upstream;
mod wire;

pub use certificate::{Authority, Certificate};
pub use certificates::Certificates;
pub use client::{Client, RequestBuilder, Streaming};
pub use condition::{Waiting, eventually, patience, soon};
pub use ended::Ended;
pub use expectation::{Expected, expect};
pub use handshake::Handshake;
pub use name_server::NameServer;
pub use nix::sys::signal::Signal;
pub use proxy::{Proxy, ProxyBuilder};
pub use reply::Reply;
pub use request::Request;
pub use response::Response;
pub use stream::Stream;
pub use target::Target;
pub use tls::{Tls, TlsVersion};
pub use upstream::Upstream;
pub use wire::Wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks also after a panic elsewhere: a failing check still wants to show what was seen.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
