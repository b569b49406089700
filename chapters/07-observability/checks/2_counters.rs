//! 7.2 Requests are counted by template, method and class of the status, of which there are few, whatever clients send.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use lab::{Proxy, Reply, Upstream, expect, soon};

const EXERCISE: &str = "7-2";

const EVERY_PATH: &str =
    "a label with the path has as many values as there are paths, and each is kept for ever";
const REQUESTS: &str = "edge_requests_total";
const BYTES: &str = "edge_response_body_bytes_total";

/// The samples of the page whose line begins so: what stands between the name and the value, and the value.
async fn samples(proxy: &Proxy, name: &str) -> Vec<(String, f64)> {
    let page = proxy.port("ADMIN").get("/metrics").send().await;
    page.expect_status(200);
    let text = page.text();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let sample = |line: &str| {
        let (labels, value) = line.rsplit_once(' ')?;
        Some((labels.to_owned(), value.parse().ok()?))
    };
    lines
        .filter(|line| line.starts_with(['{', ' ']))
        .filter_map(sample)
        // Who sets a counter to 0 in advance is right too.
        .filter(|(_, value)| *value > 0.0)
        .collect()
}

/// How many requests have these labels.
async fn counted(proxy: &Proxy, route: &str, method: &str, status: &str) -> f64 {
    let labels = [("route", route), ("method", method), ("status", status)];
    let labels = labels.map(|(name, value)| format!("{name}=\"{value}\""));
    let samples = samples(proxy, REQUESTS).await;
    let these = samples
        .iter()
        .filter(|(found, _)| labels.iter().all(|label| found.contains(label)));
    these.map(|(_, value)| value).sum()
}

/// Waits until so many requests are counted, whatever their labels.
async fn all_counted(proxy: &Proxy, requests: usize) {
    soon("every request is counted once", async || {
        let counted = samples(proxy, REQUESTS).await;
        counted.iter().map(|(_, value)| value).sum::<f64>() == requests as f64
    })
    .usually("a request is counted where it ends: in logging, for every ending")
    .await;
}

#[tokio::test]
async fn all_users_are_one_route() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let ids = [
        "7",
        "8",
        "alice",
        "a%2Fb",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
    ];
    for id in ids {
        proxy.get(format!("/users/{id}")).send().await;
    }

    all_counted(&proxy, ids.len()).await;

    let counted = counted(&proxy, "/users/{id}", "GET", "2xx").await;
    expect(
        counted == ids.len() as f64,
        "all are counted with route=\"/users/{id}\", method=\"GET\", status=\"2xx\"",
    )
    .usually(EVERY_PATH);
}

#[tokio::test]
async fn a_template_has_as_many_segments_as_the_path() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let routes = [
        ("/users/7?fields=name", "/users/{id}"),
        ("/users/7/orders/9", "/users/{id}/orders/{order}"),
        ("/status/204", "/status/{code}"),
        ("/close", "/close"),
        ("/users/7/orders", "other"),
        ("/users/7/orders/9/items", "other"),
        ("/users/7/avatar/9", "other"),
        ("/users/7/", "other"),
        ("/users/", "other"),
        ("/users", "other"),
        ("//users/7", "other"),
        ("/users//7", "other"),
        ("/users/7/orders//9", "other"),
        ("/usersabc/7", "other"),
        ("/USERS/7", "other"),
        ("/api/users/7", "other"),
        ("/closed", "other"),
        ("/", "other"),
    ];
    for (done, (path, route)) in routes.into_iter().enumerate() {
        let before = counted(&proxy, route, "GET", "2xx").await;
        proxy.get(path).send().await;
        all_counted(&proxy, done + 1).await;

        let after = counted(&proxy, route, "GET", "2xx").await;
        expect(after == before + 1.0, format!("{path} counts for {route}"))
            .usually("each part of a template stands for one segment that is not empty, and no more may follow");
    }
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_other() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let methods = ["FROBNICATE", "get", "X-1", "GETT"];
    for method in methods {
        proxy.request(method, "/users/7").send().await;
    }

    all_counted(&proxy, methods.len()).await;

    let counted = counted(&proxy, "/users/{id}", "other", "2xx").await;
    expect(
        counted == methods.len() as f64,
        "FROBNICATE, get, X-1 and GETT are counted with method=\"other\"",
    )
    .usually("a client may send any word as its method, and their case matters");
}

