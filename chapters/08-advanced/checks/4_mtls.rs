//! 8.4 A client is who its certificate says, and nobody else: not by a header, and not by another authority's word.

use lab::{
    Authority, Certificate, Certificates, Proxy, Request, Target, Tls, TlsVersion, Upstream, expect,
};

const EXERCISE: &str = "8-4";

async fn proxy(certificates: &Certificates, upstream: &Upstream) -> Proxy {
    Proxy::of(EXERCISE)
        .env("CERTS", certificates.folder())
        .in_front_of(upstream)
        .await
}

fn tls(certificates: &Certificates) -> Tls {
    Tls::trusting(certificates.authority()).name("one.test")
}

/// The TLS port, for a client with this certificate.
fn with(client: &Certificate, certificates: &Certificates, proxy: &Proxy) -> Target {
    let tls = tls(certificates).client(client);
    proxy.port("LISTEN_TLS").tls(tls)
}

/// All that looks like the header to some server, whatever the dashes are.
fn identities(request: &Request) -> Vec<String> {
    let alike = |name: &str| name.to_ascii_lowercase().replace('_', "-") == "x-client-identity";
    let headers = request.headers.iter().filter(|(name, _)| alike(name));
    headers
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

/// Expects that the upstream gets this one name, in this one header.
#[track_caller]
fn expect_identity(upstream: &Upstream, name: &str, usually: &str) {
    let request = upstream.last_request();
    request
        .expect_header("x-client-identity", name)
        .usually(usually);
    let found = identities(&request);
    expect(
        found.len() == 1,
        format!("one line that says who the client is: found {found:?}"),
    )
    .usually("a server may read x_client_identity as the same name, and take that line");
}

/// Expects that the upstream hears of nobody.
#[track_caller]
fn expect_nobody(upstream: &Upstream) {
    let found = identities(&upstream.last_request());
    expect(
        found.is_empty(),
        format!("no line that says who the client is: found {found:?}"),
    )
    .usually(
        "whoever connects without a certificate can write this header too: take it away first",
    );
}

#[tokio::test]
async fn the_upstream_hears_who_the_client_is() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for name in ["alice", "bob", "Carol Smith, billing"] {
        let client = certificates.authority().client(name);
        for version in [TlsVersion::V1_3, TlsVersion::V1_2] {
            let tls = tls(&certificates).client(&client).version(version);
            let target = proxy.port("LISTEN_TLS").tls(tls);
            target.get("/").send().await.expect_status(200);
            expect_identity(
                &upstream,
                name,
                "the name is the common name in the subject of the certificate",
            );
        }
    }
}

#[tokio::test]
async fn each_request_of_a_connection_has_it() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let client = certificates.authority().client(name);
        with(&client, &certificates, &proxy)
    });
    let (first, second) = (alice.client().await, bob.client().await);
    for _ in 0..2 {
        first.get("/").send().await.expect_status(200);
        expect_identity(&upstream, "alice", "the name belongs to the connection");
        second.get("/").send().await.expect_status(200);
        expect_identity(&upstream, "bob", "the name belongs to the connection");
    }
}

