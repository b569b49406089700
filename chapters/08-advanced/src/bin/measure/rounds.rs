//! The comparison: in each round every program is measured once, one after the other, so that what slows the machine
//! down for a minute slows all of them.

use std::time::Duration;

use crate::{
    Stage,
    cases::Case,
    client::{Connection, Connector},
    contestant::{Addresses, Contestant, Running},
    cpu, load,
    percentiles::Latencies,
    report,
};

/// How long a program may take to end once it is asked to.
const END: Duration = Duration::from_secs(5);

/// What one program did in one round.
pub(crate) struct Sample {
    /// Microseconds for each request.
    pub(crate) cpu: f64,
    pub(crate) latencies: Latencies,
    pub(crate) failed: usize,
    pub(crate) failure: Option<String>,
}

/// What one program did in all rounds.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

/// A program that can serve a case.
struct Entry<'a> {
    running: &'a Running,
    addresses: Addresses,
    row: Row,
}

pub(crate) async fn run(stage: &Stage) -> Result<(), String> {
    let rounds = stage.arguments.rounds();
    if rounds == 0 {
        return Ok(());
    }
    let mut programs = Vec::new();
    for contestant in &stage.contestants {
        programs.push((contestant, contestant.start().await?));
    }
    for case in stage.arguments.cases() {
        let connector = Connector::new(&stage.folder, case.protocol())?;
        let mut entries = entries(&programs, &connector, case).await;
        // The first round warms up, and is not looked at.
        for round in 0..=rounds as usize {
            let count = entries.len().max(1);
            entries.rotate_left(1 % count);
            for entry in &mut entries {
                let sample = measure(stage, &connector, case, entry, round == 0).await?;
                if round > 0 {
                    entry.row.samples.push(sample);
                }
            }
        }
        let order = |row: &Row| programs.iter().position(|(it, _)| it.name == row.name);
        let mut rows: Vec<Row> = entries.into_iter().map(|entry| entry.row).collect();
        rows.sort_by_key(order);
        report::rounds(&stage.arguments, case, &rows);
    }
    for (_, running) in &mut programs {
        // A program built to write a profile does so when it ends by itself. One that does not is killed.
        _ = running.interrupt(END).await;
    }
    Ok(())
}

/// Those that answer a request of this kind. The others are named.
async fn entries<'a>(
    programs: &'a [(&Contestant, Running)],
    connector: &Connector,
    case: Case,
) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (contestant, running) in programs {
        match probe(contestant, connector, case).await {
            Ok(()) => entries.push(Entry {
                running,
                addresses: contestant.addresses,
                row: Row {
                    name: contestant.name.clone(),
                    samples: Vec::new(),
                },
            }),
            Err(why) => report::not_measured(&contestant.name, case, &why),
        }
    }
    entries
}

/// Whether a program serves a case, by one request.
pub(crate) async fn probe(
    contestant: &Contestant,
    connector: &Connector,
    case: Case,
) -> Result<(), String> {
    let address = contestant.addresses.of(case.protocol());
    let mut connection = connector.connect(address).await?;
    let answer = connection.get(case.path()).await;
    answer.map(drop).map_err(|failure| failure.to_string())
}

async fn measure(
    stage: &Stage,
    connector: &Connector,
    case: Case,
    entry: &Entry<'_>,
    warm_up: bool,
) -> Result<Sample, String> {
    let arguments = &stage.arguments;
    let connections = connect(connector, entry.addresses, case).await?;
    let duration = arguments.duration();
    let duration = if warm_up { duration / 2 } else { duration };
    let before = cpu::time(entry.running.id())?;
    let outcome = load::open_loop(connections, case.path(), arguments.rate(case), duration).await;
    let used = cpu::time(entry.running.id())?.saturating_sub(before);
    let requests = outcome.latencies.count() + outcome.failed;
    Ok(Sample {
        cpu: used.as_secs_f64() * 1e6 / requests.max(1) as f64,
        latencies: outcome.latencies,
        failed: outcome.failed,
        failure: outcome.failure,
    })
}

/// As many handles as there may be requests at a time.
async fn connect(
    connector: &Connector,
    addresses: Addresses,
    case: Case,
) -> Result<Vec<Connection>, String> {
    let (connections, each) = case.connections();
    let mut handles = Vec::new();
    for _ in 0..connections {
        let connection = connector.connect(addresses.of(case.protocol())).await?;
        handles.extend((1..each).filter_map(|_| connection.share()));
        handles.push(connection);
    }
    Ok(handles)
}
