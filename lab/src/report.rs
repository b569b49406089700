//! The text of a failure: what was sent, what the upstream saw, what came back, what was wanted, where to read on.

use crate::failure::Kind;
use crate::message::{Message, body_lines, count_bytes};
use crate::process::Process;
use crate::record::Record;
use crate::scene::{Exchange, Scene, Sent};
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How the last line of every text begins.
pub(crate) const MORE: &str = "  more             ";
/// How far the right column is indented.
const INDENT: usize = MORE.len();
/// So many lines of the proxy's log are shown.
const LOG_LINES: usize = 8;
/// The proxy logs from another process: its last words may be under way still.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What was waited for, or what to say instead.
pub(crate) type Verdict<T> = Result<T, Box<Report>>;

/// A failure in the making. The text is made when it is shown: then the last exchange and the log are known.
#[derive(Debug)]
pub struct Report {
    kind: Kind,
    summary: String,
    at: &'static Location<'static>,
    scene: Option<Arc<Scene>>,
    exchange: Option<Arc<Exchange>>,
    /// One upstream's side, where the failure is about it.
    upstream: Option<(Arc<Record>, Option<Message>)>,
    program_only: bool,
    names: Vec<String>,
    with_body: bool,
    expected: Vec<String>,
    usually: Option<String>,
}

impl Report {
    /// A failure in the scene of this thread, at the place that called.
    #[track_caller]
    pub(crate) fn new(kind: Kind, summary: impl Into<String>) -> Self {
        Self {
            kind,
            summary: summary.into(),
            at: Location::caller(),
            scene: Scene::current(),
            exchange: None,
            upstream: None,
            program_only: false,
            names: Vec::new(),
            with_body: false,
            expected: Vec::new(),
            usually: None,
        }
    }

    #[track_caller]
    pub(crate) fn expectation(summary: impl Into<String>) -> Self {
        Self::new(Kind::Expectation, summary)
    }

    #[track_caller]
    pub(crate) fn time_out(summary: impl Into<String>) -> Self {
        Self::new(Kind::TimeOut, summary)
    }

    #[track_caller]
    pub(crate) fn crash(summary: impl Into<String>) -> Self {
        Self::new(Kind::Crash, summary)
    }

    /// For futures, which run when their caller is gone.
    pub(crate) fn at(mut self, at: &'static Location<'static>) -> Self {
        self.at = at;
        self
    }

    /// For waits that are an expectation where others are not.
    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn in_scene(mut self, scene: Option<Arc<Scene>>) -> Self {
        self.scene = scene.or(self.scene);
        self
    }

