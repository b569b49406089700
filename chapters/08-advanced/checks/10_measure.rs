//! 8.10 Connections to the upstream are used again, idle clients cost little memory, and leave in time.

#[cfg(target_os = "linux")]
use std::fs;
use std::sync::Arc;

use futures_util::future::join_all;
use lab::{Client, Proxy, ProxyBuilder, Reply, Upstream, expect, soon};

const EXERCISE: &str = "8-10";

/// More than Pingora keeps ready at hand for one key, and few enough for a system that allows 256 open files.
const CLIENTS: usize = 40;
const ROUNDS: usize = 25;

const MANY: &str = "the pool is smaller than the number of busy clients, or no two requests share a key: what does not \
                    fit is closed, and the next request connects anew";

fn proxy() -> ProxyBuilder {
    Proxy::of(EXERCISE)
}

async fn clients(proxy: &Proxy, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(proxy.port("LISTEN").client().await);
    }
    clients
}

/// All clients have a request at the upstream at once; then all are answered.
async fn round(clients: &[Client], upstream: &Upstream, path: &'static str) {
    let before = upstream.requests().len();
    let requests = clients.iter().map(|client| client.get(path).send());
    let all_there = async {
        upstream.wait_for_requests(before + clients.len()).await;
        for _ in clients {
            upstream.release();
        }
    };
    let (answers, ()) = futures_util::join!(join_all(requests), all_there);
    for answer in answers {
        answer.expect_status(200);
    }
}

fn expect_few_connections(upstream: &Upstream, most: usize, requests: usize) {
    let found = upstream.connections();
    expect(
        found <= most,
        format!(
            "at most {most} connections to the upstream for {requests} requests: found {found}"
        ),
    )
    .usually(MANY);
}

#[tokio::test]
async fn busy_clients_use_connections_again() {
    let upstream = Upstream::always(Reply::text(200, "hello\n").gate()).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let clients = clients(&proxy, CLIENTS).await;

    for _ in 0..ROUNDS {
        round(&clients, &upstream, "/").await;
    }

    expect_few_connections(&upstream, 2 * CLIENTS, ROUNDS * CLIENTS);
}

#[tokio::test]
async fn a_new_client_uses_the_connection_of_one_before() {
    let upstream = Upstream::always(Reply::text(200, "hello\n")).await;
    let proxy = proxy().in_front_of(&upstream).await;

    for _ in 0..CLIENTS {
        proxy.get("/").send().await.expect_status(200);
    }

    expect_few_connections(&upstream, CLIENTS / 4, CLIENTS);
}

#[tokio::test]
async fn an_idle_client_is_closed_after_its_first_request() {
    let upstream = Upstream::echo().await;
    let proxy = proxy().env("IDLE_MS", 1_000).in_front_of(&upstream).await;
    let client = proxy.port("LISTEN").client().await;
    client.get("/").send().await.expect_status(200);

    expect_to_be_closed(&client).await;
}

#[tokio::test]
async fn an_idle_client_is_closed_after_its_third_request() {
    let upstream = Upstream::echo().await;
    let proxy = proxy().env("IDLE_MS", 1_000).in_front_of(&upstream).await;
    let client = proxy.port("LISTEN").client().await;
    for _ in 0..3 {
        client.get("/").send().await.expect_status(200);
    }

    expect_to_be_closed(&client).await;
}

#[tokio::test]
async fn an_idle_client_is_not_closed_before() {
    let upstream = Upstream::echo().await;
    let patient = proxy()
        .env("IDLE_MS", 3_600_000)
        .in_front_of(&upstream)
        .await;
    let hasty = proxy().env("IDLE_MS", 2_000).in_front_of(&upstream).await;
    let kept = patient.port("LISTEN").client().await;
    kept.get("/").send().await.expect_status(200);
    let closed = hasty.port("LISTEN").client().await;
    closed.get("/").send().await.expect_status(200);

    expect_to_be_closed(&closed).await;

    kept.expect_open().await;
}

#[tokio::test]
async fn a_limit_below_a_second_is_one() {
    let upstream = Upstream::echo().await;
    let proxy = proxy().env("IDLE_MS", 300).in_front_of(&upstream).await;
    let client = proxy.port("LISTEN").client().await;
    client.get("/").send().await.expect_status(200);

    expect_to_be_closed(&client).await;
}

async fn expect_to_be_closed(client: &Client) {
    soon("the proxy closes the idle connection", async || {
        !client.is_open().await
    })
    .usually("after a request Pingora waits for the next one without end, unless set_keepalive says how many seconds")
    .await;
}

