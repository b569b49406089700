//! From HTTP to HTTPS.

use lab::{Certificates, Upstream};

use crate::setup::{demo, https};

#[tokio::test]
async fn the_plain_port_redirects_with_method_and_target() {
    let certificates = Certificates::new();
    let proxy = demo(&certificates).alone().await;
    let port = proxy.port("LISTEN_TLS").address().port();
    for target in ["/", "/a/../b//c?d=%zz&e=/%2F", "/?", "/a?b?c"] {
        for (method, host) in [
            ("GET", "one.test"),
            ("POST", "two.test:80"),
            ("HEAD", "[::1]:8080"),
        ] {
            let answer = proxy
                .request(method, target)
                .header("host", host)
                .send()
                .await;
            let name = host.strip_suffix(":80").unwrap_or(host);
            let name = name.strip_suffix(":8080").unwrap_or(name);
            answer
                .expect_status(308)
                .expect_header("location", format!("https://{name}:{port}{target}"))
                .expect_body("");
        }
    }
}

#[tokio::test]
async fn an_absolute_target_redirects_to_its_host() {
    let certificates = Certificates::new();
    let proxy = demo(&certificates).alone().await;
    let port = proxy.port("LISTEN_TLS").address().port();
    let mut client = proxy.connect().await;
    client
        .send("GET http://one.test:80/a?b HTTP/1.1\r\nHost: one.test:80\r\n\r\n")
        .await;
    client
        .read_response()
        .await
        .expect_status(308)
        .expect_header("location", format!("https://one.test:{port}/a?b"));
}

#[tokio::test]
async fn only_tls_says_that_tls_is_to_be_used() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates).in_front_of(&upstream).await;
    let https = https(&proxy, &certificates);
    for path in ["/", "/healthz"] {
        let answer = https.get(path).send().await;
        answer
            .expect_status(200)
            .expect_header("strict-transport-security", "max-age=31536000");
    }
    upstream.refuse().await;
    let answer = https.get("/").send().await;
    answer
        .expect_status(502)
        .expect_header("strict-transport-security", "max-age=31536000");
    for (path, status) in [("/", 308), ("/healthz", 200), ("/healthz?", 308)] {
        let answer = proxy.get(path).send().await;
        answer
            .expect_status(status)
            .expect_no_header("strict-transport-security");
    }
    let answer = proxy.get("/").header("host", "").send().await;
    answer
        .expect_status(400)
        .expect_no_header("strict-transport-security");
}

#[tokio::test]
async fn its_health_is_told_without_an_upstream() {
    let certificates = Certificates::new();
    let proxy = demo(&certificates).alone().await;
    let answer = proxy.get("/healthz").send().await;
    answer.expect_status(200).expect_body("ok\n");
    let answer = proxy.head("/healthz").send().await;
    answer
        .expect_status(200)
        .expect_header("content-length", "3");
}
