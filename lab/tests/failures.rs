//! A failed check teaches: the texts are compared to the letter, and found again in what libtest prints.
//!
//! The tests in `victims` fail on purpose. They are ignored, and run one by one in a process of their own.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use lab::failure::{Failure, Kind, find};
use std::net::TcpStream;
use std::process::{Command, Output};

/// Runs a test that fails.
fn run(victim: &str) -> Output {
    command(victim).output().expect("the test's own program")
}

fn command(victim: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    let name = format!("victims::{victim}");
    command
        .args(["--exact", &name, "--ignored", "--test-threads=2"])
        .env("RUST_BACKTRACE", "1")
        .env("LAB_PATIENCE", "2");
    command
}

fn failure_of(victim: &str) -> Failure {
    let output = String::from_utf8(run(victim).stdout).expect("text");
    let mut failure = find(&output).unwrap_or_else(|| panic!("no failure in:\n{output}"));
    failure.text = without_numbers(&failure.text);
    failure
}

/// Ports and line numbers differ from run to run, or with each edit.
fn without_numbers(text: &str) -> String {
    let mut lines = Vec::from_iter(text.lines().map(|line| match line.find("127.0.0.1:") {
        Some(at) => {
            let (before, address) = line.split_at(at);
            let rest = address["127.0.0.1:".len()..].trim_start_matches(char::is_numeric);
            format!("{before}[address]{rest}")
        }
        None => line.to_owned(),
    }));
    if let Some(more) = lines.last_mut()
        && let Some(at) = more.rfind(':')
    {
        more.truncate(at + 1);
        more.push_str("[line]");
    }
    lines.join("\n") + "\n"
}

#[track_caller]
fn expect(victim: &str, kind: Kind, text: &str) {
    let failure = failure_of(victim);
    assert_eq!(failure.text, text, "\n{}", failure.text);
    assert_eq!(failure.kind, kind);
}

