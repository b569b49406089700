//! 7.7 A client that goes away is counted and leaves no error in the log; what fails upstream leaves exactly one.

use lab::{Proxy, Reply, Upstream, expect, soon};

const EXERCISE: &str = "7-7";

/// What is logged of a request whose upstream refuses the connection.
const REFUSED: &str = "ConnectRefused";
/// And of one whose upstream sends no HTTP.
const NO_HTTP: &str = "InvalidHTTPHeader";

const COUNTER: &str = "edge_client_aborts_total";
const ABORT: &str = "an abort is an error of ErrorSource::Downstream whose type is ConnectionClosed, ReadError or WriteError";
const QUIET: &str = "Pingora writes a line at error for every request that fails, unless suppress_error_log says no; yours in logging() comes on top";
const ONCE: &str = "of Pingora's line and the one in logging() one is left over";

/// The lines so far that would call somebody, without those that the check provokes to know that all before has arrived.
fn alarms(marker: &str, proxy: &Proxy) -> Vec<String> {
    let text = proxy.log();
    let lines = text.lines().filter(|line| {
        let mut words = line.split([' ', '[', ']']);
        words.any(|word| matches!(word, "WARN" | "ERROR")) && !line.contains(marker)
    });
    lines.map(str::to_owned).collect()
}

/// Waits for the line of a request that failed so. What was logged before it has arrived then.
async fn until_logged(marker: &str, proxy: &Proxy) {
    soon(
        format!("a line at WARN or ERROR with {marker}"),
        async || {
            alarms("no marker", proxy)
                .iter()
                .any(|line| line.contains(marker))
        },
    )
    .usually("an upstream that fails is worth a line at error, with the type of the error")
    .await;
}

async fn aborts(proxy: &Proxy) -> Option<f64> {
    let page = proxy.port("ADMIN").get("/metrics").send().await.text();
    let line = page.lines().find(|line| line.starts_with(COUNTER))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Waits until the counter is at one, and expects that nobody was called.
async fn expect_one_abort_and_silence(upstream: &Upstream, proxy: &Proxy) {
    soon(format!("{COUNTER} is at 1"), async || {
        aborts(proxy).await == Some(1.0)
    })
    .usually(ABORT)
    .await;
    upstream.refuse().await;
    proxy.get("/").send().await.expect_status(502);
    until_logged(REFUSED, proxy).await;
    let alarms = alarms(REFUSED, proxy);
    let what = format!("no line at WARN or ERROR for a client that goes away, but {alarms:#?}");
    proxy.expect(alarms.is_empty(), what).usually(QUIET);
    expect_aborts(1.0, proxy).await;
}

async fn expect_aborts(wanted: f64, proxy: &Proxy) {
    let found = aborts(proxy).await;
    let what = format!("{COUNTER} at {wanted}, but it is at {found:?}");
    proxy.expect(found == Some(wanted), what).usually(ABORT);
}

fn expect_one_alarm_but(marker: &str, proxy: &Proxy) {
    let alarms = alarms(marker, proxy);
    let what = format!("one line at WARN or ERROR for the request that failed, but {alarms:#?}");
    proxy.expect(alarms.len() == 1, what).usually(ONCE);
}

#[tokio::test]
async fn a_download_that_the_client_leaves_is_counted_and_quiet() {
    let long = Reply::text(200, vec![b'x'; 64 * 1024 * 1024]);
    let upstream = Upstream::always(long).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let mut download = proxy.get("/").start().await;
    download.next_piece().await;
    drop(download);

    expect_one_abort_and_silence(&upstream, &proxy).await;
}

#[tokio::test]
async fn an_upload_that_the_client_leaves_is_counted_and_quiet() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;

    wire.send("POST / HTTP/1.1\r\nHost: edge\r\nContent-Length: 100\r\n\r\nhalf")
        .await;
    upstream.wait_for_requests(1).await;
    drop(wire);

    expect_one_abort_and_silence(&upstream, &proxy).await;
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_the_answer_is_counted_and_quiet() {
    let upstream = Upstream::always(Reply::stall()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;

    wire.send("GET / HTTP/1.1\r\nHost: edge\r\n\r\n").await;
    upstream.wait_for_requests(1).await;
    drop(wire);

    expect_one_abort_and_silence(&upstream, &proxy).await;
}

#[tokio::test]
async fn an_upstream_that_fails_has_one_line_and_is_no_abort() {
    for reply in [
        Reply::close(),
        Reply::reset(),
        Reply::garbage(),
        Reply::truncated(100, "half"),
    ] {
        let upstream = Upstream::always(reply).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await;

        upstream.refuse().await;
        proxy.get("/").send().await.expect_status(502);
        until_logged(REFUSED, &proxy).await;
        expect_one_alarm_but(REFUSED, &proxy);
        expect_aborts(0.0, &proxy).await;
    }
}

#[tokio::test]
async fn an_upstream_that_refuses_has_one_line_and_is_no_abort() {
    let upstream = Upstream::always(Reply::garbage()).await;
    upstream.refuse().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/").send().await.expect_status(502);

    upstream.accept().await;
    proxy.get("/").send().await.expect_status(502);
    until_logged(NO_HTTP, &proxy).await;
    expect_one_alarm_but(NO_HTTP, &proxy);
    expect_aborts(0.0, &proxy).await;
}

#[tokio::test]
async fn a_body_that_is_no_http_has_one_line_and_is_no_abort() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;

    wire.send("POST / HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        .await;
    wire.read_response().await.expect_status(400);

    upstream.refuse().await;
    proxy.get("/").send().await.expect_status(502);
    until_logged(REFUSED, &proxy).await;
    expect_one_alarm_but(REFUSED, &proxy);
    expect_aborts(0.0, &proxy).await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn who_has_the_whole_answer_may_go() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for body in ["", "something"] {
            // Each on a connection of its own, which is closed once the answer is read.
            proxy.post("/").body(body).send().await.expect_status(200);
        }
        drop(proxy.client().await);
        proxy.get("/").send().await.expect_status(200);

        expect_aborts(0.0, &proxy).await;
        let alarms = alarms("no marker", &proxy);
        expect(
            alarms.is_empty(),
            format!("no line at WARN or ERROR, but {alarms:#?}"),
        );
    }
}
