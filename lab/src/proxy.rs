//! The program under test, between the check's client and the check's upstreams.

use crate::condition::{Waiting, in_vain, until, within};
use crate::ended::Ended;
use crate::expectation::{Expected, unmet};
use crate::failure::raise;
use crate::message::bounded;
use crate::ports::free_address;
use crate::process::{Process, Running, describe};
use crate::report::{Report, Verdict};
use crate::scene::Scene;
use crate::target::{LISTEN, Target};
use crate::upstream::Upstream;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::env::consts::EXE_SUFFIX;
use std::net::SocketAddr;
use std::ops::Deref;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The ports that a program of the course may open.
const PORTS: [&str; 4] = [LISTEN, "ADMIN", "LISTEN_TCP", "LISTEN_TLS"];
/// What decides where a program listens, forwards and logs, and whom it trusts: whoever runs the checks has no say in it.
const NOT_INHERITED: [&str; 4] = ["UPSTREAMS", "ECHO_PORTS", "RUST_LOG", "SSL_CERT_DIR"];
/// Another process may take a port between our test and the program's start.
const ATTEMPTS: usize = 5;
/// One try to connect; a loaded machine gets another.
const PROBE: Duration = Duration::from_secs(1);

/// How the program is to be run.
#[derive(Clone, Debug)]
#[must_use = "nothing runs before in_front_of, alone or run_to_end is awaited"]
pub struct ProxyBuilder {
    exercise: String,
    path: Option<PathBuf>,
    env: BTreeMap<String, String>,
    args: Vec<String>,
}

/// A running program. Dropping it kills it and its descendants.
#[derive(Debug)]
pub struct Proxy {
    listen: Target,
    process: Running,
    scene: Arc<Scene>,
    env: BTreeMap<String, String>,
    /// Stands behind a proxy that was given no upstream, and refuses.
    _nobody: Option<Upstream>,
}

impl Proxy {
    /// The answer to an exercise: the program at `CHECK_BINARY`, or else `solution2-5` for `2-5`, where cargo put it
    /// beside the test.
    pub fn of(exercise: &str) -> ProxyBuilder {
        ProxyBuilder {
            exercise: exercise.to_owned(),
            path: None,
            env: BTreeMap::new(),
            args: Vec::new(),
        }
    }

    /// The program at this path, whatever `CHECK_BINARY` says.
    pub fn at_path(path: impl Into<PathBuf>, exercise: &str) -> ProxyBuilder {
        ProxyBuilder {
            path: Some(path.into()),
            ..Self::of(exercise)
        }
    }

    /// The port that this variable gives to the program: `LISTEN`, `ADMIN`, `LISTEN_TCP`, `LISTEN_TLS`, or another
    /// one that the check set.
    #[track_caller]
    pub fn port(&self, name: &str) -> Target {
        match self.env.get(name).and_then(|address| address.parse().ok()) {
            Some(address) => Target::new(name, address, Arc::clone(&self.scene)),
            None => raise(&Report::crash(format!(
                "{name} is no address of the program"
            ))),
        }
    }

    /// All that the program wrote to stderr so far; the oldest lines are dropped beyond a mebibyte.
    pub fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// The lines on stderr so far that contain the text.
    pub fn log_lines_with(&self, text: &str) -> Vec<String> {
        let mut lines = self.process.stderr.complete_lines();
        lines.retain(|line| line.contains(text));
        lines
    }

