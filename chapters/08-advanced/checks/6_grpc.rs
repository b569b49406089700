//! 8.6 gRPC calls of all four kinds pass, and what fails at the proxy fails in gRPC's own words.

use futures_util::stream;
use lab::{Proxy, ProxyBuilder, expect, soon};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;

#[path = "support/grpc.rs"]
mod grpc;
use grpc::{Answer, Client, Text, Upstream, hanging_up, in_time, silent};

const EXERCISE: &str = "8-6";

const UNARY: &str = "/chat.Echo/Unary";
const UPLOAD: &str = "/chat.Echo/Upload";
const DOWNLOAD: &str = "/chat.Echo/Download";
const BOTH: &str = "/chat.Echo/Both";
const SILENT: &str = "/chat.Echo/Silent";
const STALLS: &str = "/chat.Echo/Stalls";

/// No check lasts so long: an hour.
const LONG: u32 = 3_600_000;

/// Every limit is far away, unless a check sets it.
fn proxy() -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("READ_TIMEOUT_MS", LONG)
        .env("DEADLINE_MS", LONG)
}

async fn start(builder: ProxyBuilder, upstream: &Upstream) -> Proxy {
    builder.env("UPSTREAMS", upstream.address).alone().await
}

/// Expects an answer that a gRPC client takes for one, with this status.
#[track_caller]
fn expect_grpc_status(answer: &Answer, status: &str, usually: &str) {
    expect(
        answer.broken.is_none(),
        format!("a whole answer: found {answer}"),
    )
    .usually("a stream that nobody ends is reset; write_response_header never ends one, whatever its flag says");
    expect(
        answer.http_status == 200,
        format!("HTTP status 200 for a gRPC call: found {answer}"),
    )
    .usually("gRPC's status is not HTTP's: from a 502 or 504 a client guesses UNAVAILABLE, and may send the call again");
    let kind = answer.content_type.as_str();
    expect(
        kind.starts_with("application/grpc"),
        format!("content-type application/grpc: found {answer}"),
    );
    expect(
        answer.grpc_status.as_deref() == Some(status),
        format!("grpc-status {status}: found {answer}"),
    )
    .usually(match answer.grpc_status {
        Some(_) => usually,
        None => "a client looks for it in the trailers, or in headers that end the stream, and nowhere else",
    });
    expect(
        answer
            .grpc_message
            .as_deref()
            .is_some_and(|it| !it.is_empty()),
        format!("a grpc-message: found {answer}"),
    );
    expect(answer.body.is_empty(), format!("no body: found {answer}"))
        .usually("what follows the headers is a message to a gRPC client, and a text is none");
}

