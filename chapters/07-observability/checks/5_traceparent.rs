//! 7.5 A request keeps its trace if it has one, and gets one if not (W3C Trace Context, level 1).

use lab::{Proxy, Request, Upstream, expect};

const EXERCISE: &str = "7-5";

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A request with these lines of traceparent, as the upstream sees it.
async fn sent_with(proxy: &Proxy, upstream: &Upstream, lines: &[&str]) -> Request {
    let mut request = proxy.get("/");
    for line in lines {
        request = request.header("traceparent", *line);
    }
    request.send().await.expect_status(200);
    upstream.last_request()
}

/// What the upstream got: trace id, parent id and flags.
fn fields(request: &Request) -> (String, String, u8) {
    request
        .expect_header_where(
            "traceparent",
            "one well-formed traceparent of version 00",
            |value| parse(value).is_some(),
        )
        .usually("what the proxy sends is its own traceparent: 00, 32, 16 and 2 lower case hex digits, between dashes");
    request
        .header("traceparent")
        .and_then(parse)
        .unwrap_or_default()
}

/// The fields of a traceparent of version 00, if it is well formed.
fn parse(value: &str) -> Option<(String, String, u8)> {
    let fields: Vec<&str> = value.split('-').collect();
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let hex = |text: &str, length| text.len() == length && text.bytes().all(lower);
    let zero = |text: &str| text.bytes().all(|digit| digit == b'0');
    match fields[..] {
        ["00", trace, parent, flags]
            if hex(trace, 32)
                && hex(parent, 16)
                && hex(flags, 2)
                && !zero(trace)
                && !zero(parent) =>
        {
            let flags = u8::from_str_radix(flags, 16).ok()?;
            Some((trace.to_owned(), parent.to_owned(), flags))
        }
        _ => None,
    }
}

/// Sends each malformed traceparent; a new trace must begin each time.
async fn replaces(malformed: &[&str]) {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for line in malformed {
        let request = sent_with(&proxy, &upstream, &[line]).await;
        let (trace, _, flags) = fields(&request);
        expect_new(&trace, &format!("{line:?}"));
        expect_sampled(flags, line);
    }
}

fn expect_sampled(flags: u8, sent: &str) {
    expect(
        flags & 1 == 1,
        format!("the sampled flag in the new trace instead of {sent:?}, but the flags are {flags:02x}"),
    )
    .usually("a traceparent that is not valid decides nothing: neither the trace id nor whether the trace is recorded");
}

/// Expects that nothing of what the client sent is in this trace id: not even cut, padded or in lower case.
fn expect_new(trace: &str, sent: &str) {
    let kept = (0..=TRACE.len() - 12).any(|from| trace.contains(&TRACE[from..from + 12]));
    expect(
        !kept,
        format!("a new trace id instead of {sent}, but the upstream got {trace}"),
    )
    .usually("a traceparent that breaks one rule is no traceparent: nothing of it is used (Trace Context, 3.2)");
}

#[tokio::test]
async fn the_parent_that_goes_upstream_is_the_proxy() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let line = format!("00-{TRACE}-{PARENT}-01");

    let mut parents = vec![PARENT.to_owned()];
    for _ in 0..3 {
        let request = sent_with(&proxy, &upstream, &[&line]).await;
        parents.push(fields(&request).1);
    }
    parents.sort();
    parents.dedup();
    expect(
        parents.len() == 4,
        "a parent id that is new for each request, and not the client's",
    )
    .usually("the parent id names the span that sends the request: towards the upstream, that is the proxy's");
}

#[tokio::test]
async fn a_field_of_a_wrong_length_makes_a_new_trace() {
    replaces(&[
        "",
        "00",
        &format!("00-{TRACE}"),
        &format!("00-{TRACE}-{PARENT}"),
        &format!("00-{TRACE}-{PARENT}-"),
        &format!("00-{TRACE}-{PARENT}-1"),
        &format!("00-{TRACE}-{PARENT}-001"),
        &format!("0-{TRACE}-{PARENT}-01"),
        &format!("000-{TRACE}-{PARENT}-01"),
        &format!("00-{TRACE}0-{PARENT}-01"),
        &format!("00-{}-{PARENT}-01", &TRACE[1..]),
        &format!("00-{TRACE}-{PARENT}0-01"),
        &format!("00-{TRACE}-{}-01", &PARENT[1..]),
        // As long as a right one.
        &format!("00-{}-0{PARENT}-01", &TRACE[1..]),
    ])
    .await;
}

