//! What an idle client costs: the memory of a program with many of them, less that with few, for each.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    Stage,
    cases::Case,
    client::{Connection, Connector},
    contestant::Contestant,
    cpu, machine,
    report::Table,
    rounds::probe,
};

/// What a program allocates once is there after so many.
const FIRST: u32 = 100;
/// A program may free something just after its answer.
const SETTLED: Duration = Duration::from_millis(300);

pub(crate) async fn run(stage: &Stage, clients: u32) -> Result<(), String> {
    let needed = 2 * u64::from(clients + FIRST) + 400;
    let limit = machine::open_files();
    if limit < needed {
        return Err(format!(
            "{clients} idle clients need {needed} open files, and {limit} are allowed: ulimit -n {needed}"
        ));
    }
    let title = format!("Resident memory of each of {clients} idle clients that had an answer");
    let mut table = Table::new(&title, "KiB");
    for contestant in &stage.contestants {
        for case in [Case::Small, Case::Tls] {
            let bytes = measure(stage, contestant, case, clients).await;
            let kib = bytes.map(|bytes| format!("{:.1}", bytes / 1_024.0));
            table.row(&contestant.name, case, kib);
        }
    }
    table.end();
    Ok(())
}

/// Bytes for each client.
async fn measure(
    stage: &Stage,
    contestant: &Contestant,
    case: Case,
    clients: u32,
) -> Result<f64, String> {
    let running = contestant.start().await?;
    let connector = Connector::new(&stage.folder, case.protocol())?;
    probe(contestant, &connector, case).await?;
    let first = idle_clients(&connector, contestant, case, FIRST).await?;
    let before = cpu::resident(running.id())?;
    let more = idle_clients(&connector, contestant, case, clients).await?;
    let after = cpu::resident(running.id())?;
    drop((first, more));
    Ok(after.saturating_sub(before) as f64 / f64::from(clients))
}

/// Clients that had an answer each, and keep their connection.
async fn idle_clients(
    connector: &Connector,
    contestant: &Contestant,
    case: Case,
    count: u32,
) -> Result<Vec<Connection>, String> {
    let address = contestant.addresses.of(case.protocol());
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = connector.connect(address).await?;
        let answer = client.get(case.path()).await;
        answer.map_err(|failure| failure.to_string())?;
        clients.push(client);
    }
    sleep(SETTLED).await;
    Ok(clients)
}
