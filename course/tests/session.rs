//! The runner of console blocks, on small pages, with a stand-in for cargo: this program itself, called as `serve`.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use course::finding::Finding;
use course::process::patience;
use course::readme::Readme;
use course::session::{Limits, play};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

type Outcome = Result<(), Failed>;
type Body = fn() -> Outcome;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some("serve") {
        return serve(env::args().skip(2).collect());
    }
    if env::var_os("STAND_IN").is_none() {
        return with_stand_in();
    }
    Ok(libtest_mimic::run(&Arguments::from_args(), trials()).exit_code())
}

/// Runs the trials in a process whose PATH has the stand-in: a running process cannot safely change its own.
fn with_stand_in() -> Result<ExitCode, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let cargo = folder.path().join("cargo");
    let program = env::current_exe()?;
    let lines = "echo '    Finished `dev` profile' >&2; echo '     Running `program`' >&2";
    fs::write(
        &cargo,
        format!(
            "#!/bin/sh\n{lines}\nexec '{}' serve \"$@\"\n",
            program.display()
        ),
    )?;
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755))?;
    let path = env::var("PATH")?;
    let status = Command::new(program)
        .args(env::args().skip(1))
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .env("STAND_IN", "1")
        .status()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the pages start: says where it listens, logs each request, answers with its NAME and address.
fn serve(arguments: Vec<String>) -> Result<ExitCode, Box<dyn Error>> {
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("-t") {
        println!("the configuration is right");
        return Ok(ExitCode::SUCCESS);
    }
    if has("--broken") {
        eprintln!("LISTEN: no such address");
        return Ok(ExitCode::from(2));
    }
    if arguments
        .iter()
        .any(|it| it == "-u" || it.starts_with("http://"))
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        return runtime.block_on(stay_beside());
    }
    let address = if has("upstreams") {
        format!(
            "127.0.0.1:{}",
            env::var("ECHO_PORTS")?
                .split(',')
                .next()
                .unwrap_or_default()
        )
    } else {
        env::var("LISTEN")?
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(answer(&address, has("--stubborn")))
}

/// Stands for a program that takes the port over, and for a client.
async fn stay_beside() -> Result<ExitCode, Box<dyn Error>> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    println!("beside what listens");
    interrupts.recv().await;
    println!("no more");
    Ok(ExitCode::SUCCESS)
}

async fn answer(address: &str, stubborn: bool) -> Result<ExitCode, Box<dyn Error>> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    let name = env::var("NAME").unwrap_or_else(|_| "hello".to_owned());
    println!("listening on {address}");
    loop {
        let mut stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = interrupts.recv() => if stubborn { continue } else { break },
        };
        let mut request = [0; 4096];
        let count = stream.read(&mut request).await?;
        let request =
            String::from_utf8_lossy(request.get(..count).unwrap_or_default()).into_owned();
        let Some(line) = request.lines().next() else {
            continue;
        };
        eprintln!("[2026-01-31T12:00:00Z INFO  program] {line}");
        let body = format!("{name} from {address}\n");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
    }
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn trials() -> Vec<Trial> {
    let trials: &[(&str, Body)] = &[
        ("output that the page shows is accepted", shown_output),
        ("a mismatch names the line and shows both sides", mismatch),
        ("later commands run after a mismatch", goes_on),
        ("ellipses stand for lines and for parts of lines", elision),
        ("a continued line is one command", continuation),
        ("cd lasts", cd_lasts),
        ("a chapter's page may begin in the root", from_the_root),
        ("a folder that is missing ends the page", missing_folder),
        ("a failing command must show something", failing_command),
        ("a program answers until the page ends", server_stays),
        ("the page's ports are not used", other_ports),
        ("ports named in a command are replaced too", named_ports),
        ("what ^C makes a program print is compared", interrupt),
        ("^C without a program is a finding", interrupt_nothing),
        ("a program that ignores ^C is a finding", stubborn),
        ("a second program replaces the first", replacement),
        ("upstreams and a proxy run side by side", side_by_side),
        ("with -u or a URL a program joins what listens", joined),
        (
            "a block without a command shows what was printed since",
            more_output,
        ),
        ("a block's name says whose output it shows", named_terminal),
        ("a program that ends at once is a command", ends_at_once),
        ("a program that cannot start ends the page", cannot_start),
        (
            "a program that says something else still serves",
            says_something_else,
        ),
        ("cargo's lines count where the page shows one", cargo_lines),
        ("log lines count where the page shows one", log_lines),
        ("a command that hangs is stopped", hanging),
        ("what is not for the runner is left alone", readers_own),
        ("an exercise can be left out", left_out),
        ("nothing is left running", nothing_left),
        ("a continuation must follow a backslash", half_a_command),
    ];
    trials
        .iter()
        .map(|(name, run)| Trial::test(*name, run))
        .collect()
}

