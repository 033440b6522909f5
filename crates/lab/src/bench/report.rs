//! The figures of all rounds as medians: a table for people, JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::Via;
use super::wrk::Load;

/// One measurement: a load through one way, in one round.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// How connections were used.
    pub load: Load,
    /// How many at a time.
    pub connections: u32,
    /// Which way the requests took.
    pub via: Via,
    /// Answered requests per second.
    pub requests_per_second: f64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: f64,
    /// Processor seconds of the proxy for 10,000 requests; nothing without a proxy.
    pub cpu_s_per_10k: f64,
    /// Resident memory of the proxy after the load, in KiB.
    pub rss_kib: f64,
}

/// The medians of one load through one way.
#[derive(Clone, Debug, Serialize)]
struct Row {
    load: &'static str,
    connections: u32,
    via: &'static str,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    cpu_s_per_10k: f64,
    rss_kib: f64,
}

/// All rows.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Takes the medians over the rounds.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for sample in samples {
            let is_same = |other: &&Sample| {
                other.load == sample.load
                    && other.connections == sample.connections
                    && other.via == sample.via
            };
            let row = row(
                &samples.iter().filter(is_same).copied().collect::<Vec<_>>(),
                sample,
            );
            let is_new = |known: &Row| {
                (known.load, known.connections, known.via) != (row.load, row.connections, row.via)
            };
            if rows.iter().all(is_new) {
                rows.push(row);
            }
        }
        Self { rows }
    }

    /// Returns the table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<10} {:>5} {:<9} {:>10} {:>10} {:>10} {:>12} {:>9} {:>10}\n",
            "load",
            "conns",
            "via",
            "requests/s",
            "p50 µs",
            "p99 µs",
            "CPU s/10k",
            "RSS KiB",
            "CPU/nginx"
        );
        for row in &self.rows {
            let ratio = self
                .cpu_ratio_to_nginx(row)
                .map_or_else(String::new, |r| format!("{r:.2}"));
            // Writing to a string does not fail.
            let _infallible = writeln!(
                table,
                "{:<10} {:>5} {:<9} {:>10.0} {:>10.1} {:>10.1} {:>12.3} {:>9.0} {ratio:>10}",
                row.load,
                row.connections,
                row.via,
                row.requests_per_second,
                row.p50_us,
                row.p99_us,
                row.cpu_s_per_10k,
                row.rss_kib
            );
        }
        table
    }

    /// Returns how much processor time a request costs against nginx in the same run.
    fn cpu_ratio_to_nginx(&self, row: &Row) -> Option<f64> {
        let nginx = self.rows.iter().find(|other| {
            other.via == Via::Nginx.as_str()
                && (other.load, other.connections) == (row.load, row.connections)
        })?;
        (nginx.cpu_s_per_10k > 0.0 && row.via == Via::Latchkey.as_str())
            .then(|| row.cpu_s_per_10k / nginx.cpu_s_per_10k)
    }
}

fn row(samples: &[Sample], of: &Sample) -> Row {
    let median = |value: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Row {
        load: of.load.as_str(),
        connections: of.connections,
        via: of.via.as_str(),
        requests_per_second: median(|sample| sample.requests_per_second),
        p50_us: median(|sample| sample.p50_us),
        p99_us: median(|sample| sample.p99_us),
        cpu_s_per_10k: median(|sample| sample.cpu_s_per_10k),
        rss_kib: median(|sample| sample.rss_kib),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(via: Via, cpu_s_per_10k: f64) -> Sample {
        Sample {
            load: Load::KeepAlive,
            connections: 16,
            via,
            requests_per_second: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
            cpu_s_per_10k,
            rss_kib: 1.0,
        }
    }

    #[test]
    fn medians_are_taken_over_rounds_and_compared_with_nginx() {
        let samples = [
            sample(Via::Nginx, 0.1),
            sample(Via::Latchkey, 9.0),
            sample(Via::Latchkey, 0.2),
            sample(Via::Latchkey, 0.1),
        ];
        let report = Report::of(&samples);
        assert_eq!(report.rows.len(), 2);
        assert!(report.table().contains("2.00"), "{}", report.table());
    }
}