#[tokio::test]
async fn a_resumed_session_has_it_too() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let client = certificates.certificate("client");
    let target = with(&client, &certificates, &proxy);
    target.handshake().await.expect_agreed();

    let client = target.client().await;
    client.handshake().await.expect_resumed();
    client.get("/").send().await.expect_status(200);
    expect_identity(
        &upstream,
        "alice",
        "a resumed session shows no certificate again; rustls keeps it with the session",
    );
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for version in [TlsVersion::V1_3, TlsVersion::V1_2] {
        let target = proxy
            .port("LISTEN_TLS")
            .tls(tls(&certificates).version(version));
        target.handshake().await.expect_refused().usually(
            "a verifier asks for a certificate, and allow_unauthenticated takes none for an answer",
        );
        target.get("/").send().await;
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let strangers = [
        Authority::new().client("alice"),
        certificates.authority().expired_client("alice"),
        // Anybody who has a web server of the house would be a client too.
        certificates.authority().certificate(["alice"]),
    ];
    for stranger in strangers {
        let target = with(&stranger, &certificates, &proxy);
        target
            .handshake()
            .await
            .expect_refused()
            .usually("a certificate counts if ca.pem vouches for it, now, for a client");
        target.get("/").send().await;
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn no_client_says_who_it_is() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let client = certificates.certificate("client");
    let target = with(&client, &certificates, &proxy);
    for names in [
        &["X-Client-Identity"][..],
        &["x-client-identity", "X-CLIENT-IDENTITY"],
        &["X_Client_Identity"],
        &[
            "x-client_identity",
            "x_client-identity",
            "X-Client-Identity",
        ],
    ] {
        let mut request = target.get("/");
        for name in names {
            request = request.header(*name, "root");
        }
        request.send().await.expect_status(200);
        expect_identity(
            &upstream,
            "alice",
            "what the client wrote goes first, then comes what the proxy knows",
        );
    }
}

#[tokio::test]
async fn nobody_is_anybody_on_the_plain_port() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for name in ["X-Client-Identity", "x_client_identity"] {
        let request = proxy.get("/").header(name, "root");
        request.send().await.expect_status(200);
        expect_nobody(&upstream);
    }
}

#[tokio::test]
async fn no_client_takes_its_name_away() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let client = certificates.certificate("client");
    let target = with(&client, &certificates, &proxy);
    let request = target
        .get("/")
        .header("connection", "keep-alive, X-Client-Identity");
    request.send().await.expect_status(200);
    expect_identity(
        &upstream,
        "alice",
        "what Connection names is dropped on the way: after request_filter, before upstream_request_filter",
    );
}

#[tokio::test]
async fn a_certificate_without_a_usable_name_gets_403() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for name in [
        "",
        " alice",
        "alice ",
        "alice\r\nX-Role: admin",
        "alice\u{0}",
        "al\u{ef}ce",
    ] {
        let client = certificates.authority().client(name);
        let target = with(&client, &certificates, &proxy);
        let request = target.get("/").header("x-client-identity", "root");
        request
            .send()
            .await
            .expect_status(403)
            .usually("an authority may sign any text as a name; what cannot stand in a header as it is names nobody");
    }
    upstream.expect_no_request();

    let alice = with(&certificates.certificate("client"), &certificates, &proxy);
    alice.get("/").send().await.expect_status(200);
    expect_identity(
        &upstream,
        "alice",
        "the name is the common name in the subject of the certificate",
    );
}

mod given {
    use super::*;

    #[tokio::test]
    async fn serves_over_tls_who_has_a_certificate() {
        let certificates = Certificates::new();
        let upstream = Upstream::echo().await;
        let proxy = proxy(&certificates, &upstream).await;
        let client = certificates.certificate("client");
        let target = with(&client, &certificates, &proxy);
        target
            .handshake()
            .await
            .expect_certificate(&certificates.certificate("one.test"));
        target.post("/a").body("x").send().await.expect_status(200);
        upstream.last_request().expect_target("/a").expect_body("x");
    }

    #[tokio::test]
    async fn other_headers_pass() {
        let certificates = Certificates::new();
        let upstream = Upstream::echo().await;
        let proxy = proxy(&certificates, &upstream).await;
        let request = proxy.get("/").header("x-client-identity-hint", "a");
        let request = request.header("x_request_id", "b");
        request.send().await.expect_status(200);
        upstream
            .last_request()
            .expect_header("x-client-identity-hint", "a")
            .expect_header("x_request_id", "b");
    }

    #[tokio::test]
    async fn a_file_that_is_missing_is_named_at_the_start() {
        for name in ["ca.pem", "one.test.pem"] {
            let certificates = Certificates::new();
            certificates.remove(name);
            let proxy = Proxy::of(EXERCISE).env("CERTS", certificates.folder());
            let ended = proxy.run_to_end().await;
            ended.expect_code(2);
            ended.expect_stderr_contains(name);
            ended.expect_stderr_contains("cargo run --bin ch08-certificates");
        }
    }
}
