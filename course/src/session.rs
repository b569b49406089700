//! One page, one session: runs its console blocks in order and compares what is printed with what is shown.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cargo;
use crate::console::{self, Action, Server, Step};
use crate::finding::Finding;
use crate::output;
use crate::ports::Ports;
use crate::process::{Echo, Process, Seen, patience};
use crate::readme::{Block, Readme};

/// How many of a server's last lines a failure shows.
const LAST_LINES: usize = 12;

/// How long things may take before they count as hanging.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a condition: a program listens, stops, prints what the page shows.
    pub patience: Duration,
    /// For a command that ends by itself; one that calls cargo may take as long as a build.
    pub command: Duration,
}

impl Default for Limits {
    /// `LAB_PATIENCE` (seconds, 10 by default), and six times that for a command, at least a minute.
    fn default() -> Self {
        let patience = patience();
        Self {
            patience,
            command: patience.saturating_mul(6).max(Duration::from_secs(60)),
        }
    }
}

/// A block of the page and what it asks for.
pub struct Script<'a> {
    pub block: &'a Block,
    pub steps: Vec<Step>,
}

/// What runs on behalf of one page. Dropping it stops everything.
pub struct Session {
    page: PathBuf,
    root: PathBuf,
    /// Where commands run.
    folder: PathBuf,
    ports: Ports,
    limits: Limits,
    echo: Echo,
    servers: Vec<Running>,
    /// Commands that ended and left something running behind.
    left_behind: Vec<Process>,
}

/// What a `cargo run` started.
struct Running {
    terminal: Option<String>,
    /// What it listens on, in truth; the next one that listens there replaces it.
    address: String,
    command: String,
    process: Process,
    /// How much of its output the page has shown, in bytes.
    shown: usize,
}

/// Why a step did not go as the page says.
#[derive(Debug)]
pub struct Failure {
    pub finding: Finding,
    /// A program that the steps after it need is not there.
    pub fatal: bool,
}

/// The console blocks of a page that are meant to be run.
///
/// # Errors
/// Every block that cannot be understood.
pub fn scripts(page: &Readme) -> Result<Vec<Script<'_>>, Vec<Finding>> {
    let runnable = page
        .blocks
        .iter()
        .filter(|block| block.language() == "console" && block.not_run().is_none());
    let mut scripts = Vec::new();
    let mut findings = Vec::new();
    for block in runnable {
        match console::steps(&page.path, block) {
            Ok(steps) => scripts.push(Script { block, steps }),
            Err(finding) => findings.push(finding),
        }
    }
    if findings.is_empty() {
        Ok(scripts)
    } else {
        Err(findings)
    }
}

/// Runs a page on free ports and returns what differs. `is_left_out` says which exercises' blocks to pass over.
///
/// # Errors
/// If no port is free.
pub fn play(
    root: &Path,
    page: &Readme,
    limits: Limits,
    is_left_out: impl Fn((u8, u8)) -> bool,
) -> io::Result<Vec<Finding>> {
    let scripts = match scripts(page) {
        Ok(scripts) => scripts,
        Err(findings) => return Ok(findings),
    };
    let commands = scripts
        .iter()
        .flat_map(|script| &script.steps)
        .map(|step| step.command.as_str());
    let mut session = Session::new(
        root,
        page,
        Ports::free(&page.text, commands)?,
        limits,
        Echo::Off,
    );
    let mut findings = Vec::new();
    for script in &scripts {
        if script.block.section.is_some_and(&is_left_out) {
            continue;
        }
        for step in &script.steps {
            let Err(failure) = session.run(step, script.block.terminal()) else {
                continue;
            };
            findings.push(failure.finding);
            if failure.fatal {
                return Ok(findings);
            }
        }
    }
    Ok(findings)
}

impl Session {
    /// A session in the page's folder.
    pub fn new(root: &Path, page: &Readme, ports: Ports, limits: Limits, echo: Echo) -> Self {
        let folder = page
            .path
            .parent()
            .map_or_else(|| root.to_owned(), |parent| root.join(parent));
        let page = page.path.clone();
        Self {
            page,
            root: root.to_owned(),
            folder,
            ports,
            limits,
            echo,
            servers: Vec::new(),
            left_behind: Vec::new(),
        }
    }

    /// Runs one step in the terminal that its block names.
    ///
    /// # Errors
    /// If it does not go as the page says.
    pub fn run(&mut self, step: &Step, terminal: Option<&str>) -> Result<(), Failure> {
        match &step.action {
            Action::Leave => Ok(()),
            Action::Enter(folder) => self.enter(step, folder),
            Action::Run => self.command(step),
            Action::Serve(server) => self.serve(step, server, terminal),
            Action::Stop => self.stop(step, terminal),
            Action::Watch => self.watch(step, terminal),
        }
    }

