//! The chapter's rules, dashboard and demo with a real Prometheus, where one is installed: `apt install prometheus`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use course::cargo;
use lab::{Proxy, Response, Target, eventually};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Built once a run.
static DEMO: LazyLock<PathBuf> = LazyLock::new(|| cargo::demo("ch07-observability"));

const CHAPTER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../chapters/07-observability"
);

#[test]
fn promtool_accepts_the_configuration_and_every_rule() {
    let Some(mut promtool) = tool("promtool") else {
        return;
    };
    succeeds(promtool.args(["check", "config", "prometheus.yml"]));
    let mut promtool = tool("promtool").expect("it was there");
    succeeds(promtool.args(["check", "rules"]).args(files("rules")));
}

#[test]
fn every_rule_does_what_its_tests_say() {
    let Some(mut promtool) = tool("promtool") else {
        return;
    };
    succeeds(promtool.args(["test", "rules"]).args(files("tests")));
}

#[test]
fn every_alert_is_tested_firing_and_silent_and_every_recording_rule_has_a_value() {
    let rules = text_of("rules");
    let tests = text_of("tests");
    let named = |key: &str| -> Vec<String> {
        let names = rules
            .lines()
            .filter_map(|line| line.trim().strip_prefix(key));
        names.map(str::to_owned).collect()
    };
    let (alerts, records) = (named("- alert: "), named("- record: "));
    assert!(alerts.len() >= 8 && records.len() >= 10, "{rules}");
    for alert in alerts {
        // In flow style what is expected stands in the same line, in block style two lines below.
        let silent = format!("alertname: {alert}, exp_alerts: [] }}");
        let fires = format!("alertname: {alert}\n        exp_alerts:\n");
        assert!(tests.contains(&silent), "{alert} is never tested silent");
        assert!(tests.contains(&fires), "{alert} is never tested firing");
    }
    for record in records {
        let tested = tests
            .lines()
            .any(|line| line.contains("exp_samples") && mentions(line, &record));
        assert!(tested, "{record} has no expected value");
    }
}

#[test]
fn alerts_point_to_panels_that_exist() {
    let titles = panels().into_iter().map(|panel| panel.title);
    let titles = Vec::from_iter(titles);
    let rules = text_of("rules");
    let hints = rules.lines().filter(|line| line.contains("anel"));
    let hints = hints.filter(|line| line.trim().starts_with("first:"));
    let named = hints.flat_map(|line| line.split('\'').skip(1).step_by(2));
    let named = Vec::from_iter(named);
    assert!(!named.is_empty(), "{rules}");
    for title in named {
        assert!(titles.iter().any(|it| it == title), "no panel {title:?}");
    }
}

#[tokio::test]
async fn promtool_accepts_what_the_demo_shows() {
    let Some(mut promtool) = tool("promtool") else {
        return;
    };
    let proxy = running().await;
    load(&proxy).await;
    let metrics = proxy.port("ADMIN").get("/metrics").send().await;
    metrics.expect_status(200);
    let mut child = promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(&metrics.body).expect("promtool reads");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    // It judges names and help texts, and says so on stderr.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn prometheus_counts_what_was_asked_and_every_panel_has_data() {
    if tool("prometheus").is_none() {
        return;
    }
    let proxy = running().await;
    let (_folder, prometheus) = prometheus(&proxy).await;
    eventually("Prometheus reaches the demo", async || {
        value(&query(&prometheus, "up{job=\"edge\"}").await) == Some(1.0)
    })
    .await;

    // A rate needs two looks with something between them, so the load goes on until each panel shows something.
    let panels = panels();
    let mut sent = 0.0;
    for panel in &panels {
        let what = format!("panel {:?} has data: {}", panel.title, panel.query);
        eventually(what, async || {
            sent += load(&proxy).await;
            panel.has_data(&prometheus).await
        })
        .usually("a metric has another name or another label than the dashboard asks for")
        .await;
    }
    for panel in &panels {
        let samples = query(&prometheus, &panel.query).await;
        let first = &samples[0];
        println!("{}: {} -> {first}", panel.title, panel.query);
    }

    eventually("Prometheus has counted every request", async || {
        let sum = query(&prometheus, "sum(edge_requests_total)").await;
        value(&sum) == Some(sent)
    })
    .await;
}

#[tokio::test]
async fn prometheus_notices_that_the_demo_is_gone() {
    if tool("prometheus").is_none() {
        return;
    }
    let proxy = running().await;
    let (_folder, prometheus) = prometheus(&proxy).await;
    eventually("Prometheus reaches the demo", async || {
        value(&query(&prometheus, "up{job=\"edge\"}").await) == Some(1.0)
    })
    .await;
    proxy.signal(lab::Signal::SIGKILL);
    proxy.wait_for_exit().await;
    let pending = "ALERTS{alertname=\"EdgeDown\", alertstate=\"pending\", severity=\"page\"}";
    eventually("EdgeDown is pending: it fires in a minute", async || {
        value(&query(&prometheus, pending).await) == Some(1.0)
    })
    .await;
}

/// A query of the dashboard, with Grafana's own variables filled in.
#[derive(Debug)]
struct Panel {
    title: String,
    query: String,
}