#[tokio::test]
async fn an_upstream_that_refuses_is_unavailable() {
    let proxy = proxy().alone().await;
    let client = Client::open(&proxy).await;

    let answer = client.raw(UNARY, &[]).await;

    expect_grpc_status(
        &answer,
        "14",
        "nothing was sent to the upstream: UNAVAILABLE is 14",
    );
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_unavailable() {
    let proxy = proxy().env("UPSTREAMS", hanging_up().await).alone().await;
    let client = Client::open(&proxy).await;

    let answer = client.raw(UNARY, &[]).await;

    expect_grpc_status(
        &answer,
        "14",
        "whatever is not a deadline is UNAVAILABLE, 14",
    );
}

#[tokio::test]
async fn a_failure_in_the_middle_of_an_upload_is_said() {
    let proxy = proxy().alone().await;
    let client = Client::open(&proxy).await;
    let (send, texts) = mpsc::unbounded_channel();
    _ = send.send(Text::of("the upload goes on"));

    let answer = client
        .upload(UPLOAD, UnboundedReceiverStream::new(texts))
        .await;

    let status = answer.err().map(|it| (it.code(), it.message().to_owned()));
    let found = format!("{status:?}");
    expect(
        matches!(&status, Some((Code::Unavailable, message)) if !message.contains("HTTP status")),
        format!("UNAVAILABLE from the proxy at the client: found {found}"),
    )
    .usually("the client did not get to see grpc-status and made up a status of its own");
}

#[tokio::test]
async fn a_call_without_a_deadline_gets_one() {
    let upstream = Upstream::start().await;
    let proxy = start(proxy().env("DEADLINE_MS", 300), &upstream).await;
    let client = Client::open(&proxy).await;

    let answer = client.raw(SILENT, &[]).await;

    expect_grpc_status(&answer, "4", "DEADLINE_EXCEEDED is 4");
    soon("the end of the call at the upstream", async || {
        upstream.given_up() == 1
    })
    .await;
}

#[tokio::test]
async fn the_clients_deadline_holds() {
    let upstream = Upstream::start().await;
    let proxy = start(proxy(), &upstream).await;
    let client = Client::open(&proxy).await;

    for timeout in ["300m", "300000u"] {
        let answer = answer_in_time(&client, timeout).await;
        expect_grpc_status(&answer, "4", "DEADLINE_EXCEEDED is 4");
    }
}

/// What comes back soon for a call that the upstream never answers.
async fn answer_in_time(client: &Client, timeout: &'static str) -> Answer {
    let client = client.clone();
    let answer =
        tokio::spawn(async move { client.raw(SILENT, &[("grpc-timeout", timeout)]).await });
    soon(
        format!("an answer to a call with grpc-timeout: {timeout}"),
        async || answer.is_finished(),
    )
    .usually("a call may take what the client asks for, or DEADLINE_MS if that is shorter")
    .await;
    answer.await.unwrap_or_default()
}

#[tokio::test]
async fn a_client_cannot_ask_for_more_than_is_granted() {
    let upstream = Upstream::start().await;
    let proxy = start(proxy().env("DEADLINE_MS", 300), &upstream).await;
    let client = Client::open(&proxy).await;

    for timeout in ["1H", "1M", "99999999S", "99999999H"] {
        let answer = answer_in_time(&client, timeout).await;
        expect_grpc_status(&answer, "4", "DEADLINE_EXCEEDED is 4");
    }
}

#[tokio::test]
async fn a_deadline_that_cannot_be_read_counts_as_none() {
    let upstream = Upstream::start().await;
    let proxy = start(proxy().env("DEADLINE_MS", 300), &upstream).await;
    let client = Client::open(&proxy).await;

    for timeout in ["soon", "300", "m", "-1S", "+3H", "300000000m", "1h", "1.5S"] {
        let answer = answer_in_time(&client, timeout).await;
        expect_grpc_status(&answer, "4", "DEADLINE_EXCEEDED is 4");
    }
    let told = upstream.calls();
    let told = Vec::from_iter(
        told.iter()
            .map(|it| milliseconds_of(it.get("grpc-timeout"))),
    );
    expect(
        told.iter()
            .all(|it| it.is_some_and(|it| (1..=300).contains(&it))),
        format!("a grpc-timeout of 1 to 300 ms at the upstream for each of them: found {told:?}"),
    )
    .usually(TOLD);
}

const TOLD: &str =
    "the upstream is told how long the proxy waits, not what the client would have liked";

/// A `grpc-timeout` in any spelling.
fn milliseconds_of(value: Option<&http::HeaderValue>) -> Option<u64> {
    let value = value?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(number * 3_600_000),
        "M" => Some(number * 60_000),
        "S" => Some(number * 1_000),
        "m" => Some(number),
        "u" => Some(number / 1_000),
        "n" => Some(number / 1_000_000),
        _ => None,
    }
}