    /// Waits for a line on stderr that contains the text, and returns it.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> Waiting<impl Future<Output = Verdict<String>>> {
        let at = Location::caller();
        Waiting::new(async move {
            let line = || self.log_lines_with(text).into_iter().next();
            until(line).await.ok_or_else(|| {
                let what = format!("a line in the log with: {}", bounded(text.as_bytes()));
                self.scenery(in_vain(what).at(at)).into()
            })
        })
    }

    /// Expects a line on stderr that contains the text, by now.
    #[track_caller]
    pub fn expect_log_with(&self, text: &str) -> Expected<'_, Self> {
        let report = self.log_report("has no such line", "with", text);
        let found = !self.log_lines_with(text).is_empty();
        Expected::new(self, (!found).then_some(report))
    }

    /// Expects no line on stderr that contains the text, so far.
    #[track_caller]
    pub fn expect_log_without(&self, text: &str) -> Expected<'_, Self> {
        let report = self.log_report("has a line that it should not have", "without", text);
        let found = self.log_lines_with(text);
        let report = match found.first() {
            Some(line) => report.expected(format!("but found: {}", bounded(line.as_bytes()))),
            None => report,
        };
        Expected::new(self, (!found.is_empty()).then_some(report))
    }

    /// Expects a condition to hold now; `what` says in words what was expected.
    #[track_caller]
    pub fn expect(&self, condition: bool, what: impl AsRef<str>) -> Expected<'_, Self> {
        Expected::new(
            self,
            unmet(condition, what.as_ref()).map(|report| self.scenery(report)),
        )
    }

    /// Sends a signal to the program. Its end is no crash from now on.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = self.process.signal(signal) {
            let what = format!("cannot send {signal} to the proxy: {error}");
            raise(&self.scenery(Report::crash(what)));
        }
    }

    /// Waits until the program ends.
    #[track_caller]
    pub fn wait_for_exit(&self) -> Waiting<impl Future<Output = Verdict<Ended>>> {
        let at = Location::caller();
        Waiting::new(async move {
            match self.process.wait().await {
                Some(exit) => Ok(Ended::new(exit, &self.process, Arc::clone(&self.scene))),
                None => Err(self.scenery(still_runs().at(at)).into()),
            }
        })
    }

    fn scenery(&self, report: Report) -> Report {
        report.in_scene(Some(Arc::clone(&self.scene)))
    }

    #[track_caller]
    fn log_report(&self, what: &str, how: &str, text: &str) -> Report {
        let report = Report::expectation(format!("the proxy's log {what}"));
        let text = bounded(text.as_bytes());
        self.scenery(report)
            .expected(format!("a log {how}: {text}"))
    }
}

impl Deref for Proxy {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.listen
    }
}

