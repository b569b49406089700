//! The program under test: a child process in a group of its own, which never outlives the test.

use crate::condition::until;
use crate::lock;
use crate::log::Log;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io;
use std::ops::Deref;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// The groups to kill when this process is told to end. Whoever starts or reaps a group's leader holds the lock: a
/// process id that was reaped may belong to a stranger.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Descendants that keep an output open are not waited for longer than this.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// A running program, or one that has ended.
#[derive(Debug)]
pub(crate) struct Process {
    state: Mutex<State>,
    group: Pid,
    pub(crate) stdout: Arc<Log>,
    pub(crate) stderr: Arc<Log>,
    /// How many lines were logged before the first request.
    started: AtomicUsize,
    /// Whether the check wants it to end.
    may_end: AtomicBool,
}

#[derive(Debug)]
struct State {
    child: Child,
    exit: Option<ExitStatus>,
}

impl Process {
    /// Starts the program.
    ///
    /// # Errors
    /// If the operating system cannot start it.
    pub(crate) fn start(command: &mut Command) -> io::Result<Running> {
        kill_groups_on_signals();
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut groups = lock(&GROUPS);
        let mut child = command.spawn()?;
        let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        groups.push(group);
        drop(groups);
        Ok(Running(Arc::new(Self {
            stdout: Log::of(child.stdout.take()),
            stderr: Log::of(child.stderr.take()),
            state: Mutex::new(State { child, exit: None }),
            group,
            started: AtomicUsize::new(0),
            may_end: AtomicBool::new(false),
        })))
    }

    /// How it ended, if it has.
    pub(crate) fn exit(&self) -> Option<ExitStatus> {
        let mut state = lock(&self.state);
        if state.exit.is_none() {
            let mut groups = lock(&GROUPS);
            state.exit = state.child.try_wait().unwrap_or_default();
            if state.exit.is_some() {
                self.forget(&mut groups);
            }
        }
        state.exit
    }

    /// How it ended and its whole output, if it ends while patience lasts.
    pub(crate) async fn wait(&self) -> Option<ExitStatus> {
        self.expect_end();
        let exit = until(|| self.exit()).await?;
        self.wait_for_output();
        Some(exit)
    }

    /// Waits until what the ended program wrote is read.
    pub(crate) fn wait_for_output(&self) {
        let deadline = Instant::now() + LAST_OUTPUT;
        while !(self.stdout.ended() && self.stderr.ended()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How it ended, if nobody wanted it to.
    pub(crate) fn death(&self) -> Option<String> {
        if self.may_end.load(Ordering::Relaxed) {
            return None;
        }
        self.exit().map(describe)
    }

    /// From now on its end is no accident.
    pub(crate) fn expect_end(&self) {
        self.may_end.store(true, Ordering::Relaxed);
    }

    /// The first request is about to be sent: what was logged so far belongs to the start.
    pub(crate) fn mark_started(&self) {
        self.started.store(self.stderr.count(), Ordering::Relaxed);
    }

    /// The last lines since the first request, or of all if there was none.
    pub(crate) fn log_tail(&self, count: usize) -> Vec<String> {
        let lines = self.stderr.lines_from(self.started.load(Ordering::Relaxed));
        let skipped = lines.len().saturating_sub(count);
        lines.into_iter().skip(skipped).collect()
    }

    /// Sends a signal to the program alone; one that has ended gets none.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Errno> {
        self.expect_end();
        match self.exit() {
            Some(_) => Ok(()),
            None => kill(self.group, signal),
        }
    }

    /// Ends the program and its descendants at once.
    fn kill(&self) {
        self.expect_end();
        let mut state = lock(&self.state);
        if state.exit.is_some() {
            return;
        }
        let mut groups = lock(&GROUPS);
        _ = killpg(self.group, Signal::SIGKILL);
        state.exit = state.child.wait().ok();
        self.forget(&mut groups);
    }

    /// The leader was reaped; what it left behind goes as well.
    fn forget(&self, groups: &mut Vec<Pid>) {
        _ = killpg(self.group, Signal::SIGKILL);
        groups.retain(|group| *group != self.group);
    }
}

/// Holds a program's life: dropping this kills it and its descendants.
#[derive(Debug)]
pub(crate) struct Running(Arc<Process>);

impl Running {
    /// What is known of it, also when it has ended.
    pub(crate) fn process(&self) -> Arc<Process> {
        Arc::clone(&self.0)
    }
}

impl Deref for Running {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// `exit code 2`, or the signal.
pub(crate) fn describe(exit: ExitStatus) -> String {
    match (exit.code(), exit.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => signal.to_string(),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => "an unknown exit status".to_owned(),
    }
}

/// A terminal's Ctrl-C reaches this process, not the groups of its children: it passes the end on to them.
fn kill_groups_on_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (ready, installed) = mpsc::channel();
        std::thread::spawn(move || watch_signals(&ready));
        // An error means that nothing could be installed: then the signals end this process as ever.
        _ = installed.recv();
    });
}

fn watch_signals(ready: &mpsc::Sender<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        _ = ready.send(());
        let signal = tokio::select! {
            _ = interrupt.recv() => Signal::SIGINT,
            _ = terminate.recv() => Signal::SIGTERM,
            _ = hangup.recv() => Signal::SIGHUP,
        };
        // The lock is kept to the end: no further group may start.
        let groups = lock(&GROUPS);
        for group in groups.iter() {
            _ = killpg(*group, Signal::SIGKILL);
        }
        std::process::exit(128 + signal as i32)
    })
}