    fn enter(&mut self, step: &Step, folder: &Path) -> Result<(), Failure> {
        let entered = self.base(folder).join(folder);
        if !entered.is_dir() {
            let from = self.folder.display();
            let what = format!("there is no folder {} in {from}", folder.display());
            return Err(self.failure(step, &what, true));
        }
        self.folder = entered;
        Ok(())
    }

    fn command(&mut self, step: &Step) -> Result<(), Failure> {
        let mut process = self.start(step)?;
        let limit = self.limit_of(&step.command);
        let ports = &self.ports;
        let fits = |seen: &Seen| output::matches(&step.shown, &ports.to_page(&seen.text));
        // What a command leaves running keeps the output open: then the text alone tells when it is complete.
        process.wait_until(limit, |seen| {
            seen.is_over() || (seen.status.is_some() && fits(seen))
        });
        let seen = process.seen();
        let fits = fits(&seen);
        if !process.is_gone() {
            self.left_behind.push(process);
        }
        match seen.status {
            None => {
                self.left_behind.pop();
                let what = format!("the command has not ended within {} s", limit.as_secs());
                Err(self.differs(step, &what, &seen.text, self.servers.last()))
            }
            Some(status) if step.shown.is_empty() && !status.success() => {
                let what = format!("the command failed ({status}) and the page shows nothing");
                Err(self.differs(step, &what, &seen.text, self.servers.last()))
            }
            Some(_) if fits => Ok(()),
            Some(_) => {
                Err(self.differs(step, "the output differs", &seen.text, self.servers.last()))
            }
        }
    }

    fn serve(
        &mut self,
        step: &Step,
        server: &Server,
        terminal: Option<&str>,
    ) -> Result<(), Failure> {
        let address = self.ports.to_free(&server.address);
        if !server.joins {
            self.replace(step, &address)?;
        }
        let taken = accepts(&address);
        let process = self.start(step)?;
        let terminal = terminal.map(str::to_owned);
        let command = step.command.clone();
        let mut running = Running {
            terminal,
            address,
            command,
            process,
            shown: 0,
        };
        running.wait_until_built(taken);
        let ready = if taken {
            // Its port answers already, which says nothing of this program: it joins, or it ends at once.
            server.joins || running.wait_until_over(self.limits.patience) || !step.shown.is_empty()
        } else {
            running.wait_until_ready(self.limits.patience)
        };
        let result = self.started(step, &mut running, ready);
        if !running.process.seen().is_over() {
            self.servers.push(running);
        }
        result
    }

    fn started(&self, step: &Step, running: &mut Running, ready: bool) -> Result<(), Failure> {
        let shows = !step.shown.is_empty();
        let fits = shows && running.wait_for(&step.shown, &self.ports, self.limits.patience);
        let seen = running.process.seen();
        let failed = seen.status.is_some_and(|status| !status.success());
        let what = if failed && !shows {
            "the program ended with an error and the page shows nothing".to_owned()
        } else if shows && !fits {
            "the output differs".to_owned()
        } else if !ready {
            let address = self.ports.to_page(&running.address);
            format!(
                "nothing accepts connections on {address} within {} s",
                self.limits.patience.as_secs()
            )
        } else {
            return Ok(());
        };
        let mut failure = self.differs(step, &what, &seen.text, None);
        failure.fatal = !ready || failed;
        Err(failure)
    }

    /// Stops what listens where the next program will.
    fn replace(&mut self, step: &Step, address: &str) -> Result<(), Failure> {
        while let Some(at) = self
            .servers
            .iter()
            .rposition(|running| running.address == address)
        {
            let mut running = self.servers.remove(at);
            self.interrupt(step, &mut running)?;
        }
        Ok(())
    }

    fn stop(&mut self, step: &Step, terminal: Option<&str>) -> Result<(), Failure> {
        let at = self
            .position(terminal)
            .ok_or_else(|| self.failure(step, "nothing runs here", false))?;
        let mut running = self.servers.remove(at);
        running.shown = running.process.text().len();
        self.interrupt(step, &mut running)?;
        let printed = running.printed();
        if step.shown.is_empty() || output::matches(&step.shown, &self.ports.to_page(&printed)) {
            return Ok(());
        }
        Err(self.differs(step, "the output after ^C differs", &printed, None))
    }

    fn interrupt(&self, step: &Step, running: &mut Running) -> Result<(), Failure> {
        if running.process.interrupt(self.limits.patience) {
            return Ok(());
        }
        let what = format!(
            "{:?} did not stop within {} s of ^C",
            running.command,
            self.limits.patience.as_secs()
        );
        Err(self.failure(step, &what, false))
    }

