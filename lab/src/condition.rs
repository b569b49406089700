//! Waiting: for a condition, as long as patience lasts. Nothing here asserts how long something takes.

use crate::failure::raise;
use crate::report::{Report, Verdict};
use std::panic::Location;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// What a check that waits in vain would spend, unless `LAB_PATIENCE` says otherwise.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);
/// The longest patience that can be asked for: an hour.
const LONGEST_PATIENCE: u64 = 3600;
/// How often a condition is looked at.
pub(crate) const INTERVAL: Duration = Duration::from_millis(5);

/// How long every wait lasts before it fails: `LAB_PATIENCE` in seconds, or else ten.
pub fn patience() -> Duration {
    static PATIENCE: OnceLock<Duration> = OnceLock::new();
    *PATIENCE.get_or_init(|| match std::env::var("LAB_PATIENCE") {
        Err(_) => DEFAULT_PATIENCE,
        Ok(text) => match text.parse() {
            Ok(seconds @ 1..=LONGEST_PATIENCE) => Duration::from_secs(seconds),
            _ => raise(&Report::crash(format!(
                "LAB_PATIENCE is '{text}'; give it whole seconds from 1 to {LONGEST_PATIENCE}"
            ))),
        },
    })
}

/// For a wait in vain that a check must expect, since a common mistake leads to it: the learner waits for it each time.
pub(crate) fn short_patience() -> Duration {
    patience() / 4
}

/// Patience in words.
pub(crate) fn within() -> String {
    within_words(patience())
}

/// `within 2.5 s`
pub(crate) fn within_words(patience: Duration) -> String {
    format!("within {} s", patience.as_secs_f64())
}

/// Waits until a condition holds. `what` names it, in words; if patience runs out first, that is a failed expectation.
///
/// ```no_run
/// # async fn check(proxy: lab::Proxy) {
/// lab::eventually("the heartbeat stops", async || proxy.log().contains("stopped"))
///     .usually("the background service does not watch for the shutdown")
///     .await;
/// # }
/// ```
#[track_caller]
pub fn eventually(
    what: impl Into<String>,
    holds: impl AsyncFnMut() -> bool,
) -> Waiting<impl Future<Output = Verdict<()>>> {
    wait_for(what.into(), patience(), holds)
}

/// Like [`eventually`], for what is a matter of moments, and what a common mistake waits for in vain: a quarter of the
/// patience.
#[track_caller]
pub fn soon(
    what: impl Into<String>,
    holds: impl AsyncFnMut() -> bool,
) -> Waiting<impl Future<Output = Verdict<()>>> {
    wait_for(what.into(), short_patience(), holds)
}

#[track_caller]
fn wait_for(
    what: String,
    patience: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) -> Waiting<impl Future<Output = Verdict<()>>> {
    let at = Location::caller();
    Waiting::new(async move {
        let deadline = Instant::now() + patience;
        while !holds().await {
            if Instant::now() > deadline {
                return Err(not_within(patience, what).at(at).into());
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(())
    })
}

/// The failure of a condition that has a name.
#[track_caller]
pub(crate) fn in_vain(what: impl Into<String>) -> Report {
    not_within(patience(), what)
}

#[track_caller]
fn not_within(patience: Duration, what: impl Into<String>) -> Report {
    let within = within_words(patience);
    Report::expectation(format!("this did not come true {within}")).expected(what)
}

/// Polls until there is something, or patience has run out.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience();
    loop {
        match look() {
            None if Instant::now() < deadline => tokio::time::sleep(INTERVAL).await,
            found => return found,
        }
    }
}

/// A condition to `.await`. If it does not come true, the test fails.
#[must_use = "nothing waits before .await"]
pub struct Waiting<F> {
    condition: Pin<Box<F>>,
    usually: Option<String>,
}

impl<F> Waiting<F> {
    pub(crate) fn new(condition: F) -> Self {
        Self {
            condition: Box::pin(condition),
            usually: None,
        }
    }

    /// Says in one sentence what it usually means when the condition does not come true.
    pub fn usually(mut self, sentence: &str) -> Self {
        self.usually = Some(sentence.to_owned());
        self
    }
}

impl<T, F: Future<Output = Verdict<T>>> Future for Waiting<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match ready!(self.condition.as_mut().poll(context)) {
            Ok(value) => Poll::Ready(value),
            Err(report) => raise(&match &self.usually {
                Some(sentence) => report.usually(sentence),
                None => *report,
            }),
        }
    }
}
