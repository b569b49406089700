//! What a client sends cannot forge a line, and what is secret does not get into one.

use lab::{Upstream, expect};

use crate::{counted, demo, logged};

#[tokio::test]
async fn hostile_bytes_stay_within_their_line() {
    let upstream = Upstream::echo().await;
    let proxy = demo().in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;
    let agent = b"\"}{\"outcome\":\"forged\"\xff\xc2\x9b31m\xe2\x80\xae\t\\".as_slice();
    let head = b"GET /a\"b\\\xe2\x80\xae HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: "
        .as_slice();
    wire.send([head, agent, b"\r\n\r\n"].concat()).await;
    wire.read_response().await.expect_status(200);
    let lines = logged(&proxy, 1).await;
    expect(lines.len() == 1, "one line");
    let agent = lines[0]["user_agent.original"].as_str().unwrap_or_default();
    expect(
        agent == "\"}{\"outcome\":\"forged\"\\xff\\u{9b}31m\\u{202e}\\u{9}\\",
        format!("the agent with its controls escaped, not {agent}"),
    );
    let path = lines[0]["url.path"].as_str().unwrap_or_default();
    expect(
        path == "/a\"b\\\\u{202e}",
        format!("the path escaped, not {path}"),
    );
    let log = proxy.log();
    let clean = log.chars().all(|it| it == '\n' || !it.is_control());
    expect(clean, "no control in the log");
}

#[tokio::test]
async fn a_long_field_is_cut() {
    let upstream = Upstream::echo().await;
    let proxy = demo().in_front_of(&upstream).await;
    let path = format!("/{}", "x".repeat(20_000));
    proxy.get(path).send().await.expect_status(200);
    let line = &logged(&proxy, 1).await[0];
    let length = line["url.path"].as_str().unwrap_or_default().len();
    expect(
        length < 1_100,
        format!("a short path, not one of {length} bytes"),
    );
}

#[tokio::test]
async fn secrets_are_not_logged() {
    let upstream = Upstream::echo().await;
    let proxy = demo()
        .env("RUST_LOG", "info,pingora=warn")
        .in_front_of(&upstream)
        .await;
    let request = "GET http://me:s3cr3t@host/users/7?token=s3cr3t HTTP/1.1\r\nHost: me:s3cr3t@host\r\n\
        Authorization: Bearer s3cr3t\r\nCookie: id=s3cr3t\r\nReferer: http://a/?s3cr3t\r\n\
        X-Api-Key: s3cr3t\r\nConnection: close\r\n\r\n";
    let mut wire = proxy.connect().await;
    wire.send(request).await;
    wire.read_to_end().await;
    for path in ["/users/7?token=s3cr3t", "/close?token=s3cr3t"] {
        proxy
            .get(path)
            .header("authorization", "s3cr3t")
            .send()
            .await;
    }
    upstream.refuse().await;
    proxy.get("/users/7?s3cr3t").send().await;
    logged(&proxy, 3).await;
    proxy.expect_log_without("s3cr3t");
}

#[tokio::test]
async fn ten_thousand_paths_hosts_and_methods_make_few_series() {
    let upstream = Upstream::echo().await;
    let proxy = demo().env("RUST_LOG", "off").in_front_of(&upstream).await;
    let series = |page: &str| page.lines().filter(|line| !line.starts_with('#')).count();

    let before = series(&counted(&proxy, 0).await);
    let client = proxy.client().await;
    for request in 0..10_000 {
        let sent = match request % 4 {
            0 => client.get(format!("/users/{request}")),
            1 => client.get(format!("/p{request}/x")),
            2 => client.request(format!("M{request}"), "/"),
            _ => client
                .get("/")
                .header("host", format!("h{request}.example")),
        };
        sent.send().await.expect_status(200);
    }
    let page = counted(&proxy, 10_000).await;
    let more = series(&page) - before;
    expect(more < 150, format!("few more series, not {more}"));
}
