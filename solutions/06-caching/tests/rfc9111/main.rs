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

use course::cargo::{Diagnostics, Target, build};
use lab::{Proxy, Reply, Response, Upstream};

/// Built once a run. Cargo says where a package's own programs are, but not those of another.
static DEMO: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Target::Binary("ch06-caching");
    match build(&root(), "ch06-caching", target, Diagnostics::Returned) {
        Ok(built) => built.executable,
        Err(error) => panic!("{}", error.text()),
    }
});

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

/// Asks twice. Whether the second answer came from the store.
async fn is_reused(first: Reply) -> bool {
    let (upstream, proxy) = demo([first, Reply::text(200, "two")]).await;
    proxy.get("/").send().await;
    proxy.get("/").send().await;
    upstream.requests().len() == 1
}

/// Each row is a behaviour: headers of a response, and whether it may be used again.
async fn expect_reused(status: u16, rows: &[(&[(&str, &str)], bool)]) {
    for (headers, expected) in rows {
        let first = with(Reply::text(status, "one"), headers);
        let reused = is_reused(first).await;
        let what = format!("a {status} with {headers:?} is used again: {expected}");
        lab::expect(reused == *expected, what);
    }
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
