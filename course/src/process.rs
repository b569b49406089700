//! A child in a process group of its own: what it prints, when it ends, and that nothing of it stays behind.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The groups that are alive, for whoever answers Ctrl-C.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// What is kept of a child's output; the rest is read and dropped, so that the child is never blocked.
const KEPT_BYTES: usize = 16 << 20;

/// How often the end of a child is looked for.
const POLL: Duration = Duration::from_millis(20);

/// How long the end of a group that is no longer wanted is waited for, before and after it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// How long a condition may take to come true: `LAB_PATIENCE` in seconds, 10 by default.
pub fn patience() -> Duration {
    let seconds = std::env::var("LAB_PATIENCE")
        .ok()
        .and_then(|value| value.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

/// Where a child's output goes besides into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    Off,
    Stdout,
}

/// A running child. Dropping it ends its whole group: politely first, for what the group itself started elsewhere.
pub struct Process {
    child: Child,
    group: Pid,
    screen: Arc<Screen>,
    /// Nobody is left in the group, so its number may belong to others by now.
    gone: bool,
}

/// What a child has printed so far and whether it still runs.
pub struct Seen {
    /// stdout and stderr in the order they were written.
    pub text: String,
    /// Nobody holds the output open any more.
    pub closed: bool,
    /// Set once the child itself has ended; what it started may live on.
    pub status: Option<ExitStatus>,
}

#[derive(Default)]
struct Screen {
    state: Mutex<Printed>,
    changed: Condvar,
}

#[derive(Default)]
struct Printed {
    bytes: Vec<u8>,
    closed: bool,
}

impl Process {
    /// Starts `command` with no input and with stdout and stderr merged.
    ///
    /// # Errors
    /// If the command cannot be started.
    pub fn start(mut command: Command, echo: Echo) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        command.stderr(writer.try_clone()?);
        Self::spawn(command, reader, writer, echo)
    }

    /// Starts `command` with no input and keeps its stdout; stderr goes where `command` says.
    ///
    /// # Errors
    /// If the command cannot be started.
    pub fn start_stdout(command: Command) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Self::spawn(command, reader, writer, Echo::Off)
    }

    fn spawn(
        mut command: Command,
        reader: PipeReader,
        writer: PipeWriter,
        echo: Echo,
    ) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(writer);
        let (child, group) = spawn_in_group(&mut command)?;
        drop(command); // it holds the writing end, and the reader waits for the last writer
        let screen = Arc::new(Screen::default());
        let for_reader = Arc::clone(&screen);
        thread::spawn(move || for_reader.fill(reader, echo));
        Ok(Self {
            child,
            group,
            screen,
            gone: false,
        })
    }

    /// What was printed so far, and whether the child has ended.
    pub fn seen(&mut self) -> Seen {
        // The status first: what a child printed before it ended is then part of the text once it is closed.
        let status = self.child.try_wait().ok().flatten();
        let closed = lock(&self.screen.state).closed;
        Seen {
            text: self.text(),
            closed,
            status,
        }
    }

    /// What was printed so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.screen.state).bytes).into_owned()
    }

    /// Waits until `done` holds or `limit` has passed, and says which.
    pub fn wait_until(&mut self, limit: Duration, mut done: impl FnMut(&Seen) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            if done(&self.seen()) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            self.screen.wait_for_change();
        }
    }

    /// Interrupts the group as Ctrl-C does and waits for its end; after `limit` it is killed, and the answer is false.
    pub fn interrupt(&mut self, limit: Duration) -> bool {
        self.signal(Signal::SIGINT);
        let ended = self.wait_until(limit, Seen::is_over);
        self.signal(Signal::SIGKILL);
        self.wait_until(GRACE, Seen::is_over);
        ended
    }

    /// Whether the child and everything it started has ended.
    pub fn is_gone(&mut self) -> bool {
        let reaped = matches!(self.child.try_wait(), Ok(Some(_)));
        if reaped && !self.gone && killpg(self.group, None).is_err() {
            self.gone = true;
            lock(&GROUPS).remove(&self.group.as_raw());
        }
        self.gone
    }

    fn signal(&mut self, signal: Signal) {
        if !self.is_gone() {
            let _ended_meanwhile = killpg(self.group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_gone() {
            self.interrupt(GRACE);
            lock(&GROUPS).remove(&self.group.as_raw());
        }
    }
}

impl Seen {
    /// The child has ended and so has everything it started.
    pub fn is_over(&self) -> bool {
        self.closed && self.status.is_some()
    }
}

impl Screen {
    fn fill(&self, mut reader: PipeReader, echo: Echo) {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let piece = buffer.get(..count).unwrap_or_default();
            if echo == Echo::Stdout {
                let _closed = io::stdout()
                    .write_all(piece)
                    .and_then(|()| io::stdout().flush());
            }
            self.change(|printed| {
                let room = KEPT_BYTES.saturating_sub(printed.bytes.len());
                printed.bytes.extend(piece.iter().take(room));
            });
        }
        self.change(|printed| printed.closed = true);
    }

    fn change(&self, with: impl FnOnce(&mut Printed)) {
        with(&mut lock(&self.state));
        self.changed.notify_all();
    }

    fn wait_for_change(&self) {
        let _state = self.changed.wait_timeout(lock(&self.state), POLL);
    }
}

/// From now on Ctrl-C, SIGTERM and SIGHUP end every group started here before they end this process.
///
/// # Errors
/// If the signals cannot be listened to.
pub fn stop_all_on_signals() -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(entered);
    thread::spawn(move || {
        let number = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
                _ = hangup.recv() => SignalKind::hangup(),
            }
        });
        let groups = lock(&GROUPS); // kept until the end: nothing more starts
        let send = |signal| {
            groups
                .iter()
                .filter(|group| killpg(Pid::from_raw(**group), signal).is_ok())
                .count()
        };
        send(Some(Signal::SIGINT));
        let deadline = Instant::now() + GRACE;
        while send(None) > 0 && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        send(Some(Signal::SIGKILL));
        std::process::exit(128 + number.as_raw_value());
    });
    Ok(())
}

/// Started and listed in one step, so that a Ctrl-C between the two cannot miss it.
fn spawn_in_group(command: &mut Command) -> io::Result<(Child, Pid)> {
    let mut groups = lock(&GROUPS);
    let child = command.process_group(0).spawn()?;
    let group = i32::try_from(child.id()).map_err(io::Error::other)?;
    groups.insert(group);
    Ok((child, Pid::from_raw(group)))
}

/// A thread that panicked while it held the lock leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
