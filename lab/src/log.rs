//! What a child process writes, kept as lines while it runs.

use crate::lock;
use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex};

/// What is kept, in bytes; older lines are dropped.
const KEPT: usize = 1024 * 1024;

/// One output of a process, without colours.
#[derive(Debug, Default)]
pub(crate) struct Log {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// The last line, as long as it lacks its line break.
    partial: Vec<u8>,
    size: usize,
    dropped: usize,
    ended: bool,
}

impl Log {
    /// Reads to the end in a thread of its own.
    pub(crate) fn of(source: Option<impl Read + Send + 'static>) -> Arc<Self> {
        let log = Arc::new(Self::default());
        if let Some(source) = source {
            let writer = Arc::clone(&log);
            std::thread::spawn(move || writer.fill(source));
        }
        log
    }

    fn fill(&self, mut source: impl Read) {
        let mut buffer = vec![0; 8 * 1024];
        while let Ok(length @ 1..) = source.read(&mut buffer) {
            lock(&self.state).push(buffer.get(..length).unwrap_or_default());
        }
        lock(&self.state).end();
    }

    /// Whether nothing more can come.
    pub(crate) fn ended(&self) -> bool {
        lock(&self.state).ended
    }

    /// How many lines there were so far.
    pub(crate) fn count(&self) -> usize {
        let state = lock(&self.state);
        state.dropped + state.lines.len()
    }

    /// The lines that are complete: none of these will change.
    pub(crate) fn complete_lines(&self) -> Vec<String> {
        lock(&self.state).lines.iter().cloned().collect()
    }

    /// The lines from this one on, as [`Log::count`] counts them, and what there is of the next.
    pub(crate) fn lines_from(&self, first: usize) -> Vec<String> {
        let state = lock(&self.state);
        let skipped = first.saturating_sub(state.dropped);
        let mut lines: Vec<String> = state.lines.iter().skip(skipped).cloned().collect();
        if !state.partial.is_empty() {
            lines.push(plain(&state.partial));
        }
        lines
    }

    /// All of it, each line with a line break.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines_from(0).into_iter();
        lines.map(|line| line + "\n").collect()
    }
}

impl State {
    fn push(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            self.push_line(plain(line.strip_suffix(b"\n").unwrap_or(&line)));
        }
        if self.partial.len() > KEPT {
            let line = plain(&std::mem::take(&mut self.partial));
            self.push_line(line);
        }
    }

    fn end(&mut self) {
        self.ended = true;
        if !self.partial.is_empty() {
            let line = plain(&std::mem::take(&mut self.partial));
            self.push_line(line);
        }
    }

    fn push_line(&mut self, line: String) {
        self.size += line.len();
        self.lines.push_back(line);
        while self.size > KEPT
            && let Some(oldest) = self.lines.pop_front()
        {
            self.size -= oldest.len();
            self.dropped += 1;
        }
    }
}

/// Text without escape sequences.
fn plain(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    anstream::adapter::strip_str(&String::from_utf8_lossy(line)).to_string()
}
