//! Every failed expectation names the line of the check in which it stands.

mod support;

use lab::failure::Kind;
use lab::{Proxy, Reply, Upstream};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::relay;

const EXERCISE: &str = "2-9";

/// The text of a panic.
fn text(panic: Box<dyn Any + Send>) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// Runs what fails, on one line with this macro, and looks at the line that it names.
macro_rules! fails_here {
    ($failing:expr) => {{
        let here = format!("· tests/places.rs:{}", line!());
        let panic = catch_unwind(AssertUnwindSafe(|| _ = $failing));
        let text = panic.err().map(text).unwrap_or_default();
        assert!(text.ends_with(&here), "{here}: {text}");
    }};
}

/// The same for an expectation that is waited for.
macro_rules! fails_later {
    ($failing:expr) => {{
        let here = format!("· tests/places.rs:{}", line!());
        let failed = $failing.await;
        let panic = catch_unwind(AssertUnwindSafe(|| drop(failed)));
        let text = panic.err().map(text).unwrap_or_default();
        assert!(text.ends_with(&here), "{here}: {text}");
    }};
}

#[tokio::test]
async fn of_expectations_on_an_answer() {
    let upstream = Upstream::always(Reply::text(200, "x")).await;
    let proxy = Proxy::at_path(relay(), EXERCISE)
        .in_front_of(&upstream)
        .await;
    let answer = proxy.get("/").send().await;
    fails_here!(answer.expect_status(201));
    fails_here!(answer.expect_header("a", "b"));
    fails_here!(answer.expect_header_where("a", "b", |_| true));
    fails_here!(answer.expect_list("a", ["b"]));
    fails_here!(answer.expect_no_header("content-type"));
    fails_here!(answer.expect_body("y"));
    fails_here!(answer.expect_body_contains("y"));
    fails_here!(answer.expect_body_lacks("x"));
    fails_here!(answer.expect_cut_short());
    fails_here!(answer.expect_json("/a", 1));
    fails_here!(answer.json());
    // A success first: the chain goes on only if it holds.
    fails_here!(answer.expect_status(200).expect_body("y"));
    fails_here!(answer.expect_status(201).usually("it is"));
    fails_here!(answer.expect_status(201).expect_body("x"));

    let request = upstream.last_request();
    fails_here!(request.expect_method("POST"));
    fails_here!(request.expect_target("/x"));
    fails_here!(request.expect_header("a", "b"));
    fails_here!(request.expect_header_where("host", "b", |_| false));
    fails_here!(request.expect_list("host", ["b"]));
    fails_here!(request.expect_no_header("host"));
    fails_here!(request.expect_body("y"));

    fails_here!(upstream.expect_requests(2));
    fails_here!(upstream.expect_no_request());
    fails_here!(proxy.expect_log_with("nonsense"));
    fails_here!(proxy.expect_log_without("relay"));
    fails_here!(proxy.expect(false, "that it holds"));
    fails_here!(lab::expect(false, "that it holds"));
    fails_here!(proxy.port("NOTHING"));
}

#[tokio::test]
async fn of_expectations_on_no_answer() {
    let upstream = Upstream::always(Reply::close()).await;
    let proxy = Proxy::at_path(relay(), EXERCISE)
        .in_front_of(&upstream)
        .await;
    let answer = proxy.get("/").send().await;
    fails_here!(answer.expect_status(200));
    fails_here!(answer.expect_header("a", "b"));
    fails_here!(answer.expect_header_where("a", "b", |_| true));
    fails_here!(answer.expect_list("a", ["b"]));
    fails_here!(answer.expect_no_header("a"));
    fails_here!(answer.expect_body(""));
    fails_here!(answer.expect_body_contains(""));
    fails_here!(answer.expect_body_lacks("x"));
    fails_here!(answer.expect_cut_short());
    fails_here!(answer.expect_json("/a", 1));
    fails_here!(answer.json());

    let client = proxy.client().await;
    client.get("/").send().await;
    lab::eventually("it is closed", async || !client.is_open().await).await;
    fails_later!(client.expect_open());
    let mut wire = proxy.connect().await;
    wire.finish().await;
    fails_later!(wire.expect_echo("x"));

    let idle = Upstream::refusing().await;
    fails_here!(idle.last_request());
}

#[tokio::test]
async fn of_what_ends() {
    let ended = Proxy::at_path(relay(), EXERCISE)
        .env("RELAY", "say")
        .run_to_end()
        .await;
    fails_here!(ended.expect_code(2));
    fails_here!(ended.expect_stderr_contains("x"));
    fails_here!(ended.expect_stdout_contains("x"));
}

#[tokio::test]
async fn of_failures_in_futures() {
    let builder = Proxy::at_path(relay(), EXERCISE).env("RELAY", "exit");
    let (starts, line) = (builder.alone(), line!());
    let panic = tokio::spawn(starts).await.unwrap_err().into_panic();
    let text = text(panic);
    assert!(
        text.ends_with(&format!("· tests/places.rs:{line}")),
        "{text}"
    );
    let output = format!("thread 'x' (1) panicked at a.rs:1:1:\n{text}\nnote: more\n");
    let failure = lab::failure::find(&output).unwrap();
    assert_eq!((failure.kind, failure.text), (Kind::Crash, text));
}

#[tokio::test]
async fn of_waits_in_tasks() {
    let upstream = Upstream::silent().await;
    let wait = async move { upstream.wait_for_requests(0).await };
    tokio::spawn(wait).await.unwrap();
}
