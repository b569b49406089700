//! The demo of chapter 08: plain HTTP leads to HTTPS, TLS is what it says, certificates change under way, and a stop
//! cuts nobody off. What it refuses is in security.rs, and an upgrade under load in handover.rs.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "demo/certificates.rs"]
mod certificates;
#[path = "demo/forward.rs"]
mod forward;
#[path = "demo/leave.rs"]
mod leave;
#[path = "demo/redirect.rs"]
mod redirect;
#[path = "demo/reload.rs"]
mod reload;
#[path = "demo/settings.rs"]
mod settings;
#[path = "demo/setup.rs"]
mod setup;
#[path = "demo/tls.rs"]
mod tls;