impl ProxyBuilder {
    /// Sets a variable of the program's environment.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.insert(name.to_owned(), value.to_string());
        self
    }

    /// Appends an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Starts the program with this upstream behind it, and waits until it listens.
    #[track_caller]
    pub fn in_front_of(self, upstream: &Upstream) -> impl Future<Output = Proxy> {
        self.in_front_of_all([upstream])
    }

    /// Starts the program with these upstreams behind it, and waits until it listens.
    #[track_caller]
    pub fn in_front_of_all<'a>(
        self,
        upstreams: impl IntoIterator<Item = &'a Upstream>,
    ) -> impl Future<Output = Proxy> {
        let upstreams = Vec::from_iter(upstreams);
        let scene = Scene::new(&self.exercise);
        let records = upstreams
            .iter()
            .map(|upstream| Arc::clone(upstream.record()));
        let records = Vec::from_iter(records);
        for record in &records {
            record.set_scene(&scene);
        }
        scene.set_upstreams(records);
        let addresses = Vec::from_iter(upstreams.iter().map(|it| it.address().to_string()));
        self.start(scene, addresses.join(","), None, Location::caller())
    }

    /// Starts the program without an upstream: `UPSTREAMS` names a port that refuses. Waits until it listens.
    #[track_caller]
    pub fn alone(self) -> impl Future<Output = Proxy> {
        let at = Location::caller();
        let scene = Scene::new(&self.exercise);
        async move {
            let nobody = Upstream::refusing().await;
            let address = nobody.address().to_string();
            self.start(scene, address, Some(nobody), at).await
        }
    }

    /// Runs a program that is expected to end by itself, without an upstream.
    #[track_caller]
    pub fn run_to_end(self) -> Waiting<impl Future<Output = Verdict<Ended>>> {
        let at = Location::caller();
        let scene = Scene::new(&self.exercise);
        Waiting::new(async move {
            let nobody = Upstream::refusing().await;
            let env = self.environment(&nobody.address().to_string());
            let process = self.spawn(&env, &scene, at)?;
            scene.set_process(process.process());
            match process.wait().await {
                Some(exit) => Ok(Ended::new(exit, &process, Arc::clone(&scene))),
                None => {
                    let report = still_runs().at(at).in_scene(Some(scene));
                    Err(report.about_program().into())
                }
            }
        })
    }

    async fn start(
        self,
        scene: Arc<Scene>,
        upstreams: String,
        nobody: Option<Upstream>,
        at: &'static Location<'static>,
    ) -> Proxy {
        match self.try_start(&scene, &upstreams, at).await {
            Ok((process, env, address)) => Proxy {
                listen: Target::new(LISTEN, address, Arc::clone(&scene)),
                process,
                scene,
                env,
                _nobody: nobody,
            },
            Err(report) => raise(&report.at(at).in_scene(Some(scene)).about_program()),
        }
    }

    async fn try_start(
        &self,
        scene: &Arc<Scene>,
        upstreams: &str,
        at: &'static Location<'static>,
    ) -> Verdict<(Running, BTreeMap<String, String>, SocketAddr)> {
        let mut attempt = 1;
        loop {
            let env = self.environment(upstreams);
            let listen = env.get(LISTEN).and_then(|address| address.parse().ok());
            let Some(address) = listen else {
                return Err(Report::crash("LISTEN, set by the check, is no address").into());
            };
            let process = self.spawn(&env, scene, at)?;

            let ready = ready(&process, address).await;
            let lost_port = ready.is_err() && port_in_use(&process);
            if lost_port && attempt < ATTEMPTS {
                attempt += 1;
                continue;
            }
            scene.set_process(process.process());
            ready?;

            return Ok((process, env, address));
        }
    }

    /// All that is set for the program; what the check sets wins.
    fn environment(&self, upstreams: &str) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        for name in PORTS {
            env.insert(name.to_owned(), free_address().to_string());
        }
        env.insert("UPSTREAMS".to_owned(), upstreams.to_owned());
        // Pingora itself is chatty at `info`, and its cache warns of a dictionary that nobody needs. A failure shows only
        // the last lines.
        let log = "info,pingora=warn,pingora_cache::meta=error";
        env.insert("RUST_LOG".to_owned(), log.to_owned());
        // Pingora reads all certificates of the machine as it starts, which is half of the time that this takes. No
        // check asks a server that they are for.
        env.insert("SSL_CERT_FILE".to_owned(), "/dev/null".to_owned());
        env.extend(self.env.clone());
        env
    }

    fn spawn(
        &self,
        env: &BTreeMap<String, String>,
        scene: &Arc<Scene>,
        at: &'static Location<'static>,
    ) -> Verdict<Running> {
        let crash = |what: String| {
            let report = Report::crash(what).at(at);
            report.in_scene(Some(Arc::clone(scene))).about_program()
        };
        let path = self.binary().map_err(|name| {
            crash(format!("the program {name} is not there"))
                .expected(format!("cargo build --bin {name}"))
        })?;
        let mut command = Command::new(&path);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        command.envs(env).args(&self.args);
        Process::start(&mut command)
            .map_err(|error| crash(format!("cannot start {}: {error}", path.display())).into())
    }

    /// The program, or the name of what is missing.
    fn binary(&self) -> Result<PathBuf, String> {
        let given = self.path.clone();
        let given = given.or_else(|| std::env::var_os("CHECK_BINARY").map(PathBuf::from));
        if let Some(path) = given {
            return if path.is_file() {
                Ok(path)
            } else {
                Err(path.display().to_string())
            };
        }
        let name = format!("solution{}{EXE_SUFFIX}", self.exercise);
        let test = std::env::current_exe().unwrap_or_default();
        // Tests are in target/debug/deps, programs in target/debug.
        let folders = test.ancestors().skip(1).take(2);
        let paths = folders.map(|folder: &Path| folder.join(&name));
        paths.into_iter().find(|path| path.is_file()).ok_or(name)
    }
}

/// Waits until the program listens. The connection that shows it is closed at once and carries no request.
async fn ready(process: &Process, address: SocketAddr) -> Verdict<()> {
    let deadline = tokio::time::Instant::now() + crate::condition::patience();
    loop {
        if let Some(exit) = process.exit() {
            process.wait_for_output();
            let what = format!("the proxy did not start: {}", describe(exit));
            return Err(Report::crash(what).into());
        }
        let connected = timeout(PROBE, TcpStream::connect(address)).await;
        if matches!(connected, Ok(Ok(_))) && process.exit().is_none() {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            let what = format!("the proxy did not listen on {address} {}", within());
            return Err(Report::crash(what).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn port_in_use(process: &Process) -> bool {
    let code = process.exit().and_then(|exit| exit.code());
    code == Some(2) && process.stderr.text().contains("in use")
}

fn still_runs() -> Report {
    Report::expectation(format!("the program did not end {}", within()))
        .expected("the program ends")
}
