//! The arithmetic of a measurement: percentiles of what was seen, medians of rounds.

use std::time::Duration;

/// The latencies of one round, from which percentiles are read.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(mut seen: Vec<Duration>) -> Self {
        seen.sort_unstable();
        Self(seen)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest latency that at least so many of a thousand requests did not exceed (the nearest rank). No mean of
    /// two neighbours: a percentile is something that happened.
    pub(crate) fn per_mille(&self, per_mille: usize) -> Option<Duration> {
        let rank = (self.0.len() * per_mille).div_ceil(1_000).max(1);
        self.0.get(rank - 1).copied()
    }
}

/// The value in the middle of several rounds, and the lowest and highest of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Of no rounds there is none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values = Vec::from_iter(values);
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let median = if values.len() % 2 == 1 {
            upper
        } else {
            f64::midpoint(*values.get(middle - 1)?, upper)
        };
        Some(Self {
            median,
            lowest,
            highest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(milliseconds: impl IntoIterator<Item = u64>) -> Latencies {
        Latencies::new(
            milliseconds
                .into_iter()
                .map(Duration::from_millis)
                .collect(),
        )
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let latencies = latencies((1..=100).rev());
        assert_eq!(latencies.per_mille(500), Some(Duration::from_millis(50)));
        assert_eq!(latencies.per_mille(990), Some(Duration::from_millis(99)));
        assert_eq!(latencies.per_mille(999), Some(Duration::from_millis(100)));
        assert_eq!(latencies.per_mille(1_000), Some(Duration::from_millis(100)));
        assert_eq!(latencies.per_mille(0), Some(Duration::from_millis(1)));
    }

    #[test]
    fn one_request_is_every_percentile_and_none_is_none() {
        assert_eq!(
            latencies([7]).per_mille(999),
            Some(Duration::from_millis(7))
        );
        assert_eq!(latencies([]).per_mille(500), None);
    }

    #[test]
    fn one_slow_request_of_a_hundred_is_not_in_the_99th_percentile_and_two_are() {
        let one = latencies((0..99).map(|_| 1).chain([500]));
        let two = latencies((0..98).map(|_| 1).chain([500, 500]));
        assert_eq!(one.per_mille(990), Some(Duration::from_millis(1)));
        assert_eq!(two.per_mille(990), Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_median_is_in_the_middle_whatever_the_order() {
        let spread = Spread::of([9.0, 1.0, 2.0]).map(|it| (it.median, it.lowest, it.highest));
        assert_eq!(spread, Some((2.0, 1.0, 9.0)));
        assert_eq!(Spread::of([4.0, 1.0]).map(|it| it.median), Some(2.5));
        assert_eq!(Spread::of([]), None);
    }
}
