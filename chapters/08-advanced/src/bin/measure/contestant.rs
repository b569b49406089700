//! A program that is measured: how it is started, where it listens, and how it ends.

use std::{
    env,
    ffi::OsString,
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, time::sleep};

use crate::{arguments::Arguments, cases::Protocol, machine, rivals};

/// How long a program may take to listen; under callgrind it runs fifty times slower.
const START: Duration = Duration::from_secs(120);
/// The port for TLS is open a moment after the other one, where there is one.
const TLS_AFTER: Duration = Duration::from_millis(500);
const TLS_AFTER_UNDER_CALLGRIND: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
/// nginx may sleep over a signal that comes just before it waits for the next event.
const REMIND: u32 = 25;

#[derive(Clone)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) addresses: Addresses,
    pub(crate) log: PathBuf,
}

/// Where a program is told to listen.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
}

/// A program that runs. Dropping this ends it.
pub(crate) struct Running(Child);

impl Addresses {
    pub(crate) fn free() -> Result<Self, String> {
        Ok(Self {
            plain: free()?,
            tls: free()?,
        })
    }

    pub(crate) fn of(self, protocol: Protocol) -> SocketAddr {
        match protocol {
            Protocol::Http1 => self.plain,
            Protocol::Http1Tls | Protocol::Http2Tls => self.tls,
        }
    }
}

/// The rivals that are installed, and the programs that were asked for.
pub(crate) fn all(
    arguments: &Arguments,
    folder: &Path,
    upstream: SocketAddr,
) -> Result<Vec<Contestant>, String> {
    let mut all = rivals::installed(arguments, folder, upstream)?;
    let programs = if arguments.program.is_empty() {
        vec![demo()?]
    } else {
        arguments.program.clone()
    };
    for (number, program) in programs.iter().enumerate() {
        all.push(ours(program, number, folder, upstream)?);
    }
    Ok(all)
}

/// The chapter's demo, which cargo puts beside this command.
fn demo() -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let demo = own.with_file_name("ch08-advanced");
    if demo.is_file() {
        return Ok(demo);
    }
    let demo = demo.display();
    Err(format!(
        "{demo} is not there; build it with the same profile: cargo build --profile tuned -p ch08-advanced"
    ))
}

fn ours(
    program: &Path,
    number: usize,
    folder: &Path,
    upstream: SocketAddr,
) -> Result<Contestant, String> {
    let program = program
        .canonicalize()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let addresses = Addresses::free()?;
    let environment = [
        ("LISTEN", addresses.plain.to_string().into()),
        ("LISTEN_TLS", addresses.tls.to_string().into()),
        ("ADMIN", free()?.to_string().into()),
        ("UPSTREAMS", upstream.to_string().into()),
        ("CERTS", folder.into()),
        // The rivals write no access log either.
        ("RUST_LOG", "error".into()),
    ];
    Ok(Contestant {
        name: name(&program),
        arguments: Vec::new(),
        environment: environment.into(),
        addresses,
        log: folder.join(format!("program{number}.log")),
        program,
    })
}

/// `tuned/ch08-advanced`: the folder says how it was built.
fn name(program: &Path) -> String {
    let mut parts = program.components().rev().take(2);
    let mut part = || {
        parts
            .next()
            .map(|it| it.as_os_str().to_string_lossy().into_owned())
    };
    let file = part().unwrap_or_default();
    match part() {
        Some(folder) => format!("{folder}/{file}"),
        None => file,
    }
}

impl Contestant {
    /// Starts it on a core of its own, and waits until it listens.
    pub(crate) async fn start(&self) -> Result<Running, String> {
        let mut command = match machine::core() {
            Some((taskset, core)) => {
                let mut command = Command::new(taskset);
                command.args(["-c", &core.to_string()]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.args(&self.arguments);
        let running = self.spawn(command).await?;
        self.wait_for_tls(TLS_AFTER).await;
        Ok(running)
    }

    /// Starts it by way of another program.
    pub(crate) async fn start_under(&self, mut command: Command) -> Result<Running, String> {
        command.arg(&self.program).args(&self.arguments);
        let running = self.spawn(command).await?;
        self.wait_for_tls(TLS_AFTER_UNDER_CALLGRIND).await;
        Ok(running)
    }

    /// Not every program has such a port.
    async fn wait_for_tls(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while TcpStream::connect(self.addresses.tls).await.is_err() && Instant::now() < deadline {
            sleep(POLL).await;
        }
    }

    async fn spawn(&self, mut command: Command) -> Result<Running, String> {
        let name = &self.name;
        let log = File::create(&self.log).map_err(|error| format!("{name}: no log: {error}"))?;
        let child = command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let mut running = Running(child);
        let deadline = Instant::now() + START;
        while TcpStream::connect(self.addresses.plain).await.is_err() {
            if running.has_ended() {
                let why = machine::last_line(&self.log);
                return Err(format!("{name} ended at once: {why}"));
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{name} does not listen on {}",
                    self.addresses.plain
                ));
            }
            sleep(POLL).await;
        }
        Ok(running)
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn interrupt(&mut self, patience: Duration) -> Result<(), String> {
        let id = self.0.id().to_string();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let sent = Command::new("kill").args(["-INT", &id]).status();
            sent.map_err(|error| format!("kill: {error}"))?;
            for _ in 0..REMIND {
                if self.has_ended() {
                    return Ok(());
                }
                sleep(POLL).await;
            }
        }
        Err("it does not end when interrupted".to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn free() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_says_how_a_program_was_built() {
        assert_eq!(name(Path::new("/a/target/tuned/proxy")), "tuned/proxy");
        assert_eq!(name(Path::new("proxy")), "proxy");
    }
}