impl Panel {
    async fn has_data(&self, prometheus: &Target) -> bool {
        value(&query(prometheus, &self.query).await).is_some()
    }
}

fn panels() -> Vec<Panel> {
    let path = Path::new(CHAPTER).join("grafana/dashboards/edge.json");
    let text = fs::read_to_string(path).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut panels = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            panels.push(Panel {
                title: panel["title"].as_str().expect("a title").to_owned(),
                query: query
                    .replace("$__rate_interval", "1m")
                    .replace("$route", ".*"),
            });
        }
    }
    assert!(panels.len() > 20, "{panels:?}");
    panels
}

/// The demo in front of the echo server, which ends with the test.
async fn running() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(upstreams::serve(listener, "echo", std::future::pending()));
    Proxy::at_path(&*DEMO, "7-0")
        .env("UPSTREAMS", address)
        .alone()
        .await
}

/// A little of everything; returns how many requests that was.
async fn load(proxy: &Proxy) -> f64 {
    let client = proxy.client().await;
    for path in ["/users/1", "/users/2", "/delay/20", "/nowhere"] {
        client.get(path).send().await;
    }
    proxy.post("/users/1").body("{}").send().await;
    proxy.get("/status/500").send().await;
    proxy.get("/status/404").send().await;
    proxy.get("/close").send().await;
    // A client that does not wait for its answer.
    let mut wire = proxy.connect().await;
    wire.send("GET /drip/100?every=100 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    wire.read_some().await;
    9.0
}

/// A Prometheus with the chapter's files that watches this demo and is in a hurry.
async fn prometheus(proxy: &Proxy) -> (TempDir, Proxy) {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let config = fs::read_to_string(Path::new(CHAPTER).join("prometheus/prometheus.yml"));
    let config = config.expect("the configuration");
    let hurried = config
        .replace("_interval: 15s", "_interval: 500ms")
        .replace("_timeout: 5s", "_timeout: 500ms");
    assert_ne!(config, hurried);
    fs::write(at("prometheus.yml"), hurried).expect("written");
    let targets = format!("- targets: [\"{}\"]\n", proxy.port("ADMIN").address());
    fs::write(at("targets.yml"), targets).expect("written");
    fs::create_dir(at("rules")).expect("made");
    for rules in files("rules") {
        let name = rules.file_name().expect("a name");
        fs::copy(&rules, at("rules").join(name)).expect("copied");
    }
    // The lab gives a port in LISTEN, and Prometheus wants it as an argument.
    let command = "exec prometheus --config.file=prometheus.yml --storage.tsdb.path=data \
                   --web.listen-address=\"$LISTEN\"";
    let command = format!("cd '{}' && {command}", folder.path().display());
    let prometheus = Proxy::at_path("/bin/sh", "7-0").arg("-c").arg(command);
    let prometheus = prometheus.alone().await;
    (folder, prometheus)
}

/// The samples that a query gives now; none while Prometheus is starting.
async fn query(prometheus: &Target, query: &str) -> Vec<Value> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = prometheus.get(format!("/api/v1/query?query={encoded}"));
    let answer: Response = answer.send().await;
    if answer.status == 503 {
        return Vec::new();
    }
    answer.expect_status(200);
    let samples = answer.json()["data"]["result"].as_array().cloned();
    samples.unwrap_or_default()
}

/// The value of the first sample that is a number.
fn value(samples: &[Value]) -> Option<f64> {
    let number = |it: &Value| it["value"][1].as_str()?.parse::<f64>().ok();
    samples.iter().filter_map(number).find(|it| it.is_finite())
}

/// Whether the name stands in the text, and not only as the beginning of a longer one.
fn mentions(text: &str, name: &str) -> bool {
    let word = |it: char| it.is_alphanumeric() || it == '_' || it == ':';
    text.split(|it| !word(it)).any(|found| found == name)
}

/// The files of a folder beside the configuration.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(CHAPTER).join("prometheus").join(folder);
    let entries = fs::read_dir(folder).expect("the folder");
    let mut files = Vec::from_iter(entries.map(|entry| entry.expect("an entry").path()));
    files.sort();
    files
}

fn text_of(folder: &str) -> String {
    let texts = files(folder)
        .into_iter()
        .map(|it| fs::read_to_string(it).expect("a file"));
    texts.collect()
}

/// The command, in the folder of the configuration; or none, and says so.
fn tool(name: &str) -> Option<Command> {
    if Command::new(name).arg("--version").output().is_ok() {
        let mut command = Command::new(name);
        command.current_dir(Path::new(CHAPTER).join("prometheus"));
        return Some(command);
    }
    // What installs it for CI is .ci/run, from Debian's packages.
    let required = cfg!(target_os = "linux") && std::env::var_os("CI").is_some();
    assert!(!required, "{name} is not installed, but CI is set");
    // Not eprintln!, which the test harness keeps to itself.
    let word = format!(
        "skipped: {name} is not installed; with Debian or Ubuntu: apt install prometheus\n"
    );
    io::stderr().write_all(word.as_bytes()).ok();
    None
}

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    println!("{said}");
    assert!(output.status.success(), "{command:?}\n{said}");
}