    /// It is about this exchange, not about the last one.
    pub(crate) fn about_exchange(mut self, exchange: Arc<Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// It is about this upstream, and perhaps about one of its requests that is not the last.
    pub(crate) fn about_upstream(mut self, record: Arc<Record>, request: Option<Message>) -> Self {
        self.scene = record.scene().or(self.scene);
        self.upstream = Some((record, request));
        self
    }

    /// It is about the program: nobody sent anything.
    pub(crate) fn about_program(mut self) -> Self {
        self.program_only = true;
        self
    }

    /// This header matters.
    pub(crate) fn header(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// The bodies matter.
    pub(crate) fn with_body(mut self) -> Self {
        self.with_body = true;
        self
    }

    pub(crate) fn expected(mut self, line: impl Into<String>) -> Self {
        self.expected.push(line.into());
        self
    }

    /// Exactly these bytes were expected.
    pub(crate) fn expected_bytes(self, bytes: &[u8]) -> Self {
        let report = self.expected(format!("these {}", count_bytes(bytes.len())));
        body_lines(bytes).into_iter().fold(report, Self::expected)
    }

    pub(crate) fn usually(mut self, sentence: &str) -> Self {
        self.usually = Some(sentence.to_owned());
        self
    }

    /// What the reader sees.
    pub(crate) fn text(&self) -> String {
        std::thread::sleep(LAST_WORDS);
        let blocks = [self.headline(), self.sides(), self.background()];
        let blocks = blocks.iter().filter(|block| !block.is_empty());
        Vec::from_iter(blocks.map(String::as_str)).join("\n")
    }

    /// What was sent, seen and wanted.
    fn sides(&self) -> String {
        let mut text = String::new();
        if let Some(scene) = &self.scene
            && !self.program_only
        {
            self.both_sides(scene, &mut text);
        } else if let Some((record, request)) = &self.upstream {
            let message = request.clone().or_else(|| record.last_since(0));
            let lines = self.request_lines(message, &Sent::default());
            section(&mut text, "upstream got", &lines);
        }
        section(&mut text, "expected", &self.expected);
        text
    }

    /// What helps to understand it.
    fn background(&self) -> String {
        let mut text = String::new();
        section(&mut text, "usually", self.usually.as_slice());
        if let Some(process) = self.process() {
            section(&mut text, "proxy's log", &log_lines(process));
        }
        text + MORE + &self.more()
    }

    fn process(&self) -> Option<&Arc<Process>> {
        self.scene.as_ref().and_then(|scene| scene.process())
    }

    /// `2.9 keeps_the_proxies_before_it: the upstream got a different Via`
    fn headline(&self) -> String {
        let exercise = self
            .scene
            .as_ref()
            .map(|scene| scene.exercise.replacen('-', ".", 1));
        let subject: Vec<String> = exercise.into_iter().chain(test_name()).collect();
        let subject = if subject.is_empty() {
            "check".to_owned()
        } else {
            subject.join(" ")
        };
        let death = self.process().and_then(|process| process.death());
        let (kind, cause) = match death {
            Some(exit) if self.kind != Kind::Crash => {
                (Kind::Crash, format!("the proxy ended with {exit}; "))
            }
            _ => (self.kind, String::new()),
        };
        let summary = self.summary.replace(['\r', '\n'], " ");
        format!("{subject}: {}{cause}{summary}\n", kind.prefix())
    }

    fn both_sides(&self, scene: &Scene, text: &mut String) {
        let exchange = self.exchange.clone().or_else(|| scene.last_exchange());
        let sent = exchange.as_ref().map(|exchange| exchange.sent());
        let sent = sent.unwrap_or_else(|| Sent {
            message: Message::remark("(no request)"),
            by_check: Vec::new(),
        });
        section(
            text,
            "client sent",
            &self.lines(&sent.message, &sent, self.with_body),
        );
        self.upstream_sections(scene, exchange.as_deref(), &sent, text);
        if let Some(exchange) = exchange {
            let answer = exchange.answer();
            let answer = answer.unwrap_or_else(|| Message::remark("(nothing so far)"));
            section(
                text,
                "client got",
                &self.lines(&answer, &sent, self.with_body),
            );
        }
    }

    fn upstream_sections(
        &self,
        scene: &Scene,
        exchange: Option<&Exchange>,
        sent: &Sent,
        text: &mut String,
    ) {
        let mut records = scene.upstreams().to_vec();
        // A check may put an upstream behind the proxy by a variable of its own.
        if let Some((asked, _)) = &self.upstream
            && !records.iter().any(|record| Arc::ptr_eq(asked, record))
        {
            records.push(Arc::clone(asked));
        }
        let several = records.len() > 1;
        for (index, record) in records.iter().enumerate() {
            let asked = self.upstream.as_ref();
            let message = match asked.filter(|(asked, _)| Arc::ptr_eq(asked, record)) {
                Some((_, Some(request))) => Some(request.clone()),
                // A check that asks an upstream may mean an earlier exchange than the last.
                Some((_, None)) => record.last_since(0),
                None => record.last_since(exchange.map_or(0, |it| it.seen_before(index))),
            };
            let label = if several {
                format!("upstream {} got", index + 1)
            } else {
                "upstream got".to_owned()
            };
            section(text, &label, &self.request_lines(message, sent));
        }
    }

    fn request_lines(&self, request: Option<Message>, sent: &Sent) -> Vec<String> {
        let request = request.unwrap_or_else(|| Message::remark("(no request)"));
        self.lines(&request, sent, self.with_body)
    }

    fn lines(&self, message: &Message, sent: &Sent, with_body: bool) -> Vec<String> {
        let matters = |name: &str| {
            let mut names = self.names.iter().chain(&sent.by_check);
            names.any(|other| other.eq_ignore_ascii_case(name))
        };
        message.lines(matters, with_body)
    }

    /// `README 2.9 · checks/9_via.rs:14`
    fn more(&self) -> String {
        let path = Path::new(self.at.file());
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = path.parent().and_then(Path::file_name);
        let folder = folder.map(|name| format!("{}/", name.to_string_lossy()));
        let place = format!("{}{file}:{}", folder.unwrap_or_default(), self.at.line());
        match &self.scene {
            Some(scene) => format!("README {} · {place}", scene.exercise.replacen('-', ".", 1)),
            None => place,
        }
    }
}

/// libtest gives its name to the thread of a test, and so does `main` where there is one thread for all.
fn test_name() -> Option<String> {
    let thread = std::thread::current();
    let name = thread.name().filter(|name| *name != "main")?;
    name.rsplit("::").next().map(str::to_owned)
}

fn log_lines(process: &Process) -> Vec<String> {
    let lines = process.log_tail(LOG_LINES);
    if lines.is_empty() {
        vec!["(nothing)".to_owned()]
    } else {
        lines
    }
}

/// A label, and the lines beside it; nothing if there are no lines.
fn section(text: &mut String, label: &str, lines: &[String]) {
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let line = format!("  {label:<width$}{line}", width = INDENT - 2);
        text.push_str(line.trim_end());
        text.push('\n');
    }
}
