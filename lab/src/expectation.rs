//! What a check expects, and what happens if it does not hold.

use crate::failure::raise;
use crate::report::Report;
use std::ops::Deref;

/// An expectation that was judged. It gives access to what it was about, so that expectations chain. A failed one
/// ends the test when it is used further or dropped, not before: [`Expected::usually`] may have something to add.
#[derive(Debug)]
pub struct Expected<'a, T: ?Sized> {
    about: &'a T,
    failure: Option<Box<Report>>,
}

impl<'a, T: ?Sized> Expected<'a, T> {
    /// `failure` says what is wrong, if anything is.
    pub(crate) fn new(about: &'a T, failure: Option<Report>) -> Self {
        let failure = failure.map(Box::new);
        Self { about, failure }
    }

    /// Says in one sentence what it usually means when this expectation fails.
    pub fn usually(mut self, sentence: &str) -> Self {
        if let Some(report) = self.failure.take() {
            raise(&report.usually(sentence));
        }
        self
    }
}

impl<T: ?Sized> Deref for Expected<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        if let Some(report) = &self.failure {
            raise(report);
        }
        self.about
    }
}

impl<T: ?Sized> Drop for Expected<'_, T> {
    fn drop(&mut self) {
        if let Some(report) = self.failure.take()
            && !std::thread::panicking()
        {
            raise(&report);
        }
    }
}

/// Expects a condition to hold now. `what` says in words what was expected; both sides are shown if it does not.
#[track_caller]
pub fn expect(condition: bool, what: impl AsRef<str>) -> Expected<'static, ()> {
    Expected::new(&(), unmet(condition, what.as_ref()))
}

/// What is wrong if the condition does not hold.
#[track_caller]
pub(crate) fn unmet(condition: bool, what: &str) -> Option<Report> {
    let report = Report::expectation("this does not hold").expected(what);
    (!condition).then_some(report)
}
