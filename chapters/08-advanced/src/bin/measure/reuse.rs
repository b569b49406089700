//! How many connections to the upstream a program opens while many clients are busy.

use crate::{
    Stage, cases::Case, client::Connector, contestant::Contestant, load, report::Table,
    rounds::probe,
};

/// Requests of each client, to fill the pool first, and then to count.
const REQUESTS: usize = 40;

pub(crate) async fn run(stage: &Stage, clients: u32) -> Result<(), String> {
    let title = format!(
        "Connections to the upstream opened for 1,000 requests: {clients} busy clients, after a first {REQUESTS} \
         requests of each"
    );
    let mut table = Table::new(&title, "opened");
    for contestant in &stage.contestants {
        let running = contestant.start().await?;
        let case = plain_or_tls(stage, contestant).await;
        let opened = count(stage, contestant, case, clients as usize).await;
        drop(running);
        let requests = f64::from(clients) * REQUESTS as f64;
        let each = opened.map(|opened| format!("{:.1}", opened as f64 * 1_000.0 / requests));
        table.row(&contestant.name, case, each);
    }
    table.end();
    Ok(())
}

async fn count(
    stage: &Stage,
    contestant: &Contestant,
    case: Case,
    clients: usize,
) -> Result<u64, String> {
    busy(stage, contestant, case, clients).await?;
    let before = stage.upstream.accepted();
    busy(stage, contestant, case, clients).await?;
    Ok(stage.upstream.accepted() - before)
}

async fn busy(
    stage: &Stage,
    contestant: &Contestant,
    case: Case,
    clients: usize,
) -> Result<(), String> {
    let connector = Connector::new(&stage.folder, case.protocol())?;
    let address = contestant.addresses.of(case.protocol());
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(connector.connect(address).await?);
    }
    let outcome = load::closed_loop(connections, case.path(), REQUESTS).await;
    match outcome.failure {
        None => Ok(()),
        Some(failure) => Err(format!("{} requests failed: {failure}", outcome.failed)),
    }
}

/// Plain HTTP, unless the program has none to offer.
async fn plain_or_tls(stage: &Stage, contestant: &Contestant) -> Case {
    let connector = Connector::new(&stage.folder, Case::Small.protocol());
    match connector {
        Ok(connector) if probe(contestant, &connector, Case::Small).await.is_ok() => Case::Small,
        _ => Case::Tls,
    }
}
