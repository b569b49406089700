//! Traces as a collector gets them, and as an upstream does.

use lab::{Proxy, ProxyBuilder, Reply, Signal, Upstream, eventually, expect};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};

use crate::{
    collector::{Collector, hex},
    counted, demo, logged,
};

pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const PARENT: &str = "b7ad6b7169203331";

/// A demo that exports soon to this collector.
pub(crate) fn traced(endpoint: &str) -> ProxyBuilder {
    demo()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", 50)
}

pub(crate) fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind() == kind).collect()
}

#[tokio::test]
async fn a_request_is_a_tree_of_three_kinds_under_the_clients_span() {
    let collector = Collector::start();
    let upstream = Upstream::echo().await;
    let proxy = traced(&collector.endpoint()).in_front_of(&upstream).await;
    let sent = proxy
        .get("/users/7")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    sent.header("tracestate", "a=1, b=2")
        .send()
        .await
        .expect_status(200);

    eventually("three spans arrive", async || collector.spans().len() >= 3).await;
    let spans = collector.spans();
    let server = of_kind(&spans, SpanKind::Server)[0];
    let client = of_kind(&spans, SpanKind::Client)[0];
    let internal = of_kind(&spans, SpanKind::Internal)[0];
    let all = spans.iter().all(|span| hex(&span.trace_id) == TRACE);
    expect(all, "the client's trace goes on");
    expect(
        hex(&server.parent_span_id) == PARENT,
        "server under the client's span",
    );
    expect(
        client.parent_span_id == server.span_id,
        "client under server",
    );
    expect(
        internal.parent_span_id == client.span_id,
        "internal under client",
    );
    expect(
        server.name == "GET /users/{id}",
        format!("a name with the route, not {}", server.name),
    );

    let request = upstream.last_request();
    let parent = format!("00-{TRACE}-{}-01", hex(&client.span_id));
    request.expect_header("traceparent", parent);
    request.expect_list("tracestate", ["a=1", "b=2"]);
    let line = &logged(&proxy, 1).await[0];
    expect(line["trace_id"] == TRACE, "the line names the trace");
    expect(
        line["span_id"] == hex(&server.span_id),
        "the line names the span",
    );
}

#[tokio::test]
async fn a_failed_try_is_a_failed_span() {
    let collector = Collector::start();
    let upstream = Upstream::always(Reply::reset()).await;
    let proxy = traced(&collector.endpoint()).in_front_of(&upstream).await;
    proxy.get("/close").send().await.expect_status(502);
    eventually("three spans arrive", async || collector.spans().len() >= 3).await;
    let spans = collector.spans();
    for kind in [SpanKind::Server, SpanKind::Client] {
        let span = of_kind(&spans, kind)[0];
        let code = span.status.as_ref().map(|status| status.code);
        expect(
            code == Some(2),
            format!("{kind:?} has the status of an error, not {code:?}"),
        );
    }
}

/// What the upstream gets for these headers: traceparent and tracestate.
async fn passed_on(headers: &[(&str, &str)]) -> (String, Option<String>) {
    let upstream = Upstream::echo().await;
    let proxy = demo().in_front_of(&upstream).await;
    let mut request = proxy.get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect_status(200);
    let seen = upstream.last_request();
    let all = seen.header_all("traceparent").join(", ");
    (all, seen.header("tracestate").map(str::to_owned))
}

#[tokio::test]
async fn what_cannot_be_believed_begins_a_new_trace() {
    let good = format!("00-{TRACE}-{PARENT}-01");
    let zeros = "0".repeat(32);
    for wrong in [
        good.replace("00-", "ff-"),
        good.to_uppercase(),
        good.replace(TRACE, &zeros),
        good.replace(PARENT, &zeros[..16]),
        format!("{good}-00"),
        good[..54].to_owned(),
        "nonsense".to_owned(),
    ] {
        let (parent, state) = passed_on(&[("traceparent", &wrong), ("tracestate", "a=1")]).await;
        let new = parent.len() == 55 && !parent.contains(TRACE);
        expect(new, format!("a new trace for {wrong}, not {parent}"));
        expect(state.is_none(), format!("no tracestate for {wrong}"));
    }
    let (parent, _) = passed_on(&[("traceparent", &good), ("traceparent", &good)]).await;
    expect(!parent.contains(TRACE), "a new trace for two headers");
}

