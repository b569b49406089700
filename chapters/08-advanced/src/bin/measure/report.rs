//! What is printed: tables, and what they are worth.

use crate::{
    arguments::Arguments,
    cases::Case,
    contestant::Contestant,
    machine,
    percentiles::Spread,
    rivals::NGINX,
    rounds::{Row, Sample},
};

/// How it is measured, before any number.
pub(crate) fn method(arguments: &Arguments, contestants: &[Contestant]) {
    println!("Machine: {}.", machine::describe());
    let core = match machine::core() {
        Some((_, core)) => format!("on core {core}, which other programs use too"),
        None => "not pinned, so one that starts a thread for each core has them".to_owned(),
    };
    println!(
        "Programs: each {core}; upstream and load are in this process, and share the machine."
    );
    if arguments.rounds() > 0 {
        println!(
            "Method: a round to warm up, then {} of {} s for each program in turn; requests at fixed times (open loop), \
             latency from when a request was due; medians of the rounds.",
            arguments.rounds(),
            arguments.duration().as_secs_f64(),
        );
        if arguments.quick {
            println!("A quick run: it shows that everything works, and measures nothing.");
        }
        println!("Compare ratios within one run. The numbers are this machine's, at this hour.");
    }
    for contestant in contestants {
        if contestant.name.starts_with("debug/") {
            println!(
                "{} is not optimised: its numbers mean nothing.",
                contestant.name
            );
        }
    }
}

pub(crate) fn not_measured(name: &str, case: Case, why: &str) {
    println!("Not measured: {name}, {}: {why}", case.name());
}

/// One case: every program's row.
pub(crate) fn rounds(arguments: &Arguments, case: Case, rows: &[Row]) {
    let (connections, _) = case.connections();
    println!(
        "\n{}: {} requests/s on {connections} connections\n",
        case.name(),
        arguments.rate(case)
    );
    println!(
        "| Program | CPU µs a request (lowest, highest) | to nginx | p50 µs | p99 µs | p99.9 µs | failed |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let nginx = rows.iter().find(|row| row.name == NGINX);
    for row in rows {
        let cpu = spread(Spread::of(row.samples.iter().map(|it| it.cpu)));
        let ratio = nginx.and_then(|nginx| ratio(&row.samples, &nginx.samples));
        let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let [p50, p99, p999] = [500, 990, 999].map(|it| percentile(&row.samples, it));
        let failed: usize = row.samples.iter().map(|it| it.failed).sum();
        println!(
            "| {} | {cpu} | {ratio} | {p50} | {p99} | {p999} | {failed} |",
            row.name
        );
    }
    for row in rows {
        let failure = row.samples.iter().find_map(|it| it.failure.as_deref());
        if let Some(failure) = failure {
            println!("{}: requests failed, one of them so: {failure}", row.name);
        }
    }
}

/// The median of the rounds' ratios: both were measured within seconds of one another.
fn ratio(samples: &[Sample], nginx: &[Sample]) -> Option<f64> {
    let pairs = samples.iter().zip(nginx);
    let ratios = pairs.filter(|(_, nginx)| nginx.cpu > 0.0);
    Spread::of(ratios.map(|(ours, nginx)| ours.cpu / nginx.cpu)).map(|it| it.median)
}

fn percentile(samples: &[Sample], per_mille: usize) -> String {
    let seen = samples
        .iter()
        .filter_map(|it| it.latencies.per_mille(per_mille));
    let median = Spread::of(seen.map(|it| it.as_secs_f64() * 1e6));
    median.map_or("-".to_owned(), |it| format!("{:.0}", it.median))
}

fn spread(spread: Option<Spread>) -> String {
    match spread {
        Some(it) => format!("{:.0} ({:.0}, {:.0})", it.median, it.lowest, it.highest),
        None => "-".to_owned(),
    }
}

/// A table whose rows are printed as they are measured, and below it what could not be.
pub(crate) struct Table {
    missing: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: &str, value: &str) -> Self {
        println!("\n{title}\n\n| Program | Case | {value} |\n| --- | --- | ---: |");
        Self {
            missing: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, name: &str, case: Case, value: Result<String, String>) {
        match value {
            Ok(value) => println!("| {name} | {} | {value} |", case.name()),
            Err(why) => {
                let missing = format!("Not measured: {name}, {}: {why}", case.name());
                self.missing.push(missing);
            }
        }
    }

    pub(crate) fn end(self) {
        for missing in self.missing {
            println!("{missing}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::percentiles::Latencies;
    use std::time::Duration;

    fn sample(cpu: f64, milliseconds: u64) -> Sample {
        Sample {
            cpu,
            latencies: Latencies::new(vec![Duration::from_millis(milliseconds)]),
            failed: 0,
            failure: None,
        }
    }

    #[test]
    fn a_ratio_is_the_median_of_pairs_and_not_the_ratio_of_medians() {
        // The machine was three times slower in the second round, for both.
        let ours = [sample(20.0, 1), sample(60.0, 1), sample(22.0, 1)];
        let nginx = [sample(10.0, 1), sample(30.0, 1), sample(10.0, 1)];
        assert_eq!(ratio(&ours, &nginx), Some(2.0));
        assert_eq!(ratio(&ours, &[]), None);
        assert_eq!(ratio(&ours, &[sample(0.0, 1)]), None);
    }

    #[test]
    fn a_percentile_of_rounds_is_their_median() {
        let samples = [sample(1.0, 1), sample(1.0, 9), sample(1.0, 2)];
        assert_eq!(percentile(&samples, 990), "2000");
        assert_eq!(percentile(&[], 990), "-");
    }
}