#[test]
fn shows_a_wrong_header_at_the_upstream() {
    expect(
        "wrong_header",
        Kind::Expectation,
        "\
2.9 wrong_header: the upstream got a different Via

  client sent      GET /path HTTP/1.1
                   Via: 1.0 alpha
                   and 1 more header
  upstream got     GET /path HTTP/1.1
                   Via: 1.0 alpha
                   and 1 more header
  client got       HTTP/1.1 200 OK
                   and 2 more headers
                   and a body of 5 bytes
  expected         Via: 1.0 alpha, 1.1 edge

  usually          insert_header replaces what the client sent
  proxy's log      (nothing)
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_a_wrong_status_with_its_body() {
    expect(
        "wrong_status",
        Kind::Expectation,
        "\
2.9 wrong_status: the client got status 418 instead of 200

  client sent      GET / HTTP/1.1
                   and 1 more header
  upstream got     (no request)
  client got       HTTP/1.1 418 I'm a teapot
                   and 2 more headers
                   short\\n
  expected         status 200 OK

  proxy's log      relay: got a request
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_a_wrong_body() {
    expect(
        "wrong_body",
        Kind::Expectation,
        "\
2.9 wrong_body: the client got a different body

  client sent      POST / HTTP/1.1
                   and 2 more headers
                   one
                   two\\n
  upstream got     POST / HTTP/1.1
                   and 2 more headers
                   one
                   two\\n
  client got       HTTP/1.1 200 OK
                   and 2 more headers
                   \\u{0}\\xff tab\\t
  expected         a body of 5 bytes
                   hello

  proxy's log      (nothing)
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn says_which_of_several_upstreams() {
    expect(
        "wrong_upstream",
        Kind::Expectation,
        "\
2.9 wrong_upstream: upstream 2 got no request

  client sent      GET / HTTP/1.1
                   and 1 more header
  upstream 1 got   GET / HTTP/1.1
                   and 1 more header
  upstream 2 got   (no request)
  client got       HTTP/1.1 200 OK
                   and 1 more header
  expected         a request at the upstream

  proxy's log      (nothing)
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_that_nothing_was_answered() {
    expect(
        "closed",
        Kind::Expectation,
        "\
2.9 closed: the connection was closed without an answer

  client sent      GET / HTTP/1.1
                   X-A: 1
                   and 1 more header
  upstream got     (no request)
  client got       (nothing: the connection was closed)
  expected         status 200 OK

  proxy's log      relay: got a request
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_that_an_answer_was_cut() {
    expect(
        "cut",
        Kind::Expectation,
        "\
2.9 cut: the client did not get the whole answer

  client sent      GET / HTTP/1.1
                   and 1 more header
  client got       HTTP/1.1 200 OK
                   and 1 more header
                   abc
                   (the connection was closed after 3 of 10 bytes of the body)
  expected         a body of 10 bytes
                   0123456789

  proxy's log      relay: got a request
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_that_nobody_listens() {
    expect(
        "nobody",
        Kind::Expectation,
        "\
2.9 nobody: the client got no connection: refused, nobody listens there

  client sent      GET / HTTP/1.1 (to ADMIN)
                   and 1 more header
  client got       (nothing: no connection: refused, nobody listens there)
  expected         status 200 OK

  proxy's log      (nothing)
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn tells_a_time_out_from_an_expectation() {
    expect(
        "time_out",
        Kind::TimeOut,
        "\
2.9 time_out: time-out: no answer within 2 s

  client sent      GET / HTTP/1.1
                   and 1 more header
  upstream got     (no request)
  client got       (nothing: no answer within 2 s)
  expected         status 200 OK

  proxy's log      (nothing)
  more             README 2.9 · tests/failures.rs:[line]
",
    );
    assert_eq!(failure_of("read_in_vain").kind, Kind::TimeOut);
}

#[test]
fn takes_what_must_come_as_an_expectation() {
    for victim in ["left_waiting", "left_waiting_on_a_wire"] {
        let failure = failure_of(victim);
        assert_eq!(failure.kind, Kind::Expectation);
        assert!(
            failure.text.contains("no answer within 0.5 s"),
            "{}",
            failure.text
        );
        assert!(
            failure.text.contains("  usually          nobody"),
            "{}",
            failure.text
        );
    }
    expect(
        "no_piece",
        Kind::Expectation,
        "\
2.9 no_piece: the client did not get this piece in time

  client sent      GET / HTTP/1.1
                   and 1 more header
  upstream got     GET / HTTP/1.1
                   and 1 more header
  client got       HTTP/1.1 200 OK
                   and 2 more headers
                   one
                   (nothing more within 0.5 s)
  expected         these 3 bytes
                   two

  proxy's log      (nothing)
  more             README 2.9 · tests/failures.rs:[line]
",
    );
    let failure = failure_of("other_pieces");
    assert_eq!(failure.kind, Kind::Expectation);
    for part in [
        "the client did not get these pieces in time",
        "  expected         both lines",
    ] {
        assert!(failure.text.contains(part), "{}", failure.text);
    }
}

#[test]
fn shows_a_condition_that_did_not_come_true() {
    expect(
        "condition",
        Kind::Expectation,
        "\
2.9 condition: this did not come true within 2 s

  client sent      (no request)
  upstream got     (no request)
  expected         the moon is blue

  usually          it is yellow
  proxy's log      relay: listening
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn waits_less_long_for_what_comes_soon_or_never() {
    expect(
        "matter_of_moments",
        Kind::Expectation,
        "\
2.9 matter_of_moments: this did not come true within 0.5 s

  client sent      (no request)
  upstream got     (no request)
  expected         the sun rises

  proxy's log      relay: listening
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_a_start_that_fails() {
    expect(
        "no_start",
        Kind::Crash,
        "\
2.9 no_start: crash: the proxy did not start: exit code 2

  proxy's log      relay: this is how a start fails
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_a_program_that_does_not_listen() {
    expect(
        "deaf",
        Kind::Crash,
        "\
2.9 deaf: crash: the proxy did not listen on [address] within 2 s

  proxy's log      (nothing)
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_that_a_program_is_missing() {
    expect(
        "not_built",
        Kind::Crash,
        "\
99.9 not_built: crash: the program solution99-9 is not there

  expected         cargo build --bin solution99-9

  more             README 99.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_that_the_program_died() {
    expect(
        "dies",
        Kind::Crash,
        "\
2.9 dies: crash: the proxy ended with exit code 3; the connection was closed without an answer

  client sent      GET / HTTP/1.1
                   and 1 more header
  upstream got     (no request)
  client got       (nothing: the connection was closed)
  expected         status 200 OK

  proxy's log      relay: cannot go on
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_a_program_that_should_have_ended() {
    expect(
        "goes_on",
        Kind::Expectation,
        "\
2.9 goes_on: the program did not end within 2 s

  expected         the program ends

  proxy's log      relay: listening
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_an_upstream_without_a_proxy() {
    expect(
        "no_proxy",
        Kind::Expectation,
        "\
no_proxy: the upstream got no request

  upstream got     GET / HT
                   (an incomplete request)
  expected         1 request at the upstream

  more             tests/failures.rs:[line]
",
    );
}

#[test]
fn shows_raw_bytes() {
    expect(
        "raw_bytes",
        Kind::Expectation,
        "\
2.9 raw_bytes: the client got different bytes

  client sent      GET / HTTP/1.1
                   Host: x
  upstream got     GET / HTTP/1.1
                   Host: x
  client got       wrong
  expected         these 5 bytes
                   right

  proxy's log      (nothing)
  more             README 2.9 · tests/failures.rs:[line]
",
    );
}

#[test]
fn finds_nothing_in_other_output() {
    assert_eq!(find(""), None);
    assert_eq!(find("test a ... ok\n  more             x\n"), None);
    let output = String::from_utf8(run("plain_panic").stdout).unwrap();
    assert!(output.contains("panicked at"), "{output}");
    assert_eq!(find(&output), None);
}

#[test]
fn leaves_no_program_behind_when_it_is_told_to_end() {
    use std::io::{BufRead, BufReader};
    let mut child = command("waits_for_ever")
        .arg("--nocapture")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        line.unwrap()
            .rsplit_once("listens on ")
            .map(|it| it.1.to_owned())
    });
    let address = address.unwrap();
    TcpStream::connect(&address).unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, lab::Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while TcpStream::connect(&address).is_ok() {
        assert!(std::time::Instant::now() < deadline, "it still listens");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

mod victims {
    use super::support::relay;
    use lab::{Proxy, Reply, Upstream, eventually, soon};

    const EXERCISE: &str = "2-9";

    async fn playing(role: &str, upstream: &Upstream) -> Proxy {
        let builder = Proxy::at_path(relay(), EXERCISE).env("RELAY", role);
        let proxy = builder.in_front_of(upstream).await;
        proxy.wait_for_log("listening").await;
        proxy
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn wrong_header() {
        let upstream = Upstream::always(Reply::text(200, "hello")).await;
        let proxy = playing("", &upstream).await;
        proxy
            .get("/path")
            .header("via", "1.0 alpha")
            .send()
            .await
            .expect_status(200);
        upstream
            .last_request()
            .expect_list("via", ["1.0 alpha", "1.1 edge"])
            .usually("insert_header replaces what the client sent");
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn wrong_status() {
        let upstream = Upstream::echo().await;
        let proxy = playing("teapot", &upstream).await;
        proxy
            .get("/")
            .send()
            .await
            .expect_status(200)
            .expect_body("");
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn wrong_body() {
        let answer = b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 7\r\n\r\n\0\xff tab\t";
        let upstream = Upstream::always(Reply::raw(answer)).await;
        let proxy = playing("", &upstream).await;
        let answer = proxy.post("/").body("one\ntwo\n").send().await;
        answer.expect_status(200).expect_body("hello");
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn wrong_upstream() {
        let upstreams = [
            Upstream::always(Reply::status(200)).await,
            Upstream::echo().await,
        ];
        let builder = Proxy::at_path(relay(), EXERCISE);
        let proxy = builder.in_front_of_all(&upstreams).await;
        proxy.wait_for_log("listening").await;
        proxy.get("/").send().await.expect_status(200);
        upstreams[1].last_request();
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn closed() {
        let upstream = Upstream::echo().await;
        let proxy = playing("close", &upstream).await;
        proxy
            .get("/")
            .header("x-a", "1")
            .send()
            .await
            .expect_status(200);
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn cut() {
        let proxy = Proxy::at_path(relay(), EXERCISE)
            .env("RELAY", "cut")
            .alone()
            .await;
        proxy.wait_for_log("listening").await;
        proxy
            .get("/")
            .send()
            .await
            .expect_status(200)
            .expect_body("0123456789");
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn nobody() {
        let proxy = Proxy::at_path(relay(), EXERCISE).alone().await;
        proxy.wait_for_log("listening").await;
        proxy.port("ADMIN").get("/").send().await.expect_status(200);
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn time_out() {
        let upstream = Upstream::echo().await;
        let proxy = playing("hang", &upstream).await;
        proxy.get("/").send().await.expect_status(200);
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn left_waiting() {
        let upstream = Upstream::echo().await;
        let proxy = playing("hang", &upstream).await;
        let answer = proxy.get("/").must_be_answered().await;
        answer.expect_status(504).usually("nobody waits for ever");
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn left_waiting_on_a_wire() {
        let upstream = Upstream::echo().await;
        let proxy = playing("hang", &upstream).await;
        let mut wire = proxy.connect().await;
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = wire.must_be_answered().await;
        answer.expect_status(504).usually("nobody waits for ever");
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn no_piece() {
        let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
        let proxy = playing("", &upstream).await;
        let mut answer = proxy.get("/").start().await;
        answer.expect_piece("one").await;
        answer.expect_piece("two").await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn other_pieces() {
        let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
        let proxy = playing("", &upstream).await;
        let mut answer = proxy.get("/").start().await;
        answer
            .expect_pieces_where("the first line", |pieces| pieces == b"one")
            .await;
        answer
            .expect_pieces_where("both lines", |pieces| pieces == b"two")
            .await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn read_in_vain() {
        let upstream = Upstream::silent().await;
        let proxy = playing("", &upstream).await;
        proxy.connect().await.read_some().await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn condition() {
        let upstream = Upstream::echo().await;
        let _proxy = playing("", &upstream).await;
        eventually("the moon is blue", || async { false })
            .usually("it is yellow")
            .await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn matter_of_moments() {
        let upstream = Upstream::echo().await;
        let _proxy = playing("", &upstream).await;
        soon("the sun rises", || async { false }).await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn no_start() {
        Proxy::at_path(relay(), EXERCISE)
            .env("RELAY", "exit")
            .alone()
            .await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn deaf() {
        Proxy::at_path(relay(), EXERCISE)
            .env("RELAY", "deaf")
            .alone()
            .await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn not_built() {
        Proxy::of("99-9").alone().await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn dies() {
        let upstream = Upstream::echo().await;
        let proxy = playing("die", &upstream).await;
        proxy.get("/").send().await.expect_status(200);
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn goes_on() {
        Proxy::at_path(relay(), EXERCISE)
            .run_to_end()
            .await
            .expect_code(2);
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn no_proxy() {
        use tokio::io::AsyncWriteExt;
        let upstream = Upstream::echo().await;
        let mut client = tokio::net::TcpStream::connect(upstream.address())
            .await
            .unwrap();
        client.write_all(b"GET / HT").await.unwrap();
        eventually("it came", async || {
            upstream.connections() == 1 && upstream.bytes(0).len() == 8
        })
        .await;
        upstream.expect_requests(1);
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn raw_bytes() {
        let upstream = Upstream::always(Reply::raw("wrong")).await;
        let proxy = playing("", &upstream).await;
        let mut wire = proxy.connect().await;
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        wire.expect_echo("right").await;
    }

    #[tokio::test]
    #[ignore = "fails on purpose"]
    async fn plain_panic() {
        panic!("no failure of this crate");
    }

    #[tokio::test]
    #[ignore = "is ended by a signal"]
    async fn waits_for_ever() {
        let proxy = Proxy::at_path(relay(), EXERCISE).alone().await;
        println!("listens on {}", proxy.address());
        std::future::pending().await
    }
}
