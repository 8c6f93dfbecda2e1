//! What came out, as tables for `docs/performance.md`.

use std::fmt::Write;

/// One proxy in one round of one scenario; what it does not measure is `None`.
#[derive(Clone, Copy, Default)]
pub struct Sample {
    /// For one of what the scenario counts.
    pub cost: Option<f64>,
    /// Done in a second.
    pub rate: Option<f64>,
    /// Microseconds within which half of the messages came back, and 99 of 100.
    pub latency: Option<(f64, f64)>,
}

/// One scenario's row: by proxy, then by round; behind the proxies, without one.
pub struct Row {
    pub title: String,
    pub unit: &'static str,
    pub samples: Vec<Vec<Sample>>,
}

/// `names` are those of the proxies.
pub fn print(names: &[&str], rows: &[Row]) -> String {
    let with_direct = [names, &["direct"]].concat();
    let costs = table("of the proxy, for one", names, rows, |row, own| {
        let cost = median(own, |sample| sample.cost)?;
        let ratio = median_of(
            own.iter().zip(&row.samples[0]).filter_map(|(own, first)| Some(own.cost? / first.cost?)),
        );
        let digits = if row.unit == "B" { 0 } else { 1 };
        Some(format!("{cost:.digits$} {}, {:.2}", row.unit, ratio.unwrap_or(f64::NAN)))
    });
    let rates = table("in a second", &with_direct, rows, |_, own| {
        Some(format!("{:.0}", median(own, |sample| sample.rate)?))
    });
    let latencies = table("µs until it is back: half, 99 %", &with_direct, rows, |_, own| {
        let half = median(own, |sample| Some(sample.latency?.0))?;
        Some(format!("{half:.0}, {:.0}", median(own, |sample| Some(sample.latency?.1))?))
    });
    [costs, rates, latencies].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// A table without the rows that have nothing to say in it.
fn table(
    corner: &str,
    names: &[&str],
    rows: &[Row],
    cell: impl Fn(&Row, &[Sample]) -> Option<String>,
) -> Option<String> {
    let mut table = format!("| {corner} | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let mut any = false;
    for row in rows {
        let cells: Vec<Option<String>> =
            row.samples.iter().take(names.len()).map(|own| cell(row, own)).collect();
        if cells.iter().any(Option::is_some) {
            let cells: Vec<String> = cells.into_iter().map(|cell| cell.unwrap_or("–".to_owned())).collect();
            let _ = writeln!(table, "| {} | {} |", row.title, cells.join(" | "));
            any = true;
        }
    }
    any.then_some(table)
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    median_of(samples.iter().filter_map(of))
}

fn median_of(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}