fn shown_output() -> Outcome {
    passes("```console\n$ printf 'one\\ntwo'\none\ntwo\n\n$ true\n```\n")
}

fn mismatch() -> Outcome {
    let page = "# Title\n\n```console\n$ true\n$ echo one; echo 2\none\ntwo\n```\n";
    let expected = "README.md:5: the output differs
  command:
    echo one; echo 2
  expected:
    one
    two
  got:
    one
    2";
    is(&only(run(page)?)?.to_string().as_str(), &expected)
}

fn goes_on() -> Outcome {
    let findings = run("```console\n$ echo a\nb\n$ echo c\nd\n```\n")?;
    is(
        &findings
            .iter()
            .map(|finding| finding.line)
            .collect::<Vec<_>>(),
        &vec![2, 4],
    )
}

fn elision() -> Outcome {
    passes("```console\n$ seq 1 9; echo took 12 ms\n1\n...\n9\ntook [..] ms\n```\n")?;
    fails(
        "```console\n$ seq 1 8\n1\n...\n9\n```\n",
        "the output differs",
    )?;
    fails(
        "```console\n$ echo took long\ntook [..] ms\n```\n",
        "the output differs",
    )
}

fn continuation() -> Outcome {
    passes("```console\n$ echo one \\\n>   two\none two\n```\n")
}

fn half_a_command() -> Outcome {
    fails(
        "```console\n$ echo one \\\none\n```\n",
        "README.md:2: a line after '\\' must begin with '> '",
    )
}

fn cd_lasts() -> Outcome {
    passes(
        "```console\n$ mkdir inner && cd inner && touch there\n$ ls\ninner\n$ cd inner\n$ ls\nthere\n```\n",
    )
}

fn from_the_root() -> Outcome {
    let folder = tempfile::tempdir()?;
    fs::create_dir_all(folder.path().join("chapters/01-a"))?;
    let text = "```console\n$ cd chapters/01-a\n$ touch here\n$ cd chapters/01-a && ls\nhere\n$ ls\nhere\n```\n";
    let page = Readme::parse("chapters/01-a/README.md", text);
    is(
        &play(folder.path(), &page, Limits::default(), |_| false)?,
        &Vec::new(),
    )
}

fn missing_folder() -> Outcome {
    fails(
        "```console\n$ cd nowhere\n$ echo a\nb\n```\n",
        "README.md:2: there is no folder nowhere",
    )
}

fn failing_command() -> Outcome {
    passes("```console\n$ echo wrong; exit 3\nwrong\n```\n")?;
    fails(
        "```console\n$ exit 3\n```\n",
        "the command failed (exit status: 3) and the page shows nothing",
    )
}

fn server_stays() -> Outcome {
    passes(
        "```console\n$ cargo run\nlistening on 127.0.0.1:6188\n$ curl -s http://127.0.0.1:6188/\nhello from 127.0.0.1:6188\n```\n\
         ```console\n$ curl -si localhost:6188/\nHTTP/1.1 200 OK\nContent-Length: 26\n...\n```\n",
    )
}

fn other_ports() -> Outcome {
    // Whoever holds it, us or another process: the page's port is taken.
    let _held = TcpListener::bind("127.0.0.1:6188");
    server_stays()
}

fn named_ports() -> Outcome {
    let _held = TcpListener::bind("127.0.0.1:7070");
    passes(
        "```console\n$ LISTEN=127.0.0.1:7070 cargo run\n$ curl -s http://localhost:7070/\nhello from 127.0.0.1:7070\n\
         $ echo 70701 17070 7070\n70701 17070 7070\n```\n",
    )
}

fn interrupt() -> Outcome {
    passes(
        "```console\n$ cargo run\nlistening on [..]\n$ ^C\nstopped\n$ curl -s 127.0.0.1:6188 || echo gone\ngone\n```\n",
    )?;
    fails(
        "```console\n$ cargo run\nlistening on [..]\n$ ^C\nbye\n```\n",
        "README.md:4: the output after ^C differs",
    )
}