    fn watch(&mut self, step: &Step, terminal: Option<&str>) -> Result<(), Failure> {
        let nothing = "the block shows the output of a program, but none runs here";
        let at = self
            .position(terminal)
            .ok_or_else(|| self.failure(step, nothing, false))?;
        let Some(running) = self.servers.get_mut(at) else {
            return Ok(());
        };
        if running.wait_for(&step.shown, &self.ports, self.limits.patience) {
            return Ok(());
        }
        let printed = running.printed();
        Err(self.differs(step, "the program printed something else", &printed, None))
    }

    /// The program started last in this terminal, or last of all if none is named.
    fn position(&self, terminal: Option<&str>) -> Option<usize> {
        self.servers
            .iter()
            .rposition(|running| terminal.is_none() || running.terminal.as_deref() == terminal)
    }

    fn start(&self, step: &Step) -> Result<Process, Failure> {
        let entered = step
            .command
            .strip_prefix("cd ")
            .and_then(|rest| rest.split_whitespace().next());
        let entered = Path::new(entered.unwrap_or_default());
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(self.ports.to_free(&step.command))
            .current_dir(self.base(entered));
        cargo::isolate(&mut shell);
        shell
            .envs(self.ports.variables())
            .envs([("CARGO_TERM_COLOR", "never"), ("NO_COLOR", "1")])
            .env("CURL_HOME", self.root.join("course/curl"));
        Process::start(shell, self.echo)
            .map_err(|error| self.failure(step, &format!("sh does not start: {error}"), true))
    }

    fn limit_of(&self, command: &str) -> Duration {
        let builds = command.split_whitespace().any(|word| word == "cargo");
        if builds {
            cargo::BUILD_LIMIT
        } else {
            self.limits.command
        }
    }

    /// Where a relative `folder` is found: a reader of a chapter may still be in the root.
    fn base(&self, folder: &Path) -> &Path {
        let only_there = !self.folder.join(folder).is_dir() && self.root.join(folder).is_dir();
        if only_there { &self.root } else { &self.folder }
    }

    fn failure(&self, step: &Step, what: &str, fatal: bool) -> Failure {
        Failure {
            finding: Finding::new(&self.page, step.line, what),
            fatal,
        }
    }

    fn differs(&self, step: &Step, what: &str, printed: &str, server: Option<&Running>) -> Failure {
        let got = output::compared(&step.shown, &self.ports.to_page(printed));
        let mut text = String::from(what);
        section(&mut text, "command", &step.command);
        section(&mut text, "expected", &step.shown.join("\n"));
        section(&mut text, "got", &got);
        if let Some(running) = server {
            let name = format!("last lines of `{}`", running.command);
            section(&mut text, &name, &self.ports.to_page(&running.last_lines()));
        }
        self.failure(step, &text, false)
    }
}

impl Running {
    /// What it printed since the page showed it last.
    fn printed(&self) -> String {
        self.process
            .text()
            .get(self.shown..)
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until what it printed is what the page shows.
    fn wait_for(&mut self, lines: &[String], ports: &Ports, patience: Duration) -> bool {
        let from = self.shown;
        let mut upto = from;
        let mut fits = false;
        self.process.wait_until(patience, |seen| {
            upto = seen.text.len();
            fits = output::matches(
                lines,
                &ports.to_page(seen.text.get(from..).unwrap_or_default()),
            );
            fits || seen.is_over()
        });
        if fits {
            self.shown = upto;
        }
        fits
    }

    /// The compiler's time is not the program's: patience begins when cargo says that it runs it.
    fn wait_until_built(&mut self, taken: bool) {
        let address = self.address.clone();
        self.process.wait_until(cargo::BUILD_LIMIT, |seen| {
            seen.is_over() || output::says_running(&seen.text) || (!taken && accepts(&address))
        });
    }

    fn wait_until_ready(&mut self, patience: Duration) -> bool {
        let address = self.address.clone();
        self.process
            .wait_until(patience, |seen| seen.is_over() || accepts(&address))
    }

    fn wait_until_over(&mut self, patience: Duration) -> bool {
        self.process.wait_until(patience, Seen::is_over)
    }

    fn last_lines(&self) -> String {
        let text = self.process.text();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

/// Whether something listens there.
fn accepts(address: &str) -> bool {
    let address = address
        .replace("localhost", "127.0.0.1")
        .parse::<SocketAddr>();
    address
        .is_ok_and(|address| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
}

/// A titled, indented passage of a failure.
fn section(text: &mut String, title: &str, body: &str) {
    let body = if body.is_empty() { "(nothing)" } else { body };
    text.push_str(&format!("\n  {title}:"));
    for line in body.lines() {
        text.push_str(&format!("\n    {line}"));
    }
}