#[tokio::test]
async fn a_field_in_upper_case_makes_a_new_trace() {
    replaces(&[
        &format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        &format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
        &format!("00-{TRACE}-{PARENT}-0A"),
        &format!("0A-{TRACE}-{PARENT}-01"),
    ])
    .await;
}

#[tokio::test]
async fn a_character_that_is_no_hex_digit_makes_a_new_trace() {
    replaces(&[
        &format!("00-{}g-{PARENT}-01", &TRACE[1..]),
        &format!("00-{TRACE}-{}.-01", &PARENT[1..]),
        &format!("00-{TRACE}-{PARENT}-0x"),
        &format!("00-{TRACE}-{PARENT}-+1"),
        &format!("0x-{TRACE}-{PARENT}-01"),
        &format!("+0-{TRACE}-{PARENT}-01"),
        &format!("00-+{}-{PARENT}-01", &TRACE[1..]),
        &format!("00-{TRACE}-+{}-01", &PARENT[1..]),
        &format!("00_{TRACE}_{PARENT}_01"),
        &format!("00 {TRACE} {PARENT} 01"),
        &format!("00-{}\u{e9}-{PARENT}-01", &TRACE[2..]),
        "1 status=200 user=admin",
        "-----",
    ])
    .await;
}

#[tokio::test]
async fn ids_of_zeros_make_a_new_trace() {
    replaces(&[
        &format!("00-{TRACE}-{}-01", "0".repeat(16)),
        &format!("00-{TRACE}-{}-00", "0".repeat(16)),
        &format!("00-{}-{PARENT}-01", "0".repeat(32)),
    ])
    .await;
}

#[tokio::test]
async fn version_ff_makes_a_new_trace() {
    replaces(&[
        &format!("ff-{TRACE}-{PARENT}-01"),
        &format!("ff-{TRACE}-{PARENT}-00"),
        &format!("ff-{TRACE}-{PARENT}-01-more"),
    ])
    .await;
}

#[tokio::test]
async fn version_00_has_four_fields_and_no_more() {
    replaces(&[
        &format!("00-{TRACE}-{PARENT}-01-"),
        &format!("00-{TRACE}-{PARENT}-00-"),
        &format!("00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01"),
        &format!("00-{TRACE}-{PARENT}-01-00"),
        &format!("00-{TRACE}-{PARENT}-01-what-the-future-will-be-like"),
    ])
    .await;
}

#[tokio::test]
async fn a_later_version_is_read_by_its_first_four_fields() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for (line, sampled) in [
        (format!("01-{TRACE}-{PARENT}-01"), 1),
        (
            format!("cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like"),
            1,
        ),
        (format!("fe-{TRACE}-{PARENT}-00-"), 0),
    ] {
        let request = sent_with(&proxy, &upstream, &[&line]).await;
        let (trace, parent, flags) = fields(&request);
        expect(
            trace == TRACE && parent != PARENT && flags & 1 == sampled,
            format!(
                "for {line}: the same trace id and sampled flag, as version 00, but the upstream got {:?}",
                request.header("traceparent")
            ),
        )
        .usually("a version that is not known yet is no error: read the first four fields, and write version 00 (Trace Context, 3.2.4)");
    }
}

#[tokio::test]
async fn what_follows_the_flags_of_a_later_version_is_a_dash() {
    replaces(&[
        &format!("cc-{TRACE}-{PARENT}-01.what-the-future-will-not-be-like"),
        &format!("cc-{TRACE}-{PARENT}-0100"),
    ])
    .await;
}