#[tokio::test]
async fn the_upstream_is_told_the_deadline() {
    let upstream = Upstream::start().await;
    let proxy = start(proxy(), &upstream).await;
    let client = Client::open(&proxy).await;
    let hour = u64::from(LONG);

    for (asked, most) in [
        (None, hour),
        (Some("2H"), hour),
        (Some("99999999H"), hour),
        (Some("30M"), hour / 2),
        (Some("900S"), hour / 4),
    ] {
        let header = asked.map(|it| ("grpc-timeout", it));
        let answer = client.raw(UNARY, header.as_slice()).await;
        expect_grpc_status_of_upstream(&answer);
        let call = upstream.calls().pop().unwrap_or_default();
        let told = milliseconds_of(call.get("grpc-timeout"));
        // What the proxy has used up of it may be taken off.
        let right = told.is_some_and(|it| it <= most && it + 60_000 > most);
        let asked = asked.unwrap_or("nothing");
        expect(
            right,
            format!("{most} ms in grpc-timeout at the upstream, when the client asked for {asked}: found {told:?}"),
        )
        .usually(TOLD);
    }
}

#[track_caller]
fn expect_grpc_status_of_upstream(answer: &Answer) {
    expect(
        answer.grpc_status.as_deref() == Some("0"),
        format!("the upstream's grpc-status 0: found {answer}"),
    );
}

mod given {
    use super::*;

    #[tokio::test]
    async fn unary_calls_pass() {
        let upstream = Upstream::start().await;
        let proxy = start(proxy(), &upstream).await;
        let client = Client::open(&proxy).await;

        let answer = client.unary(UNARY, "hello").await;

        expect_text(answer, "hello");
        let call = upstream.calls().pop().unwrap_or_default();
        expect(
            call.get("te").is_some_and(|it| it == "trailers"),
            "te: trailers at the upstream (gRPC over HTTP/2, \"Requests\")",
        );
    }

    #[tokio::test]
    async fn the_upstreams_failures_pass() {
        let upstream = Upstream::start().await;
        let proxy = start(proxy(), &upstream).await;
        let client = Client::open(&proxy).await;

        let answer = client.unary(UNARY, "nobody").await;

        let status = answer.err().map(|it| (it.code(), it.message().to_owned()));
        expect(
            status == Some((Code::NotFound, "no such room".to_owned())),
            format!("the upstream's own status and message: found {status:?}"),
        );
    }

    #[tokio::test]
    async fn uploads_pass() {
        let upstream = Upstream::start().await;
        let proxy = start(proxy(), &upstream).await;
        let client = Client::open(&proxy).await;

        let texts = stream::iter(["a", "b", "c"].map(Text::of));

        expect_text(client.upload(UPLOAD, texts).await, "abc");
    }

    #[tokio::test]
    async fn a_burst_of_small_messages_passes() {
        const COUNT: usize = 2_000;
        let upstream = Upstream::start().await;
        let proxy = start(proxy(), &upstream).await;
        let client = Client::open(&proxy).await;

        let texts = stream::iter(std::iter::repeat_n(Text::of("x"), COUNT));

        expect_text(client.upload(UPLOAD, texts).await, &"x".repeat(COUNT));
    }

    #[tokio::test]
    async fn downloads_pass_message_by_message() {
        let upstream = Upstream::start().await;
        let proxy = start(proxy(), &upstream).await;
        let client = Client::open(&proxy).await;

        let mut texts = answered(client.download(DOWNLOAD, "x").await);

        for release in [true, true, false] {
            let text = in_time(texts.message()).await;
            expect_text(text.map(Option::unwrap_or_default), "x");
            if release {
                upstream.release();
            }
        }
        let end = in_time(texts.message()).await;
        expect(
            matches!(end, Ok(None)),
            format!("the end, with grpc-status 0: found {end:?}"),
        );
    }

    #[tokio::test]
    async fn both_directions_stay_open() {
        let upstream = Upstream::start().await;
        let proxy = start(proxy(), &upstream).await;
        let client = Client::open(&proxy).await;
        let (send, texts) = mpsc::unbounded_channel();
        _ = send.send(Text::of("0"));

        let mut texts = answered(client.both(BOTH, UnboundedReceiverStream::new(texts)).await);

        for text in ["0", "1", "2"] {
            let got = in_time(texts.message()).await;
            expect_text(got.map(Option::unwrap_or_default), text);
            let next = text.parse().map_or(0, |it: u8| it + 1);
            _ = send.send(Text::of(&next.to_string()));
        }
        drop(send);
        let got = in_time(texts.message()).await;
        expect_text(got.map(Option::unwrap_or_default), "3");
        let end = in_time(texts.message()).await;
        expect(
            matches!(end, Ok(None)),
            format!("the end, with grpc-status 0: found {end:?}"),
        );
    }

