//! Programs under test are started on ports of their own, watched, and never outlive their test.

mod support;

use lab::{Proxy, Reply, Signal, Upstream, eventually};
use support::relay;
use tokio::net::TcpStream;

const EXERCISE: &str = "2-9";

#[tokio::test]
async fn tries_other_ports_when_one_is_in_use() {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("lab-fail-once-{}", std::process::id()));
    std::fs::write(&file, "").unwrap();
    let upstream = Upstream::always(Reply::status(200)).await;
    let builder = Proxy::at_path(relay(), EXERCISE).env("FAIL_ONCE", file.display());
    let proxy = builder.in_front_of(&upstream).await;
    assert!(!file.exists(), "the first start failed");
    proxy.get("/").send().await.expect_status(200);
}

#[tokio::test]
async fn runs_a_program_to_its_end() {
    let ended = Proxy::at_path(relay(), EXERCISE)
        .env("RELAY", "say")
        .arg("-t")
        .arg("two")
        .run_to_end()
        .await;
    ended
        .expect_code(0)
        .expect_stdout_contains("arguments: -t two\n");
    let builder = Proxy::at_path(relay(), EXERCISE).env("LISTEN", "nonsense");
    builder
        .run_to_end()
        .await
        .expect_code(2)
        .expect_stderr_contains("relay: ");
}

#[tokio::test]
async fn keeps_the_log_without_colours() {
    let upstream = Upstream::always(Reply::status(200)).await;
    let proxy = Proxy::at_path(relay(), EXERCISE)
        .env("RELAY", "teapot")
        .in_front_of(&upstream)
        .await;
    proxy.wait_for_log("listening").await;
    assert_eq!(proxy.log(), "relay: listening\n");
    proxy.expect_log_without("request");
    proxy.get("/").send().await.expect_status(418);
    assert_eq!(proxy.wait_for_log("got a").await, "relay: got a request");
    proxy.expect_log_with("request").expect(true, "it holds");
    assert_eq!(proxy.log_lines_with("relay").len(), 2);
}

#[tokio::test]
async fn gives_each_port_an_address() {
    let proxy = Proxy::at_path(relay(), EXERCISE)
        .env("DNS_SERVER", "127.0.0.1:5353")
        .alone()
        .await;
    let mut addresses = vec![proxy.port("DNS_SERVER").address()];
    for name in ["LISTEN", "ADMIN", "LISTEN_TCP", "LISTEN_TLS"] {
        addresses.push(proxy.port(name).address());
    }
    assert_eq!(proxy.address(), addresses[1]);
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 5);
}

#[tokio::test]
async fn passes_signals_on() {
    let proxy = Proxy::at_path(relay(), EXERCISE).alone().await;
    proxy.signal(Signal::SIGTERM);
    let ended = proxy.wait_for_exit().await;
    assert_eq!((ended.code, ended.signal), (None, Some(15)));
    assert_eq!(ended.stderr, "relay: listening\n");
}

#[tokio::test]
async fn kills_the_program_in_a_panic() {
    let (tell, address) = tokio::sync::oneshot::channel();
    let check = tokio::spawn(async {
        let proxy = Proxy::at_path(relay(), EXERCISE).alone().await;
        tell.send(proxy.address()).unwrap();
        panic!("as a failed check does");
    });
    let address = address.await.unwrap();
    assert!(check.await.unwrap_err().is_panic());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn attaches_to_several_upstreams() {
    let upstreams = [Upstream::echo().await, Upstream::refusing().await];
    let proxy = Proxy::at_path(relay(), EXERCISE)
        .in_front_of_all(&upstreams)
        .await;
    proxy
        .get("/")
        .send()
        .await
        .expect_json("/upstream", upstreams[0].address().to_string());
    upstreams[1].expect_no_request();
    eventually("one connection", async || upstreams[0].connections() == 1).await;
}

#[tokio::test]
async fn waits_for_a_second_port_that_opens_later() {
    let proxy = Proxy::at_path(relay(), EXERCISE).alone().await;
    let admin = proxy.port("ADMIN");
    let address = admin.address();
    let answering = tokio::spawn(async move {
        // Later than the first attempt, whose refusal must not be final.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer)
            .await
            .unwrap();
        stream
    });
    admin.get("/").send().await.expect_status(204);
    drop(answering.await.unwrap());
}