fn interrupt_nothing() -> Outcome {
    fails("```console\n$ ^C\n```\n", "README.md:2: nothing runs here")
}

fn stubborn() -> Outcome {
    let limits = Limits {
        patience: Duration::from_millis(300),
        ..Limits::default()
    };
    let findings = run_with(
        "```console\n$ cargo run -- --stubborn\n$ ^C\n```\n",
        limits,
        false,
    )?;
    contains(
        &only(findings)?.to_string(),
        "\"cargo run -- --stubborn\" did not stop",
    )
}

fn replacement() -> Outcome {
    passes(
        "```console\n$ NAME=first cargo run\n$ curl -s 127.0.0.1:6188\nfirst from [..]\n\
         $ NAME=second cargo run\n$ curl -s 127.0.0.1:6188\nsecond from [..]\n```\n",
    )
}

fn side_by_side() -> Outcome {
    passes(
        "```console backend\n$ NAME=backend cargo run -p upstreams\n```\n```console\n$ cargo run\n\
         $ curl -s 127.0.0.1:8081\nbackend from 127.0.0.1:8081\n$ curl -s 127.0.0.1:6188\nhello from [..]\n```\n",
    )
}

fn joined() -> Outcome {
    for argument in ["-u", "http://127.0.0.1:6188/", "'http://127.0.0.1:6188/'"] {
        passes(&format!(
            "```console one\n$ cargo run\nlistening on [..]\n```\n\
             ```console two\n$ cargo run -- {argument}\nbeside what listens\n```\n\
             ```console\n$ curl -s 127.0.0.1:6188\nhello from [..]\n```\n\
             ```console two\n$ ^C\nno more\n```\n\
             ```console\n$ curl -s 127.0.0.1:6188\nhello from [..]\n```\n"
        ))?;
    }
    Ok(())
}

fn more_output() -> Outcome {
    let page = |line: &str| {
        format!(
            "```console\n$ cargo run\nlistening on [..]\n$ curl -s -o /dev/null 127.0.0.1:6188/a\n```\n\
             ```console\n[[..] INFO  program] {line}\n```\n"
        )
    };
    passes(&page("GET /a HTTP/1.1"))?;
    let limits = Limits {
        patience: Duration::from_secs(2),
        ..Limits::default()
    };
    let finding = only(run_with(&page("GET /b HTTP/1.1"), limits, false)?)?.to_string();
    contains(&finding, "README.md:7: the program printed something else")?;
    contains(
        &finding,
        "    [2026-01-31T12:00:00Z INFO  program] GET /a HTTP/1.1",
    )
}

fn named_terminal() -> Outcome {
    passes(
        "```console backend\n$ cargo run -p upstreams\nlistening on 127.0.0.1:8081\n```\n```console proxy\n$ cargo run\nlistening on [..]\n```\n\
         ```console\n$ curl -s -o /dev/null 127.0.0.1:8081/x\n```\n```console backend\n[[..] INFO  program] GET /x HTTP/1.1\n```\n\
         ```console proxy\n$ ^C\nstopped\n```\n```console\n$ curl -s 127.0.0.1:8081\nhello from [..]\n```\n",
    )
}

fn ends_at_once() -> Outcome {
    passes("```console\n$ cargo run -- -t\nthe configuration is right\n```\n")?;
    passes("```console\n$ cargo run -- --broken\nLISTEN: no such address\n```\n")?;
    fails(
        "```console\n$ cargo run -- -t\nit is wrong\n```\n",
        "README.md:2: the output differs",
    )
}

fn cannot_start() -> Outcome {
    let page = "```console\n$ cargo run -- --broken\n$ echo a\nb\n```\n";
    fails(
        page,
        "README.md:2: the program ended with an error and the page shows nothing",
    )?;
    fails(page, "LISTEN: no such address")
}

fn says_something_else() -> Outcome {
    let limits = Limits {
        patience: Duration::from_secs(2),
        ..Limits::default()
    };
    let page = "```console\n$ cargo run\nhere I am\n$ curl -s 127.0.0.1:6188\nbye from 127.0.0.1:6188\n```\n";
    let findings = run_with(page, limits, false)?;
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let [start, request] = texts.as_slice() else {
        return Err(format!("not two: {texts:#?}").into());
    };
    contains(start, "README.md:2: the output differs")?;
    contains(start, "  got:\n    listening on 127.0.0.1:6188")?;
    contains(request, "  got:\n    hello from 127.0.0.1:6188")
}

