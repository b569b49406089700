//! The demo of chapter 06, sentence by sentence: RFC 9111 (caching), and what belongs to it of RFC 9110 (conditions,
//! ranges), RFC 9211 (Cache-Status), RFC 9213 (targeted directives), RFC 5861 (stale) and RFC 8246 (immutable).
//!
//! From outside: a client, the demo, an upstream that answers as the test says. Age and time come from the upstream's
//! own Age and Date, so nothing waits. The README's table names these tests, and `table` holds it to that.

mod age;
mod conditions;
mod freshness;
mod invalidation;
mod key;
mod ranges;
mod requests;
mod stale;
mod stampede;
mod status;
mod storing;
mod table;
mod targeted;
mod validation;
mod vary;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use course::cargo;
use lab::{Proxy, Reply, Response, Upstream};

/// Built once a run.
static DEMO: LazyLock<PathBuf> = LazyLock::new(|| cargo::demo("ch06-caching"));

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The demo in front of an upstream that gives one reply after the other; the last one repeats.
async fn demo(replies: impl IntoIterator<Item = Reply>) -> (Upstream, Proxy) {
    let upstream = Upstream::script(replies).await;
    let proxy = Proxy::at_path(&*DEMO, "6-0").in_front_of(&upstream).await;
    (upstream, proxy)
}

/// A reply with these headers.
fn reply(headers: &[(&str, &str)]) -> Reply {
    with(Reply::text(200, "one"), headers)
}

fn with(reply: Reply, headers: &[(&str, &str)]) -> Reply {
    let add = |reply: Reply, (name, value): &(&str, &str)| reply.header(*name, *value);
    headers.iter().fold(reply, add)
}

/// Fresh for an hour.
fn fresh() -> Reply {
    reply(&[("Cache-Control", "max-age=3600")])
}

/// Stale on arrival, by its Age; `more` are directives beside max-age.
fn stale(more: &str) -> Reply {
    let directives = format!("max-age=100{more}");
    reply(&[
        ("Cache-Control", &directives),
        ("Age", "200"),
        ("ETag", "\"1\""),
    ])
}

/// A date so many seconds from now, before or after.
fn date(seconds: i64) -> String {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let now = SystemTime::now();
    let time = if seconds < 0 {
        now - distance
    } else {
        now + distance
    };
    httpdate::fmt_http_date(time)
}

/// A response, what it is in words, and whether a second request is answered with it.
type Row = (Reply, String, bool);

/// Each row is a behaviour, at an address of its own: asked for twice, the upstream sees one request or two.
async fn expect_rows(rows: impl IntoIterator<Item = Row>) {
    let rows = Vec::from_iter(rows);
    let replies = rows.iter().flat_map(|(first, _, reused)| {
        let again = (!reused).then(|| Reply::text(200, "two"));
        std::iter::once(first.clone()).chain(again)
    });
    let (upstream, proxy) = demo(replies).await;
    let mut expected = 0;
    for (at, (_, words, reused)) in rows.iter().enumerate() {
        let path = format!("/{at}");
        proxy.get(&path).send().await;
        proxy.get(&path).send().await;
        expected += if *reused { 1 } else { 2 };
        let verb = if *reused { "is" } else { "is not" };
        let holds = upstream.requests().len() == expected;
        proxy.expect(holds, format!("{words} {verb} used again"));
    }
}

/// Rows of headers, for one status.
async fn expect_reused(status: u16, rows: &[(&[(&str, &str)], bool)]) {
    expect_rows(
        rows.iter()
            .map(|(headers, reused)| row(status, headers, *reused)),
    )
    .await;
}

fn row(status: u16, headers: &[(&str, &str)], reused: bool) -> Row {
    let first = with(Reply::text(status, "one"), headers);
    (first, format!("a {status} with {headers:?}"), reused)
}

trait Answer {
    /// The parameters of this cache's member of Cache-Status.
    fn cache_status(&self) -> String;
    fn says(&self, parameter: &str) -> bool;
    fn number(&self, parameter: &str) -> Option<i64>;
}

impl Answer for Response {
    fn cache_status(&self) -> String {
        let members = self.header_all("cache-status").join(", ");
        members.rsplit(", ").next().unwrap_or_default().to_owned()
    }

    fn says(&self, parameter: &str) -> bool {
        self.cache_status().split("; ").any(|it| it == parameter)
    }

    fn number(&self, parameter: &str) -> Option<i64> {
        let status = self.cache_status();
        let mut parameters = status.split("; ");
        parameters.find_map(|it| it.strip_prefix(parameter)?.strip_prefix('=')?.parse().ok())
    }
}
