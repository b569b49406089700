//! 4.6 Live: the file decides at any time who is asked, no request is lost by a change, and a broken file changes nothing.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use lab::{Proxy, Reply, Upstream, eventually, expect, soon};
use tokio::task::JoinSet;

const EXERCISE: &str = "4-6";

const ONCE: &str =
    "discover runs every POLL_MS; it must read the file each time, and not keep what it read first";
const DROPPED: &str = "an error in discover keeps the last set; an empty set, or the lines that could be read, replaces it";

/// The file with the backends. Dropping it removes it.
struct Backends(PathBuf);

impl Backends {
    fn at(upstreams: &[&Upstream]) -> Self {
        let name = match upstreams.first() {
            Some(upstream) => upstream.address().port().to_string(),
            None => "none".to_owned(),
        };
        let name = format!("backends-{}-{name}.txt", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.list(upstreams);
        file
    }

    fn list(&self, upstreams: &[&Upstream]) {
        let lines = upstreams.iter().map(|it| format!("{}\n", it.address()));
        self.replace(&lines.collect::<String>());
    }

    /// Writes beside it and renames over it: a reader sees the old text or the new one, never a part.
    fn replace(&self, text: &str) {
        let new = self.0.with_extension("new");
        let replaced = fs::write(&new, text).and_then(|()| fs::rename(&new, &self.0));
        expect(replaced.is_ok(), "a temporary folder that takes a file");
    }

    fn remove(&self) {
        expect(fs::remove_file(&self.0).is_ok(), "a file to remove");
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

async fn start(file: &Backends, upstream: &Upstream) -> Proxy {
    Proxy::of(EXERCISE)
        .env("BACKENDS_FILE", file.0.display())
        .env("POLL_MS", "5")
        .in_front_of(upstream)
        .await
}

/// Waits until the proxy has looked at the file again, and acted on it: the second round from now on begins.
async fn noticed(proxy: &Proxy) {
    let rounds = async || {
        let status = proxy.get("/status").send().await.json();
        status.get("rounds").and_then(|rounds| rounds.as_u64())
    };
    let now = rounds().await.unwrap_or_default();
    eventually("two more rounds in /status", async || {
        rounds().await >= Some(now + 2)
    })
    .await;
}

/// Who answers; nobody if the status is not 200.
async fn who_answers(proxy: &Proxy) -> Option<String> {
    let answer = proxy.get("/").send().await;
    let json = (answer.status == 200).then(|| answer.json())?;
    Some(json.get("upstream")?.as_str()?.to_owned())
}

/// After a change from one backend to another, a broken file: the other one stays.
async fn stays_after(breaks: impl FnOnce(&Backends, &Upstream)) {
    let (old, new) = (Upstream::echo().await, Upstream::echo().await);
    let file = Backends::at(&[&old]);
    let proxy = start(&file, &old).await;
    file.list(&[&new]);
    noticed(&proxy).await;
    let before = who_answers(&proxy).await;
    expect(
        before == Some(new.address().to_string()),
        "an answer of the backend that the file names now",
    )
    .usually(ONCE);

    breaks(&file, &new);
    noticed(&proxy).await;

    expect(
        who_answers(&proxy).await == before,
        "an answer of the last good backend, although the file cannot be used",
    )
    .usually(DROPPED);
}

#[tokio::test]
async fn a_backend_that_is_added_gets_requests() {
    let (first, second) = (Upstream::echo().await, Upstream::echo().await);
    let file = Backends::at(&[&first]);
    let proxy = start(&file, &first).await;

    file.list(&[&first, &second]);
    noticed(&proxy).await;
    for _ in 0..4 {
        proxy.get("/").send().await.expect_status(200);
    }

    expect(
        !second.requests().is_empty(),
        "a request at the new backend",
    )
    .usually(ONCE);
}

#[tokio::test]
async fn a_backend_that_is_removed_gets_no_new_request_and_ends_the_old() {
    let old = [Reply::pieces(["one", "two"]), Reply::json(200, "{}")];
    let old = Upstream::script(old).await;
    let new = Upstream::echo().await;
    let file = Backends::at(&[&old]);
    let proxy = start(&file, &old).await;
    let mut running = proxy.get("/").start().await;
    running.expect_piece("one").await;

    file.list(&[&new]);
    noticed(&proxy).await;
    for _ in 0..4 {
        expect(
            who_answers(&proxy).await == Some(new.address().to_string()),
            "an answer of the backend that is left",
        )
        .usually(ONCE);
    }

    old.release();
    running.finish().await.expect_body("onetwo");
}

#[tokio::test]
async fn text_that_makes_no_sense_keeps_the_last_backends() {
    stays_after(|file, new| file.replace(&format!("{}\nnonsense\n", new.address()))).await;
    stays_after(|file, _| file.replace("nonsense\n")).await;
}

#[tokio::test]
async fn half_a_file_keeps_the_last_backends() {
    stays_after(|file, _| file.replace("127.0.0.1:9")).await;
}

#[tokio::test]
async fn an_empty_file_keeps_the_last_backends() {
    stays_after(|file, _| file.replace("")).await;
    stays_after(|file, _| file.replace("# nobody\n\n")).await;
}

#[tokio::test]
async fn a_missing_file_keeps_the_last_backends() {
    stays_after(|file, _| file.remove()).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_keep_the_last_backends() {
    stays_after(|file, _| fs::write(&file.0, b"127.0.0.1:\xff\n").expect("it can be written"))
        .await;
}

#[tokio::test]
async fn what_is_broken_is_said_once() {
    let upstream = Upstream::echo().await;
    let file = Backends::at(&[&upstream]);
    let proxy = start(&file, &upstream).await;
    let path = file.0.display().to_string();
    let usually = "discover returns an error each time, which nobody logs: say it yourself, and remember that you have";

    // Another one right after it, and the same one again after a good text, are news. None: there is no file.
    let texts = [
        (Some("nonsense\n"), false),
        (Some("rubbish\n"), true),
        (Some("rubbish\n"), true),
        (Some(""), true),
        (None, true),
    ];
    for (broken, mend) in texts {
        let before = proxy.log_lines_with(&path).len();
        let said = || proxy.log_lines_with(&path).len() - before;
        broken.map_or_else(|| file.remove(), |text| file.replace(text));
        let broken = broken.map_or("no file".to_owned(), |text| format!("the text {text:?}"));
        soon(format!("a line with {path} for {broken}"), async || {
            said() > 0
        })
        .usually(usually)
        .await;
        for _ in 0..3 {
            noticed(&proxy).await;
        }
        let lines = said();
        expect(
            lines == 1,
            format!("one line for {broken}, but there were {lines}"),
        )
        .usually(usually);
        if mend {
            file.list(&[&upstream]);
            noticed(&proxy).await;
        }
    }
}

#[tokio::test]
async fn no_request_is_lost_in_ten_changes() {
    let upstreams = [
        Upstream::echo().await,
        Upstream::echo().await,
        Upstream::echo().await,
    ];
    let [a, b, c] = &upstreams;
    let sets = [
        [a, b],
        [b, c],
        [c, a],
        [a, b],
        [b, c],
        [c, a],
        [a, b],
        [b, c],
        [c, a],
        [a, b],
        [b, c],
    ];
    let file = Backends::at(&sets[0]);
    let proxy = start(&file, a).await;

    // Each request says which change was the last when it was sent.
    let (settled, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let client = proxy.client().await;
        let (settled, answered) = (Arc::clone(&settled), Arc::clone(&answered));
        clients.spawn(async move {
            while answered.load(Ordering::Relaxed) < 1000 {
                let path = format!("/after/{}", settled.load(Ordering::Relaxed));
                client.get(path).send().await.expect_status(200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for (change, set) in (1..).zip(&sets[1..]) {
        file.list(set);
        noticed(&proxy).await;
        settled.store(change, Ordering::Relaxed);
        eventually("90 more requests are answered", async || {
            answered.load(Ordering::Relaxed) >= change * 90
        })
        .await;
    }
    clients.join_all().await;

    for upstream in &upstreams {
        for request in upstream.requests() {
            let change = request.target.trim_start_matches("/after/").parse();
            let change: usize = change.expect("a number");
            // The next change may have come while it was on its way.
            let allowed = sets[change..].iter().take(2).flatten();
            let mut allowed = allowed.map(|upstream| upstream.address());
            expect(
                allowed.any(|address| address == upstream.address()),
                format!(
                    "no request at a backend that was removed: {}",
                    request.target
                ),
            )
            .usually(ONCE);
        }
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn comments_blank_lines_and_weights_are_read() {
        let (heavy, light) = (Upstream::echo().await, Upstream::echo().await);
        let file = Backends::at(&[&heavy]);
        let (a, b) = (heavy.address(), light.address());
        file.replace(&format!("# two\n\n{a} 3 # strong\n  {b}\n{b}\n"));
        let proxy = start(&file, &heavy).await;

        for _ in 0..8 {
            proxy.get("/").send().await.expect_status(200);
        }

        heavy.expect_requests(6);
        light.expect_requests(2);
    }

    #[tokio::test]
    async fn a_file_that_is_missing_at_first_is_found_later() {
        let upstream = Upstream::echo().await;
        let file = Backends::at(&[&upstream]);
        file.remove();
        let proxy = start(&file, &upstream).await;
        proxy.get("/").send().await.expect_status(503);

        file.list(&[&upstream]);
        noticed(&proxy).await;

        proxy.get("/").send().await.expect_status(200);
    }

    #[tokio::test]
    async fn an_interval_that_is_no_number_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("POLL_MS", "often")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("POLL_MS");
    }
}
