//! What a client got: an answer, a part of one, or nothing.

use crate::answer::{Broken, Head};
use crate::condition::within_words;
use crate::expectation::Expected;
use crate::failure::{Kind, raise};
use crate::headers::{self, HasHeaders, Headers};
use crate::message::{Message, body_lines, count_bytes};
use crate::report::{Report, Verdict};
use crate::scene::{Exchange, Scene};
use http::StatusCode;
use serde_json::Value;
use std::sync::Arc;

/// An answer. That there is none is an outcome, on which every expectation fails.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code; 0 if there was no answer.
    pub status: u16,
    /// Names in lower case, values with what is not UTF-8 replaced, in the order received.
    pub headers: Vec<(String, String)>,
    /// What arrived of the body, without its framing.
    pub body: Vec<u8>,
    /// Like the headers, after a chunked body.
    pub trailers: Vec<(String, String)>,
    /// The status codes of informational answers (1xx) before it.
    pub informational: Vec<u16>,
    /// Whether the answer arrived to its end.
    pub complete: bool,
    first_line: String,
    broken: Option<Broken>,
    /// Whether the check expects an answer by all means.
    required: bool,
    exchange: Arc<Exchange>,
    scene: Arc<Scene>,
}

impl Response {
    /// An answer whose body is still to come, or none.
    pub(crate) fn new(
        head: Result<Head, Broken>,
        exchange: Arc<Exchange>,
        scene: Arc<Scene>,
    ) -> Self {
        let (head, broken) = match head {
            Ok(head) => (head, None),
            Err(broken) => (Head::default(), Some(broken)),
        };
        let response = Self {
            status: head.status,
            headers: in_lower_case(head.headers),
            body: Vec::new(),
            trailers: Vec::new(),
            informational: head.informational,
            complete: false,
            first_line: head.first_line,
            broken,
            required: false,
            exchange,
            scene,
        };
        response.show();
        response
    }

    /// More of the body arrived.
    pub(crate) fn append(&mut self, piece: &[u8]) {
        self.body.extend_from_slice(piece);
    }

    /// The body ended.
    pub(crate) fn end(&mut self, trailers: Vec<(String, String)>) {
        self.trailers = in_lower_case(trailers);
        self.complete = true;
        self.show();
    }

    /// The body did not end as it should.
    pub(crate) fn break_off(&mut self, broken: Broken) {
        self.broken = Some(broken);
        self.show();
    }

    /// That no answer comes is a failed expectation from now on.
    pub(crate) fn require(&mut self) {
        self.required = true;
    }

    /// What is wrong if patience ran out.
    #[track_caller]
    pub(crate) fn time_out(&self) -> Option<Report> {
        match &self.broken {
            Some(broken @ Broken::Nothing(_)) => Some(self.without(broken)),
            _ => None,
        }
    }

    /// Whether there is more to read.
    pub(crate) fn is_open(&self) -> bool {
        !self.complete && self.broken.is_none()
    }

