//! The certificates for development: the demo makes them where there are none, and the command renews them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use course::cargo::{self, Diagnostics, Target};
use lab::{Certificates, Upstream, expect};
use tempfile::tempdir;

use crate::setup::demo;

const FILES: [&str; 8] = [
    "ca.key",
    "ca.pem",
    "client.key",
    "client.pem",
    "one.test.key",
    "one.test.pem",
    "two.test.key",
    "two.test.pem",
];

/// Built once a run.
static COMMAND: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let command = Target::Binary("ch08-certificates");
    let built = cargo::build(root, "ch08-advanced", command, Diagnostics::Returned);
    let built = built.map_err(|error| error.text());
    built.expect("the command can be built").executable
});

fn command(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(&*COMMAND)
        .args(arguments)
        .env("CERTS", folder)
        .output()
        .expect("it runs")
}

fn files(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).expect("a folder");
    let names = files.map(|it| it.expect("a file").file_name());
    let mut names: Vec<String> = names
        .filter_map(|it| it.into_string().ok())
        .filter(|it| !it.starts_with("edge-"))
        .collect();
    names.sort();
    names
}

/// curl is another TLS than rustls: what it accepts is right. It is waited for, so the upstream needs a thread of its own.
fn curl(folder: &Path, port: u16, name: &str) -> String {
    let authority = folder.join("ca.pem");
    let output = Command::new("curl")
        .args([
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{http_version}",
        ])
        .arg("--cacert")
        .arg(authority)
        .arg("--resolve")
        .arg(format!("{name}:{port}:127.0.0.1"))
        .arg(format!("https://{name}:{port}/"))
        .output()
        .expect("curl runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_makes_them_and_curl_trusts_them() {
    let certificates = Certificates::new();
    let folder = tempdir().expect("a folder");
    // Not there yet, and there but empty, as a volume is.
    for path in [folder.path().join("certs"), folder.path().join("empty")] {
        if path.ends_with("empty") {
            fs::create_dir(&path).expect("a folder");
        }
        let upstream = Upstream::echo().await;
        let proxy = demo(&certificates)
            .env("CERTS", path.display())
            .in_front_of(&upstream)
            .await;
        expect(files(&path) == FILES, "all files, and nothing else");
        for file in FILES.iter().filter(|it| it.ends_with(".key")) {
            let mode = fs::metadata(path.join(file)).expect("a file").permissions();
            expect(
                mode.mode() & 0o777 == 0o600,
                format!("{file} is for its owner alone"),
            );
        }
        let port = proxy.port("LISTEN_TLS").address().port();
        for name in ["one.test", "two.test", "localhost", "127.0.0.1"] {
            let said = curl(&path, port, name);
            expect(
                said == "200 2",
                format!("{name}: 200 over HTTP/2, not {said}"),
            );
        }
        let said = curl(&path, port, "three.test");
        expect(said.starts_with("000"), "no certificate for another name");
    }
}

#[test]
fn the_command_overwrites_nothing() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("certs");
    expect(command(&path, &[]).status.success(), "it makes them");
    let before: Vec<Vec<u8>> = FILES
        .iter()
        .map(|it| fs::read(path.join(it)).expect("a file"))
        .collect();
    let again = command(&path, &[]);
    expect(again.status.code() == Some(2), "exit code 2");
    let after: Vec<Vec<u8>> = FILES
        .iter()
        .map(|it| fs::read(path.join(it)).expect("a file"))
        .collect();
    expect(before == after, "the same files as before");
    for arguments in [
        ["--renew", "three.test"],
        ["--renew", ""],
        ["--new", "one.test"],
    ] {
        let output = command(&path, &arguments);
        expect(output.status.code() == Some(2), "exit code 2");
        let lines = String::from_utf8_lossy(&output.stderr).lines().count();
        expect(lines == 1, "one line");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_one_is_of_the_same_authority() {
    let certificates = Certificates::new();
    let folder = tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("certs");
    expect(command(&path, &[]).status.success(), "it makes them");
    let old = fs::read(path.join("one.test.pem")).expect("a file");
    let authority = fs::read(path.join("ca.pem")).expect("a file");
    let key = path.join("one.test.key");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).expect("another mode");
    let renewed = command(&path, &["--renew", "one.test"]);
    expect(renewed.status.success(), "it renews");
    expect(files(&path) == FILES, "the same files, and nothing else");
    let new = fs::read(path.join("one.test.pem")).expect("a file");
    expect(old != new, "another certificate");
    expect(
        authority == fs::read(path.join("ca.pem")).expect("a file"),
        "the same authority",
    );
    let mode = fs::metadata(&key).expect("a file").permissions().mode();
    expect(mode & 0o777 == 0o600, "the key is for its owner alone");
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates)
        .env("CERTS", path.display())
        .in_front_of(&upstream)
        .await;
    let port = proxy.port("LISTEN_TLS").address().port();
    expect(curl(&path, port, "one.test") == "200 2", "curl trusts it");
}
