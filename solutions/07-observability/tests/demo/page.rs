//! What ADMIN answers, and what it counts.

use lab::{Upstream, expect};

use crate::{counted, demo, sum};

#[tokio::test]
async fn only_metrics_answers() {
    let proxy = demo().alone().await;
    let admin = proxy.port("ADMIN");
    for path in ["/", "/metrics/", "/metric", "/Metrics", "/healthz"] {
        admin.get(path).send().await.expect_status(404);
    }
    admin
        .post("/metrics")
        .send()
        .await
        .expect_status(405)
        .expect_header("allow", "GET");
    admin.get("/metrics?x").send().await.expect_status(200);
    // Nor does the proxy's own port show them.
    proxy.get("/metrics").send().await.expect_status(502);
}

#[tokio::test]
async fn connections_are_counted_by_whether_they_were_new() {
    let upstream = Upstream::echo().await;
    let proxy = demo().in_front_of(&upstream).await;
    for _ in 0..3 {
        proxy.get("/").send().await.expect_status(200);
    }
    let page = counted(&proxy, 3).await;
    let count = |name: &str| sum(&page, name);
    let new = count("edge_upstream_connections_total{reused=\"false\"}");
    let reused = count("edge_upstream_connections_total{reused=\"true\"}");
    expect(
        new + reused == 3.0 && new >= 1.0,
        format!("{new} new and {reused} reused"),
    );
    expect(
        count("edge_upstream_connect_seconds_count") == new,
        "a sample for each new one",
    );
    expect(
        count("edge_upstream_first_byte_seconds_count") == 3.0,
        "three first bytes",
    );
    expect(
        count("edge_proxy_seconds_count") == 3.0,
        "three times in the proxy",
    );
    expect(count("edge_build_info") == 1.0, "build info");
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_ends_it_with_one_line() {
    for (name, value) in [
        ("READ_TIMEOUT_MS", "soon"),
        ("LOG_BUFFER_LINES", "0"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b"),
    ] {
        let ended = demo().env(name, value).run_to_end().await;
        ended.expect_code(2).expect_stderr_contains(name);
    }
}

#[tokio::test]
async fn failures_are_there_before_the_first_one() {
    let proxy = demo().alone().await;
    let page = counted(&proxy, 0).await;
    for labels in [
        "method=\"POST\",route=\"/orders/{id}\"",
        "method=\"other\",route=\"other\"",
    ] {
        let sample = format!("edge_requests_total{{{labels},status=\"5xx\"}} 0");
        let there = page.lines().any(|line| line == sample);
        expect(there, format!("{sample}: rate() sees no first increase"));
    }
}