    /// The value of the first header of this name, whose case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        headers::all(&self.headers, name).into_iter().next()
    }

    /// The values of all headers of this name, whose case does not matter.
    pub fn header_all(&self, name: &str) -> Vec<&str> {
        headers::all(&self.headers, name)
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; that it is JSON is expected.
    #[track_caller]
    pub fn json(&self) -> Value {
        match self.parsed() {
            Ok(value) => value,
            Err(report) => raise(&report),
        }
    }

    /// Expects this status code. Whether the body arrives to its end is another question.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> Expected<'_, Self> {
        let report = self
            .report(format!(
                "the client got status {} instead of {status}",
                self.status
            ))
            .with_body()
            .expected(status_in_words(status));
        let missing = self
            .missing()
            .map(|report| report.expected(status_in_words(status)));
        Expected::new(
            self,
            missing.or_else(|| (self.status != status).then_some(report)),
        )
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

    /// Expects a complete answer with this body, byte for byte.
    #[track_caller]
    pub fn expect_body(&self, body: impl AsRef<[u8]>) -> Expected<'_, Self> {
        let body = body.as_ref();
        let mut expected = vec![format!("a body of {}", count_bytes(body.len()))];
        expected.extend(body_lines(body));
        self.judge_body(self.body == body, expected)
    }

    /// Expects a complete answer whose body contains this.
    #[track_caller]
    pub fn expect_body_contains(&self, part: impl AsRef<[u8]>) -> Expected<'_, Self> {
        let mut expected = vec!["a body that contains".to_owned()];
        expected.extend(body_lines(part.as_ref()));
        self.judge_body(contains(&self.body, part.as_ref()), expected)
    }

    /// Expects a complete answer whose body does not contain this.
    #[track_caller]
    pub fn expect_body_lacks(&self, part: impl AsRef<[u8]>) -> Expected<'_, Self> {
        let mut expected = vec!["a body that does not contain".to_owned()];
        expected.extend(body_lines(part.as_ref()));
        self.judge_body(!contains(&self.body, part.as_ref()), expected)
    }

    /// Expects a complete answer in JSON with this value at a place, named as in RFC 6901: `/error/code`.
    #[track_caller]
    pub fn expect_json(&self, pointer: &str, value: impl Into<Value>) -> Expected<'_, Self> {
        let value = value.into();
        let place = if pointer.is_empty() {
            "its root"
        } else {
            pointer
        };
        let expected = format!("JSON with {value} at {place}");
        match self.parsed() {
            Ok(json) => self.judge_body(json.pointer(pointer) == Some(&value), vec![expected]),
            Err(report) => Expected::new(self, Some(report.expected(expected))),
        }
    }

    /// Expects an answer that began and was cut: the connection ended before the body did.
    #[track_caller]
    pub fn expect_cut_short(&self) -> Expected<'_, Self> {
        let cut = matches!(self.broken, Some(Broken::Cut(_) | Broken::Reset)) && self.status != 0;
        let report = self.differs("the client cannot tell that the answer is not whole");
        let report = report.expected("a connection that ends before the body does");
        Expected::new(self, self.time_out().or_else(|| (!cut).then_some(report)))
    }

    /// A failure that is about the body.
    #[track_caller]
    pub(crate) fn differs(&self, summary: &str) -> Report {
        self.report(summary.to_owned()).with_body()
    }

    #[track_caller]
    fn parsed(&self) -> Verdict<Value> {
        if let Some(report) = self.incomplete() {
            return Err(report.into());
        }
        let report = self.report("the client got a body that is not JSON".to_owned());
        match serde_json::from_slice(&self.body) {
            Ok(value) => Ok(value),
            Err(_) => Err(report.header("content-type").with_body().into()),
        }
    }

    #[track_caller]
    fn judge_body(&self, holds: bool, expected: Vec<String>) -> Expected<'_, Self> {
        let different = self.report("the client got a different body".to_owned());
        let incomplete = self.incomplete();
        let failure = incomplete.or_else(|| (!holds).then_some(different));
        let with_expected = |report: Report| {
            let report = report.with_body();
            expected.into_iter().fold(report, Report::expected)
        };
        Expected::new(self, failure.map(with_expected))
    }

    /// What is wrong if the answer did not arrive, or not to its end.
    #[track_caller]
    fn incomplete(&self) -> Option<Report> {
        match &self.broken {
            Some(broken) => Some(self.without(broken)),
            // Only the head was waited for.
            None if !self.complete => {
                Some(self.report("the rest of the answer was not waited for".to_owned()))
            }
            None => None,
        }
    }

    #[track_caller]
    fn without(&self, broken: &Broken) -> Report {
        let whole = self.status == 0;
        match broken {
            Broken::Nothing(patience) => {
                let kind = if self.required {
                    Kind::Expectation
                } else {
                    Kind::TimeOut
                };
                let what = if whole {
                    "no answer"
                } else {
                    "no end of the answer"
                };
                self.report(format!("{what} {}", within_words(*patience)))
                    .of_kind(kind)
            }
            Broken::Closed | Broken::Reset | Broken::Tls(_) | Broken::NoConnection(_) if whole => {
                let what = match broken {
                    Broken::Closed => "the connection was closed without an answer".to_owned(),
                    Broken::Reset => "the connection was reset without an answer".to_owned(),
                    other => format!("the client got {}", other.describe()),
                };
                self.report(what)
            }
            Broken::Malformed(_) => self.report("the client got what is not HTTP".to_owned()),
            _ => self.report("the client did not get the whole answer".to_owned()),
        }
        .about_exchange(Arc::clone(&self.exchange))
    }

    /// Shows the answer as it is known now.
    pub(crate) fn show(&self) {
        let note = self.broken.as_ref().map(|broken| match broken {
            Broken::Nothing(patience) if self.status != 0 => {
                format!("nothing more {}", within_words(*patience))
            }
            other => other.describe(),
        });
        self.exchange.set_answer(match note {
            Some(note) if self.status == 0 => Message::remark(format!("(nothing: {note})")),
            note => Message {
                first_line: self.first_line.clone(),
                headers: self.headers.clone(),
                body: self.body.clone(),
                note: note.map(|note| format!("({note})")),
            },
        });
    }
}

impl HasHeaders for Response {
    fn headers(&self) -> &Headers {
        &self.headers
    }

    fn receiver(&self) -> String {
        "the client".to_owned()
    }

    #[track_caller]
    fn missing(&self) -> Option<Report> {
        match &self.broken {
            Some(broken) if self.status == 0 => Some(self.without(broken)),
            _ => None,
        }
    }

    #[track_caller]
    fn report(&self, summary: String) -> Report {
        Report::expectation(summary)
            .in_scene(Some(Arc::clone(&self.scene)))
            .about_exchange(Arc::clone(&self.exchange))
    }
}

fn in_lower_case(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let headers = headers.into_iter();
    headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    part.is_empty() || body.windows(part.len()).any(|window| window == part)
}

/// `status 504 Gateway Timeout`
fn status_in_words(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok();
    let reason = known.and_then(|status| status.canonical_reason());
    format!("status {status} {}", reason.unwrap_or_default())
}
