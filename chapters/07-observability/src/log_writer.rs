//! Writes the log without ever waiting for it. env_logger by itself writes to stderr on the thread that logs: when the
//! disk or the reader behind it stalls, so does every request.

use std::io::Write;

use env_logger::{Builder, Env, Target, fmt::Formatter};
use log::Record;
use serde_json::json;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};

use crate::{access_log, text};

/// Logs from now on. Dropping the guard writes what still waits; the counter knows how many lines were dropped.
pub(crate) fn start(buffer_lines: usize) -> (WorkerGuard, ErrorCounter) {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(buffer_lines)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr());
    let lost = writer.error_counter();
    Builder::from_env(Env::default().default_filter_or("info,pingora=warn"))
        .format(write)
        .target(Target::Pipe(Box::new(writer)))
        .init();
    (guard, lost)
}

/// Every line is one JSON object: whoever reads the log needs one parser.
fn write(out: &mut Formatter, record: &Record) -> std::io::Result<()> {
    let fields = if record.target() == access_log::TARGET {
        record.args().to_string()
    } else {
        remark(record)
    };
    let fields = fields.strip_prefix('{').unwrap_or("}");
    let (time, level) = (out.timestamp_millis(), record.level());
    writeln!(
        out,
        r#"{{"timestamp":"{time}","severity":"{level}",{fields}"#
    )
}

/// A line that is not about one request.
fn remark(record: &Record) -> String {
    let message = record.args().to_string();
    // Pingora shows the head that it could not read, credentials and all (pingora-core, protocols/http/v1/server.rs).
    let message = message.split("buf: ").next().unwrap_or_default();
    let target = record.target();
    json!({ "message": text::printable(message.as_bytes()), "target": target }).to_string()
}