    #[tokio::test]
    async fn who_gives_up_is_missed_at_the_upstream() {
        let upstream = Upstream::start().await;
        let proxy = start(proxy(), &upstream).await;
        let client = Client::open(&proxy).await;
        let mut texts = answered(client.download(STALLS, "x").await);
        let text = in_time(texts.message()).await;
        expect_text(text.map(Option::unwrap_or_default), "x");

        drop(texts);

        soon("the end of the call at the upstream", async || {
            upstream.given_up() == 1
        })
        .await;
    }

    #[tokio::test]
    async fn an_answer_that_stops_in_the_middle_has_no_good_end() {
        let upstream = Upstream::start().await;
        let proxy = start(proxy().env("DEADLINE_MS", 300), &upstream).await;
        let client = Client::open(&proxy).await;
        let mut texts = answered(client.download(STALLS, "x").await);
        let text = in_time(texts.message()).await;
        expect_text(text.map(Option::unwrap_or_default), "x");

        let end = in_time(texts.message()).await;

        let code = end.as_ref().err().map(tonic::Status::code);
        expect(
            code.is_some_and(|it| it != Code::DataLoss),
            format!("a status that is not OK: found {end:?}"),
        );
    }

    #[tokio::test]
    async fn what_is_not_grpc_fails_as_ever() {
        let proxy = proxy().alone().await;
        let client = Client::open(&proxy).await;

        proxy.get("/").send().await.expect_status(502);
        for kind in ["application/json", "application/grpc-web"] {
            let answer = client.raw(UNARY, &[("content-type", kind)]).await;
            expect(
                answer.http_status == 502 && answer.grpc_status.is_none(),
                format!("HTTP status 502 for {kind}: found {answer}"),
            );
        }
    }

    #[tokio::test]
    async fn what_is_not_grpc_keeps_its_limit() {
        let proxy = proxy()
            .env("READ_TIMEOUT_MS", 300)
            .env("UPSTREAMS", silent().await)
            .alone()
            .await;

        proxy.get("/").must_be_answered().await.expect_status(504);
    }

    #[tokio::test]
    async fn a_call_outlives_the_limit_for_others() {
        let upstream = Upstream::start().await;
        let proxy = start(proxy().env("READ_TIMEOUT_MS", 300), &upstream).await;
        let client = Client::open(&proxy).await;
        let (send, texts) = mpsc::unbounded_channel();
        _ = send.send(Text::of("first"));
        let mut texts = answered(client.both(BOTH, UnboundedReceiverStream::new(texts)).await);
        let got = in_time(texts.message()).await;
        expect_text(got.map(Option::unwrap_or_default), "first");

        // The same limit, and more, runs out for a request that began later.
        let other = self::proxy()
            .env("READ_TIMEOUT_MS", 600)
            .env("UPSTREAMS", silent().await)
            .alone()
            .await;
        other.get("/").send().await.expect_status(504);

        _ = send.send(Text::of("second"));
        let got = in_time(texts.message()).await;
        expect_text(got.map(Option::unwrap_or_default), "second");
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        let ended = proxy().env("DEADLINE_MS", "0").run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("DEADLINE_MS");
    }

    #[track_caller]
    fn expect_text(answer: Result<Text, tonic::Status>, text: &str) {
        let found = format!("{answer:?}");
        expect(
            answer.is_ok_and(|it| it == Text::of(text)),
            format!("the message {text:?} at the client: found {found}"),
        );
    }

    #[track_caller]
    fn answered<T>(answer: Result<T, tonic::Status>) -> T {
        let found = answer.as_ref().err().map(ToString::to_string);
        expect(answer.is_ok(), format!("an answer: found {found:?}"));
        answer.unwrap_or_else(|_| std::process::abort())
    }
}