#[tokio::test]
async fn two_traceparents_are_none() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let other = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (one, two) = (
        format!("00-{TRACE}-{PARENT}-00"),
        format!("00-{other}-{PARENT}-00"),
    );
    let (one, two) = (one.as_str(), two.as_str());

    for lines in [
        [one, two],
        [two, one],
        [one, one],
        // One is valid, and there are two all the same.
        [one, "nonsense"],
        ["nonsense", one],
        ["", one],
    ] {
        let request = sent_with(&proxy, &upstream, &lines).await;
        let (trace, _, flags) = fields(&request);
        expect_sampled(flags, &lines.join(" and "));
        expect(
            trace != TRACE && trace != other,
            format!("a new trace id, neither of the two, but the upstream got {trace}"),
        )
        .usually("headers.get gives the first of several lines; get_all gives all of them");
    }
}

#[tokio::test]
async fn only_flags_that_are_known_go_on() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for (sent, sampled) in [("ff", 1), ("fe", 0), ("09", 1), ("08", 0), ("10", 0)] {
        let line = format!("00-{TRACE}-{PARENT}-{sent}");
        let request = sent_with(&proxy, &upstream, &[&line]).await;
        let (trace, _, flags) = fields(&request);
        // Level 2 gives a meaning to bit 1, and lets it through.
        expect(
            trace == TRACE && flags & 0b1111_1101 == sampled,
            format!("for the flags {sent}: the same trace, and no flag but sampled (0{sampled}); the upstream got {flags:02x}"),
        )
        .usually("flags are bits: sampled is flags & 1, and the others are sent as 0 (Trace Context, 3.2.2.5)");
    }
}

#[tokio::test]
async fn the_state_of_a_trace_that_is_not_continued_is_dropped() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let twice = format!("00-{TRACE}-{PARENT}-01");

    for lines in [
        vec![],
        vec!["00-nonsense"],
        vec![twice.as_str(), twice.as_str()],
    ] {
        let mut request = proxy.get("/").header("tracestate", "vendor=secret");
        for line in &lines {
            request = request.header("traceparent", *line);
        }
        request.send().await.expect_status(200);
        let seen = upstream.last_request();
        let state = seen.header("tracestate").unwrap_or_default().to_owned();
        expect(
            !state.contains("vendor"),
            format!("no tracestate of the client with traceparent {lines:?}, but the upstream got {state:?}"),
        )
        .usually("tracestate says something about the trace that traceparent names: without that trace it says nothing");
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_request_without_a_trace_gets_one() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let mut seen = Vec::new();
        for _ in 0..3 {
            let (trace, parent, flags) = fields(&sent_with(&proxy, &upstream, &[]).await);
            expect(flags & 1 == 1, "a trace that starts here is sampled");
            seen.extend([trace, parent]);
        }
        seen.sort();
        seen.dedup();
        expect(seen.len() == 6, "new ids for each request");
    }

    #[tokio::test]
    async fn a_trace_goes_on() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let line = format!("00-{TRACE}-{PARENT}-01");

        let (trace, ..) = fields(&sent_with(&proxy, &upstream, &[&line]).await);
        expect(trace == TRACE, "the client's trace id goes on");
    }

    #[tokio::test]
    async fn the_sampled_flag_goes_on() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for (sent, sampled) in [("00", 0), ("01", 1)] {
            let line = format!("00-{TRACE}-{PARENT}-{sent}");
            let (_, _, flags) = fields(&sent_with(&proxy, &upstream, &[&line]).await);
            expect(
                flags & 1 == sampled,
                format!("the sampled flag of {sent}, but the upstream got {flags:02x}"),
            )
            .usually("whether a trace is recorded is decided once, where it starts");
        }
    }

    #[tokio::test]
    async fn the_state_of_a_trace_goes_on() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy
            .get("/")
            .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
            .header("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
            .header("tracestate", "tenant@vendor=opaque")
            .send()
            .await
            .expect_status(200);
        let request = upstream.last_request();
        request
            .expect_header_where(
                "tracestate",
                "the client's three entries, in order",
                |state| {
                    // An entry of the proxy's own may stand before them (Trace Context, 3.5).
                    let entries: Vec<&str> = state.split(',').map(str::trim).collect();
                    entries.ends_with(&[
                        "congo=t61rcWkgMzE",
                        "rojo=00f067aa0ba902b7",
                        "tenant@vendor=opaque",
                    ])
                },
            )
            .usually("the state belongs to the trace: it goes on with it, all lines of it");
    }
}