/// The difference of two counts of clients: what the program needs for itself cancels out.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_client_costs_less_than_64_kib() {
    const FIRST: usize = 50;
    const MORE: usize = 300;
    const MOST: usize = 64 * 1_024;
    let upstream = Upstream::always(Reply::text(200, "hello\n")).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let first = idle_clients(&proxy, FIRST).await;
    let before = resident(&proxy);
    let more = idle_clients(&proxy, MORE).await;

    let each = resident(&proxy).saturating_sub(before) / MORE;

    expect(
        each < MOST,
        format!("an idle client costs less than {MOST} bytes of memory: found {each}"),
    )
    .usually("each connection has a read buffer of 64 KiB, unless its listener says otherwise");
    drop((first, more));
}

/// Clients that had an answer each, one after the other, and keep their connections. What one request has used is
/// memory in which the next client's buffer lies: a fresh buffer of which little is used would cost less at first.
#[cfg(target_os = "linux")]
async fn idle_clients(proxy: &Proxy, count: usize) -> Vec<Client> {
    let mut idle = Vec::new();
    for _ in 0..count {
        let client = proxy.port("LISTEN").client().await;
        client.get("/").send().await.expect_status(200);
        idle.push(client);
    }
    idle
}

/// The memory in use by the process that was told to listen at this address.
#[cfg(target_os = "linux")]
fn resident(proxy: &Proxy) -> usize {
    let told = format!("LISTEN={}", proxy.port("LISTEN").address());
    let is_told = |environment: Vec<u8>| {
        environment
            .split(|byte| *byte == 0)
            .any(|it| it == told.as_bytes())
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = processes
        .map(|it| it.path())
        .find(|process| fs::read(process.join("environ")).is_ok_and(is_told));
    let status = found.and_then(|process| fs::read_to_string(process.join("status")).ok());
    let kib = status
        .as_deref()
        .unwrap_or_default()
        .lines()
        .find_map(|line| {
            let value = line.strip_prefix("VmRSS:")?;
            value.trim().strip_suffix(" kB")?.parse::<usize>().ok()
        });
    expect(kib.is_some(), "the program's VmRSS stands in /proc");
    kib.unwrap_or_default() * 1_024
}

mod given {
    use super::*;

    /// Not a multiple of any buffer.
    fn big() -> Arc<[u8]> {
        (0..3_000_001_u32).map(|at| (at % 251) as u8).collect()
    }

    #[tokio::test]
    async fn a_big_answer_arrives_byte_for_byte() {
        let body = big();
        let upstream = Upstream::always(Reply::text(200, &*body)).await;
        let proxy = proxy().in_front_of(&upstream).await;
        let client = proxy.port("LISTEN").client().await;

        for _ in 0..3 {
            let answer = client.get("/").send().await;
            answer.expect_status(200);
            answer.expect_body(&body);
        }
    }

    #[tokio::test]
    async fn a_big_request_arrives_byte_for_byte() {
        let body = big();
        let upstream = Upstream::always(Reply::text(200, "hello\n")).await;
        let proxy = proxy().in_front_of(&upstream).await;
        let client = proxy.port("LISTEN").client().await;

        for _ in 0..3 {
            client
                .post("/")
                .body(&*body)
                .send()
                .await
                .expect_status(200);
            upstream.last_request().expect_body(&body);
        }
    }

    #[tokio::test]
    async fn a_client_keeps_its_connection() {
        let upstream = Upstream::echo().await;
        let proxy = proxy().in_front_of(&upstream).await;
        let client = proxy.port("LISTEN").client().await;
        for _ in 0..20 {
            client.get("/").send().await.expect_status(200);
        }

        client.expect_open().await;
    }

    #[tokio::test]
    async fn a_client_that_wants_no_connection_kept_has_it_closed() {
        for request in [
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            // Without a word about it, the connection ends with the answer (RFC 9112, section 9.3).
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        ] {
            let upstream = Upstream::echo().await;
            let proxy = proxy().in_front_of(&upstream).await;
            let mut client = proxy.port("LISTEN").connect().await;
            client.send(request).await;
            client.read_response().await.expect_status(200);

            soon("the proxy closes the connection", async || {
                !client.is_open().await
            })
            .usually("set_keepalive(Some(..)) keeps a connection whose client did not ask for it")
            .await;
        }
    }

    #[tokio::test]
    async fn each_client_gets_its_own_answers() {
        let upstream = Upstream::echo().await;
        let proxy = proxy().in_front_of(&upstream).await;
        let clients = clients(&proxy, CLIENTS).await;
        for round in 0..5 {
            let requests = clients.iter().enumerate().map(async |(number, client)| {
                let path = format!("/client/{number}/round/{round}");
                let answer = client.get(path.as_str()).send().await;
                answer.expect_status(200);
                answer.expect_body_contains(&path);
            });
            join_all(requests).await;
        }
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        let proxy = proxy().env("IDLE_MS", "0");
        let ended = proxy.run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("IDLE_MS");
    }
}
