//! 8.3 The upstream is asked for by name, believed if the one authority vouches for that name, and not otherwise.

use lab::{Authority, Certificate, Certificates, Proxy, ProxyBuilder, Reply, Upstream};

const EXERCISE: &str = "8-3";

/// The folder of certificates, and an authority that the machine trusts, as it trusts those of browsers.
struct Trust {
    certificates: Certificates,
    of_the_machine: Authority,
}

impl Trust {
    fn new() -> Self {
        let trust = Self {
            certificates: Certificates::new(),
            of_the_machine: Authority::new(),
        };
        let machine = trust.of_the_machine.pem();
        trust.certificates.write("machine.pem", machine);
        trust
    }

    fn proxy(&self) -> ProxyBuilder {
        let machine = self.certificates.path().join("machine.pem");
        Proxy::of(EXERCISE)
            .env("CERTS", self.certificates.folder())
            .env("SSL_CERT_FILE", machine.display())
    }

    fn authority(&self) -> &Authority {
        self.certificates.authority()
    }
}

/// Expects that the proxy hands no request to a server with this certificate.
async fn is_not_believed(trust: &Trust, certificate: &Certificate, usually: &str) {
    let upstream = Upstream::echo_with_tls(certificate).await;
    let proxy = trust.proxy().in_front_of(&upstream).await;
    let request = proxy.post("/secret").header("authorization", "Bearer x");
    let response = request.body("secret").send().await;
    response.expect_status(502).usually(usually);
    upstream.expect_no_request().usually(usually);
}

#[tokio::test]
async fn asks_for_the_upstream_by_name() {
    let trust = Trust::new();
    for name in ["one.test", "two.test"] {
        let certificate = trust.certificates.certificate(name);
        let upstream = Upstream::echo_with_tls(&certificate).await;
        let proxy = trust.proxy().env("UPSTREAM_NAME", name);
        let proxy = proxy.in_front_of(&upstream).await;
        let response = proxy.post("/a?b").body("an order").send().await;
        response.expect_status(200).usually(
            "the authority in CERTS/ca.pem vouches for this name, and the machine's do not know it",
        );
        upstream.expect_server_name(name).usually(
            "the name of the handshake is the third argument of HttpPeer::new; without one, none is sent",
        );
        upstream
            .last_request()
            .expect_target("/a?b")
            .expect_header("host", name)
            .usually("Host and the name of the handshake are to be the same: a server may refuse others with 421")
            .expect_body("an order");
    }
}

#[tokio::test]
async fn no_client_chooses_the_name() {
    let trust = Trust::new();
    let certificate = trust.certificates.certificate("one.test");
    let upstream = Upstream::echo_with_tls(&certificate).await;
    let proxy = trust.proxy().in_front_of(&upstream).await;
    for host in ["two.test", "www.example:6188"] {
        let request = proxy.get("/").header("host", host);
        let request = request.header("x-forwarded-host", "made.up");
        request.send().await.expect_status(200);
        upstream
            .expect_server_name("one.test")
            .usually("what the client wrote into Host is not who the upstream is");
        let request = upstream.last_request();
        request
            .expect_header("host", "one.test")
            .usually("a server with several names goes by Host");
        request
            .expect_header("x-forwarded-host", host)
            .usually("what the client asked for is lost otherwise; what it says of earlier hops is not to be believed");
    }
}

#[tokio::test]
async fn another_name_is_not_believed() {
    let trust = Trust::new();
    let two = trust.certificates.certificate("two.test");
    let usually =
        "the certificate is good, and of another server: is the name compared (verify_hostname)?";
    is_not_believed(&trust, &two, usually).await;
}

#[tokio::test]
async fn a_foreign_authority_is_not_believed() {
    let trust = Trust::new();
    let foreign = Authority::new().certificate(["one.test"]);
    let usually = "anybody can make such a certificate: is it verified at all (verify_cert)?";
    is_not_believed(&trust, &foreign, usually).await;
}

#[tokio::test]
async fn an_authority_of_the_machine_is_not_believed() {
    let trust = Trust::new();
    let public = trust.of_the_machine.certificate(["one.test"]);
    let usually =
        "a hundred authorities can vouch for every name in the world; this upstream has one";
    is_not_believed(&trust, &public, usually).await;
}

#[tokio::test]
async fn a_certificate_is_believed_in_its_time() {
    let trust = Trust::new();
    let usually = "the certificate is not valid now: is it verified at all (verify_cert)?";
    let expired = trust.authority().expired(["one.test"]);
    is_not_believed(&trust, &expired, usually).await;
    let early = trust.authority().not_yet_valid(["one.test"]);
    is_not_believed(&trust, &early, usually).await;

    let good = trust.certificates.certificate("one.test");
    let upstream = Upstream::echo_with_tls(&good).await;
    let proxy = trust.proxy().in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_status(200);
}

#[tokio::test]
async fn an_empty_name_is_refused_at_the_start() {
    let trust = Trust::new();
    let proxy = trust.proxy().env("UPSTREAM_NAME", "");
    let ended = proxy.run_to_end().await;
    ended.expect_code(2);
    ended.expect_stderr_contains("UPSTREAM_NAME");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn an_upstream_without_tls_gets_nothing() {
        let trust = Trust::new();
        let upstream = Upstream::echo().await;
        let proxy = trust.proxy().in_front_of(&upstream).await;
        proxy.get("/").send().await.expect_status(502);
        upstream.expect_no_request();
    }

    #[tokio::test]
    async fn one_handshake_serves_many_requests() {
        let trust = Trust::new();
        let certificate = trust.certificates.certificate("one.test");
        let upstream = Upstream::always_with_tls(&certificate, Reply::text(200, "hello")).await;
        let proxy = trust.proxy().in_front_of(&upstream).await;
        for _ in 0..3 {
            proxy.get("/").send().await.expect_body("hello");
        }
        proxy.expect(
            upstream.connections() == 1,
            "one connection to the upstream",
        );
    }

    #[tokio::test]
    async fn an_authority_that_is_missing_is_named_at_the_start() {
        let trust = Trust::new();
        trust.certificates.remove("ca.pem");
        let ended = trust.proxy().run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("ca.pem");
        ended.expect_stderr_contains("cargo run --bin ch08-certificates");
    }
}