#[tokio::test]
async fn the_status_is_a_class() {
    let statuses = [200, 204, 301, 404, 429, 500, 503];
    let replies = statuses.map(|status| match status {
        204 => Reply::status(204),
        _ => Reply::text(status, "x"),
    });
    let upstream = Upstream::script(replies).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    for status in statuses {
        let answer = proxy.get("/users/7").send().await;
        answer.expect_status(status);
    }

    all_counted(&proxy, statuses.len()).await;

    for (class, count) in [("2xx", 2.0), ("3xx", 1.0), ("4xx", 2.0), ("5xx", 2.0)] {
        let counted = counted(&proxy, "/users/{id}", "GET", class).await;
        expect(counted == count, format!("{count} with status=\"{class}\""));
    }
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_counted_as_the_client_saw_it() {
    let upstream = Upstream::always(Reply::close()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let answer = proxy.get("/users/7").send().await;
    answer.expect_status(502);

    all_counted(&proxy, 1).await;

    let counted = counted(&proxy, "/users/{id}", "GET", "5xx").await;
    expect(counted == 1.0, "one with status=\"5xx\"").usually(
        "response_written() is what was sent to the client; an error may come without an answer from upstream",
    );
}

#[tokio::test]
async fn an_upstream_that_cuts_its_answer_is_counted_with_the_status_that_was_sent() {
    let upstream = Upstream::always(Reply::truncated(1_000, "half")).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    proxy.get("/users/7").send().await.expect_cut_short();

    all_counted(&proxy, 1).await;

    let counted = counted(&proxy, "/users/{id}", "GET", "2xx").await;
    expect(counted == 1.0, "one with status=\"2xx\"")
        .usually("the client has the header of a 200: no later error changes that");
    let sent = samples(&proxy, BYTES).await;
    expect(
        sent == [("{route=\"/users/{id}\"}".to_owned(), 4.0)],
        format!("4 bytes were sent of the 1000 that were promised: found {sent:?}"),
    )
    .usually("body_bytes_sent() says how many bytes of the body the client was sent");
}

#[tokio::test]
async fn a_request_that_got_no_answer_is_counted_with_none() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut client = proxy.port("LISTEN").connect().await;
    client
        .send("GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    upstream.wait_for_requests(1).await;
    drop(client);

    all_counted(&proxy, 1).await;

    let counted = counted(&proxy, "/users/{id}", "GET", "none").await;
    expect(counted == 1.0, "one with status=\"none\"")
        .usually("where no answer was sent there is no status, and 0 is none");
}

#[tokio::test]
async fn whatever_clients_send_there_are_few_series() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let client = proxy.port("LISTEN").client().await;
    for n in 0..100 {
        let path = [format!("/{n}"), format!("/users/{n}")];
        for path in path {
            let request = client.request(format!("M{n}"), path);
            let request = request.header("host", format!("{n}.example"));
            request.send().await.expect_status(200);
        }
    }

    all_counted(&proxy, 200).await;

    let series = samples(&proxy, REQUESTS).await.len();
    let sent = samples(&proxy, BYTES).await.len();
    expect(
        series == 2 && sent == 2,
        format!(
            "200 requests make two series each: found {series} of {REQUESTS} and {sent} of {BYTES}"
        ),
    )
    .usually(EVERY_PATH);
}

#[tokio::test]
async fn the_bytes_of_bodies_are_counted_to_the_byte() {
    let upstream = Upstream::always(Reply::text(200, "x".repeat(1_500))).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    for path in ["/users/7", "/users/8"] {
        proxy.get(path).send().await.expect_status(200);
    }
    proxy.head("/users/9").send().await.expect_status(200);
    all_counted(&proxy, 3).await;

    let right = "{route=\"/users/{id}\"}".to_owned();
    soon(
        "edge_response_body_bytes_total{route=\"/users/{id}\"} is 3000",
        async || samples(&proxy, BYTES).await == [(right.clone(), 3_000.0)],
    )
    .usually("body_bytes_sent() says how many bytes of the body the client was sent")
    .await;
}

#[tokio::test]
async fn the_names_are_as_prometheus_wants_them() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    proxy.get("/users/7").send().await.expect_status(200);
    all_counted(&proxy, 1).await;

    let page = proxy.port("ADMIN").get("/metrics").send().await.text();

    let complaints = complaints(&page);
    expect(
        complaints.is_empty(),
        format!("nothing to complain of: {complaints}"),
    )
    .usually("a counter's name ends in _total, and before it says the base unit: bytes, seconds");
    if let Some(complaints) = promtool(&page) {
        expect(
            complaints.is_empty(),
            format!("promtool check metrics is content: {complaints}"),
        );
    }
}

