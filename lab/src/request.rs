//! A request as an upstream saw it.

use crate::expectation::Expected;
use crate::headers::{self, HasHeaders, Headers};
use crate::message::{Message, body_lines, count_bytes};
use crate::record::Record;
use crate::report::Report;
use std::sync::Weak;

/// A request that an upstream received, completely or in part.
#[derive(Clone, Debug)]
pub struct Request {
    /// As received: methods are case-sensitive.
    pub method: String,
    /// The request target as received, query included.
    pub target: String,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: String,
    /// Names and values in the order and spelling received; what is not UTF-8 in a value was replaced.
    pub headers: Vec<(String, String)>,
    /// What arrived of the body, without its framing.
    pub body: Vec<u8>,
    /// What arrived of the trailers.
    pub trailers: Vec<(String, String)>,
    /// Whether body and trailers arrived to their end.
    pub complete: bool,
    /// The connection on which it came, from 0.
    pub connection: usize,
    /// Its place on that connection, from 1.
    pub number: usize,
    pub(crate) record: Weak<Record>,
}

impl Request {
    /// The value of the first header of this name, whose case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        headers::all(&self.headers, name).into_iter().next()
    }

    /// The values of all headers of this name, whose case does not matter.
    pub fn header_all(&self, name: &str) -> Vec<&str> {
        headers::all(&self.headers, name)
    }

    /// Expects this method.
    #[track_caller]
    pub fn expect_method(&self, method: &str) -> Expected<'_, Self> {
        let report = self.differs("method").expected(format!("method {method}"));
        self.judge(self.method == method, report)
    }

    /// Expects this request target, query included.
    #[track_caller]
    pub fn expect_target(&self, target: &str) -> Expected<'_, Self> {
        let report = self
            .differs("request target")
            .expected(format!("request target {target}"));
        self.judge(self.target == target, report)
    }

    /// Expects exactly one header of this name, with this value.
    #[track_caller]
    pub fn expect_header(&self, name: &str, value: impl AsRef<str>) -> Expected<'_, Self> {
        Expected::new(self, headers::unlike(self, name, value.as_ref()))
    }

    /// Expects a value for which the predicate holds; several lines are one value, joined by commas. `words` says
    /// what is wanted.
    #[track_caller]
    pub fn expect_header_where(
        &self,
        name: &str,
        words: &str,
        holds: impl FnOnce(&str) -> bool,
    ) -> Expected<'_, Self> {
        Expected::new(self, headers::unlike_where(self, name, words, holds))
    }

    /// Expects that there is no header of this name.
    #[track_caller]
    pub fn expect_no_header(&self, name: &str) -> Expected<'_, Self> {
        Expected::new(self, headers::present(self, name))
    }

    /// Expects a list header with these items in this order, on one line or on several.
    #[track_caller]
    pub fn expect_list<S: AsRef<str>>(
        &self,
        name: &str,
        items: impl IntoIterator<Item = S>,
    ) -> Expected<'_, Self> {
        let items: Vec<String> = items.into_iter().map(|item| item.as_ref().into()).collect();
        Expected::new(self, headers::unlike_list(self, name, &items))
    }

    /// Expects the whole body, byte for byte.
    #[track_caller]
    pub fn expect_body(&self, body: impl AsRef<[u8]>) -> Expected<'_, Self> {
        let body = body.as_ref();
        let mut report = if self.complete {
            self.differs("body")
        } else {
            self.report(format!("{} did not get the whole body", self.receiver()))
        };
        report = report
            .with_body()
            .expected(format!("a body of {}", count_bytes(body.len())));
        for line in body_lines(body) {
            report = report.expected(line);
        }
        self.judge(self.complete && self.body == body, report)
    }

    pub(crate) fn message(&self) -> Message {
        let note = (!self.complete).then(|| "(the request is not complete)".to_owned());
        Message {
            first_line: format!("{} {} {}", self.method, self.target, self.version),
            headers: self.headers.clone(),
            body: self.body.clone(),
            note,
        }
    }

    #[track_caller]
    fn differs(&self, what: &str) -> Report {
        self.report(format!("{} got a different {what}", self.receiver()))
    }

    fn judge(&self, holds: bool, report: Report) -> Expected<'_, Self> {
        Expected::new(self, (!holds).then_some(report))
    }
}

impl HasHeaders for Request {
    fn headers(&self) -> &Headers {
        &self.headers
    }

    fn receiver(&self) -> String {
        self.record
            .upgrade()
            .map_or_else(|| "the upstream".to_owned(), |record| record.name())
    }

    #[track_caller]
    fn report(&self, summary: String) -> Report {
        let report = Report::expectation(summary);
        match self.record.upgrade() {
            Some(record) => report.about_upstream(record, Some(self.message())),
            None => report,
        }
    }
}