#[tokio::test]
async fn what_can_be_believed_goes_on() {
    let good = format!("00-{TRACE}-{PARENT}-01");
    for (right, flags) in [
        (good.clone(), "01"),
        (format!("cc-{TRACE}-{PARENT}-01-more"), "01"),
        (format!("00-{TRACE}-{PARENT}-00"), "00"),
    ] {
        let (parent, _) = passed_on(&[("traceparent", &right)]).await;
        let ours = parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with(flags);
        expect(
            ours && !parent.contains(PARENT),
            format!("{right} goes on, as {parent}"),
        );
    }
    let twice = [
        ("traceparent", good.as_str()),
        ("tracestate", "a=1"),
        ("tracestate", "b=2,"),
    ];
    let (_, state) = passed_on(&twice).await;
    expect(
        state.as_deref() == Some("a=1,b=2"),
        format!("one state, not {state:?}"),
    );
    let wrong = [("traceparent", good.as_str()), ("tracestate", "a=1,a=2")];
    let (parent, state) = passed_on(&wrong).await;
    expect(
        parent.contains(TRACE) && state.is_none(),
        "a wrong state is dropped alone",
    );
}

#[tokio::test]
async fn who_is_not_sampled_is_not_exported() {
    let collector = Collector::start();
    let upstream = Upstream::echo().await;
    let proxy = traced(&collector.endpoint()).in_front_of(&upstream).await;
    let not = proxy
        .get("/")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-00"));
    not.send().await.expect_status(200);
    proxy.get("/").send().await.expect_status(200);
    eventually("the spans of the other arrive", async || {
        collector.spans().len() >= 3
    })
    .await;
    let unwanted = collector
        .spans()
        .iter()
        .any(|it| hex(&it.trace_id) == TRACE);
    expect(!unwanted, "no span of the trace that is not sampled");
}

#[tokio::test]
async fn a_stop_flushes() {
    let collector = Collector::start();
    let upstream = Upstream::echo().await;
    let proxy = traced(&collector.endpoint())
        .env("OTEL_BSP_SCHEDULE_DELAY", 3_600_000)
        .in_front_of(&upstream)
        .await;
    proxy.get("/").send().await.expect_status(200);
    logged(&proxy, 1).await;
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);
    let count = collector.spans().len();
    expect(count == 3, format!("three spans by the end, not {count}"));
}

/// Answers, counts and ends as if the collector were well.
async fn unharmed(proxy: Proxy) {
    let client = proxy.client().await;
    for _ in 0..3_000 {
        client.get("/").send().await.expect_status(200);
    }
    counted(&proxy, 3_000).await;
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);
}

#[tokio::test]
async fn an_absent_collector_harms_nobody() {
    let (upstream, absent) = (Upstream::echo().await, Upstream::refusing().await);
    let endpoint = format!("http://{}", absent.address());
    let proxy = traced(&endpoint).in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_status(200);
    proxy.wait_for_log("spans are not exported").await;
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);
}

#[tokio::test]
async fn a_silent_collector_harms_nobody() {
    let (upstream, silent) = (Upstream::echo().await, Upstream::silent().await);
    let endpoint = format!("http://{}", silent.address());
    unharmed(traced(&endpoint).in_front_of(&upstream).await).await;
}

#[tokio::test]
async fn a_collector_that_cannot_be_reached_harms_nobody() {
    let (upstream, gone) = (Upstream::echo().await, Upstream::unreachable().await);
    let endpoint = format!("http://{}", gone.address());
    unharmed(traced(&endpoint).in_front_of(&upstream).await).await;
}

#[tokio::test]
async fn a_broken_collector_harms_nobody() {
    let broken = Collector::broken();
    let upstream = Upstream::echo().await;
    unharmed(traced(&broken.endpoint()).in_front_of(&upstream).await).await;
}