/// What is to be said against the metrics on this page, by the rules of `promtool check metrics` that matter here.
fn complaints(page: &str) -> String {
    let units = [
        "milliseconds",
        "microseconds",
        "minutes",
        "hours",
        "kilobytes",
        "kibibytes",
        "kib",
        "kb",
        "megabytes",
        "mb",
        "mib",
        "ms",
    ];
    let mut complaints = Vec::new();
    for line in page.lines().filter_map(|it| it.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap_or((line, ""));
        if (kind == "counter") != name.ends_with("_total") {
            complaints.push(format!(
                "{name} is a {kind}: counters, and only they, end in _total"
            ));
        }
        if name.split('_').any(|word| units.contains(&word)) {
            complaints.push(format!("{name}: use the base unit"));
        }
        let help = format!("# HELP {name} ");
        let helped = page.lines().filter_map(|line| line.strip_prefix(&help));
        if !helped.into_iter().any(|text| !text.trim().is_empty()) {
            complaints.push(format!("{name} has no help"));
        }
    }
    complaints.join("; ")
}

/// What promtool says, on machines that have it.
fn promtool(page: &str) -> Option<String> {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(format!("cannot start promtool: {error}")),
    };
    // Dropped at the end of the statement: promtool reads to the end.
    let written = child
        .stdin
        .take()
        .map(|mut it| it.write_all(page.as_bytes()));
    match (written, child.wait_with_output()) {
        (Some(Ok(())), Ok(output)) if output.status.success() => Some(String::new()),
        (_, Ok(output)) => Some(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        (_, Err(error)) => Some(format!("promtool: {error}")),
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_request_that_the_proxy_answers_itself_is_counted() {
        let proxy = Proxy::of(EXERCISE).alone().await;
        proxy.get("/healthz").send().await.expect_status(200);

        all_counted(&proxy, 1).await;
    }

    #[tokio::test]
    async fn known_methods_are_counted_by_their_names() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let methods = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
        ];
        for method in methods {
            let answer = proxy.request(method, "/close").send().await;
            answer.expect_status(200);
        }

        all_counted(&proxy, methods.len()).await;

        let samples = samples(&proxy, REQUESTS).await;
        for method in methods {
            let label = format!("method=\"{method}\"");
            let one = samples
                .iter()
                .any(|(labels, value)| labels.contains(&label) && *value == 1.0);
            expect(one, format!("one with {label}"));
        }
    }

    #[tokio::test]
    async fn nothing_but_the_metrics_is_served_on_admin() {
        let proxy = Proxy::of(EXERCISE).alone().await;
        for path in ["/", "/metrics/", "/status"] {
            let answer = proxy.port("ADMIN").get(path).send().await;
            answer.expect_status(404);
        }
    }
}
