//! What cannot be used ends it with one line that says what to do.

use std::{fs, net::TcpListener};

use lab::{Certificates, Ended, expect};
use tempfile::tempdir;

use crate::setup::demo;

fn refused(ended: &Ended, what: &str) {
    ended.expect_code(2).expect_stderr_contains(what);
    let lines = ended.stderr.lines().count();
    expect(lines == 1, format!("one line, not {lines}"));
}

#[tokio::test]
async fn values_that_are_none() {
    let certificates = Certificates::new();
    for (name, value) in [
        ("LISTEN_TLS", "6443"),
        ("HEADER_TIMEOUT_MS", "soon"),
        ("BODY_LIMIT", "0"),
        ("DRAIN_MS", "-1"),
        ("RELOAD_MS", "1s"),
    ] {
        let ended = demo(&certificates).env(name, value).run_to_end().await;
        refused(&ended, name);
    }
}

#[tokio::test]
async fn a_port_in_use() {
    let certificates = Certificates::new();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("its address");
    let ended = demo(&certificates)
        .env("LISTEN_TLS", address)
        .run_to_end()
        .await;
    refused(&ended, &format!("LISTEN_TLS: {address} is already in use"));
}

#[tokio::test]
async fn certificates_that_are_none() {
    for (file, bytes) in [
        ("one.test.pem", "no certificate"),
        ("one.test.key", ""),
        ("two.test.key", "-----BEGIN PRIVATE KEY-----\nMIIB"),
    ] {
        let certificates = Certificates::new();
        certificates.write(file, bytes);
        let ended = demo(&certificates).run_to_end().await;
        refused(&ended, file);
        ended.expect_stderr_contains("cargo run --bin ch08-certificates");
    }
    let certificates = Certificates::new();
    certificates.remove("two.test.pem");
    let ended = demo(&certificates).run_to_end().await;
    refused(&ended, "two.test.pem");
}

/// A key that belongs to another certificate is as good as none.
#[tokio::test]
async fn a_key_of_another_certificate() {
    let certificates = Certificates::new();
    let other = certificates.certificate("two.test");
    certificates.write("one.test.key", other.key_pem());
    let ended = demo(&certificates).run_to_end().await;
    refused(&ended, "one.test.key");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let certificates = Certificates::new();
    let ended = demo(&certificates)
        .env("CERTS", file.join("certs").display())
        .run_to_end()
        .await;
    refused(&ended, "certs");
}
