//! Instructions for each request, counted by callgrind: the same on a busy machine as on a quiet one.
//!
//! A program runs twice, for so many requests and for twice as many. The difference is theirs alone: start, handshakes
//! and end are in both.

use std::{fs, path::Path, process::Command, time::Duration};

use crate::{
    Stage,
    cases::{Case, Protocol},
    client::Connector,
    contestant::Contestant,
    machine,
    report::Table,
    rounds::probe,
};

/// A program under callgrind has much to write at its end.
const END: Duration = Duration::from_secs(60);
const CONNECTIONS: usize = 4;

pub(crate) async fn run(stage: &Stage, requests: u32) -> Result<(), String> {
    let Some(valgrind) = machine::find("valgrind") else {
        return Err(
            "valgrind is not installed; it counts the instructions. Debian: apt install valgrind"
                .to_owned(),
        );
    };
    let title = format!(
        "Instructions for each request: callgrind, {} requests less {requests}",
        2 * requests
    );
    let mut table = Table::new(&title, "instructions");
    let cases = stage.arguments.cases();
    for case in cases.into_iter().filter(|case| !case.is_big()) {
        for contestant in &stage.contestants {
            let count = difference(stage, &valgrind, contestant, case, requests).await;
            let count = count.map(|count| format!("{count:.0}"));
            table.row(&contestant.name, case, count);
        }
    }
    table.end();
    Ok(())
}

async fn difference(
    stage: &Stage,
    valgrind: &Path,
    contestant: &Contestant,
    case: Case,
    requests: u32,
) -> Result<f64, String> {
    let once = count(stage, valgrind, contestant, case, requests).await?;
    let twice = count(stage, valgrind, contestant, case, 2 * requests).await?;
    Ok(twice.saturating_sub(once) as f64 / f64::from(requests))
}

async fn count(
    stage: &Stage,
    valgrind: &Path,
    contestant: &Contestant,
    case: Case,
    requests: u32,
) -> Result<u64, String> {
    let out = stage.folder.join("callgrind.out");
    let mut command = Command::new(valgrind);
    command
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()));
    let mut running = contestant.start_under(command).await?;
    ask(stage, contestant, case, requests).await?;
    running.interrupt(END).await?;
    let counted = fs::read_to_string(&out).map_err(|error| format!("callgrind: {error}"))?;
    summary(&counted).ok_or_else(|| "callgrind counted nothing".to_owned())
}

/// One request after the other: how many are answered together would depend on the machine.
async fn ask(
    stage: &Stage,
    contestant: &Contestant,
    case: Case,
    requests: u32,
) -> Result<(), String> {
    let connector = Connector::new(&stage.folder, case.protocol())?;
    probe(contestant, &connector, case).await?;
    let count = match case.protocol() {
        Protocol::Http1 | Protocol::Http1Tls => CONNECTIONS,
        Protocol::Http2Tls => 1,
    };
    let mut connections = Vec::new();
    for _ in 0..count {
        let address = contestant.addresses.of(case.protocol());
        connections.push(connector.connect(address).await?);
    }
    for number in 0..requests as usize {
        if let Some(connection) = connections.get_mut(number % count) {
            let answer = connection.get(case.path()).await;
            answer.map_err(|failure| failure.to_string())?;
        }
    }
    Ok(())
}

/// The line of callgrind's file that has the sum.
fn summary(counted: &str) -> Option<u64> {
    let line = counted.lines().find_map(|line| {
        line.strip_prefix("summary:")
            .or_else(|| line.strip_prefix("totals:"))
    })?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_stands_in_a_line_of_its_own() {
        let counted = "version: 1\nevents: Ir\nsummary: 123456\n\nfn=(1)\n0 99\n";
        assert_eq!(summary(counted), Some(123_456));
        assert_eq!(summary("events: Ir\n"), None);
    }
}
