//! The course's upstreams: an echo server that says what it received, and misbehaves when asked to (`GET /help`).
//!
//! A proxy of the course asks [`from_env`] for its backends and [`listen`] for its own address. Both check at once
//! what can be checked, and end the process with one clear line where something is wrong.

mod answer;
mod arguments;
mod backends;
mod echo;
mod h1;
mod h2;
pub mod http1;
mod listen;
mod paths;
mod probe;
mod request;
mod server;
mod websocket;

pub use backends::{echo_addresses, from_env};
pub use echo::Echo;
pub use listen::listen;
pub use probe::healthcheck;
pub use server::{Limits, serve, serve_with};