fn log_lines() -> Outcome {
    let log = "[2026-01-31T12:00:00Z INFO  program] hello";
    passes(&format!("```console\n$ echo '{log}'; echo one\none\n```\n"))?;
    passes(&format!(
        "```console\n$ echo '{log}'; echo one\n[[..] INFO  program] hello\none\n```\n"
    ))?;
    fails(
        &format!("```console\n$ echo '{log}'; echo one\n[[..] INFO  program] bye\none\n```\n"),
        "the output differs",
    )
}

fn cargo_lines() -> Outcome {
    passes(
        "```console\n$ cargo run -- -t\n    Finished `dev` [..]\n     Running [..]\nthe configuration is right\n```\n",
    )?;
    fails(
        "```console\n$ cargo run -- -t\n    Finished `release` [..]\n...\n```\n",
        "the output differs",
    )
}

fn hanging() -> Outcome {
    let limits = Limits {
        command: Duration::from_millis(300),
        ..Limits::default()
    };
    let findings = run_with(
        "```console\n$ echo early; sleep 600\nearly\n```\n",
        limits,
        false,
    )?;
    let finding = only(findings)?.to_string();
    contains(
        &finding,
        "README.md:2: the command has not ended within 0 s",
    )?;
    contains(&finding, "  got:\n    early")
}

fn readers_own() -> Outcome {
    passes(
        "```console\n$ git clone https://example.test/course\n$ cd course\n$ cargo test\n$ cargo course demo 02\n\
         $ docker compose up\n$ docker-compose up\n```\n<!-- not run: it never ends -->\n```console\n$ exit 1\n```\n\
         ```sh\n$ exit 1\n```\n",
    )
}

fn left_out() -> Outcome {
    let page = "### 2.1 Forward\n\n```console\n$ exit 1\n```\n\n## After\n\n```console\n$ echo a\na\n```\n";
    is(&run_with(page, Limits::default(), true)?, &Vec::new())?;
    fails(page, "README.md:4: the command failed")
}

fn nothing_left() -> Outcome {
    let folder = tempfile::tempdir()?;
    let page = "```console\n$ cargo run\n$ echo $LISTEN > address\n$ sleep 600 >/dev/null 2>&1 & echo $! > pid\n```\n";
    is(
        &play_in(folder.path(), page, Limits::default(), false)?,
        &Vec::new(),
    )?;
    let address = fs::read_to_string(folder.path().join("address"))?;
    match TcpStream::connect(address.trim()) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        other => return Err(format!("{other:?} where nothing should listen").into()),
    }
    let pid = fs::read_to_string(folder.path().join("pid"))?;
    let deadline = Instant::now() + patience();
    while is_running(pid.trim())? {
        if Instant::now() > deadline {
            return Err("the page's sleep still runs".into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A killed orphan may wait for init as a zombie, `Z`.
fn is_running(pid: &str) -> Result<bool, Failed> {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output()?;
    let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
    Ok(!state.is_empty() && !state.starts_with('Z'))
}

fn passes(page: &str) -> Outcome {
    is(&run(page)?, &Vec::new())
}

fn fails(page: &str, with: &str) -> Outcome {
    contains(&only(run(page)?)?.to_string(), with)
}

fn run(page: &str) -> Result<Vec<Finding>, Failed> {
    run_with(page, Limits::default(), false)
}

fn run_with(page: &str, limits: Limits, without_exercises: bool) -> Result<Vec<Finding>, Failed> {
    play_in(tempfile::tempdir()?.path(), page, limits, without_exercises)
}

fn play_in(
    root: &Path,
    page: &str,
    limits: Limits,
    without_exercises: bool,
) -> Result<Vec<Finding>, Failed> {
    Ok(play(
        root,
        &Readme::parse("README.md", page),
        limits,
        |_| without_exercises,
    )?)
}

fn only(findings: Vec<Finding>) -> Result<Finding, Failed> {
    match findings.as_slice() {
        [finding] => Ok(finding.clone()),
        _ => Err(format!("one finding was expected, not {findings:#?}").into()),
    }
}

fn is<T: PartialEq + std::fmt::Debug>(got: &T, expected: &T) -> Outcome {
    if got == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:#?}\ngot {got:#?}").into())
    }
}

fn contains(text: &str, part: &str) -> Outcome {
    if text.contains(part) {
        Ok(())
    } else {
        Err(format!("{part:?} is missing in\n{text}").into())
    }
}
