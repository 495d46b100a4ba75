//! The results, one line per work: as a table for readers and as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

/// The measurements of one work; `None` if not measured or unknown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The model's name.
    pub model: &'static str,
    /// The work's name.
    pub work: &'static str,
    /// Median seconds.
    pub ours_s: f64,
    /// The peer's median seconds.
    pub peer_s: Option<f64>,
    /// `peer_s` / `ours_s`.
    pub ratio: Option<f64>,
    /// 10⁹ floating-point operations per second.
    pub gflops: Option<f64>,
    /// `gflops` as a share of the rate of large matrix products on this machine.
    pub share_of_gemm: Option<f64>,
    /// Our peak resident memory during the measurement in MiB, including the process' code and
    /// data.
    pub peak_mb: Option<f64>,
    /// 10⁹ bytes moved per second, counting each operand of an operation once.
    #[serde(skip)]
    pub gbps: Option<f64>,
    /// The peer's peak resident memory, in MiB.
    #[serde(skip)]
    pub peer_peak_mb: Option<f64>,
}

/// The lines as a Markdown table.
#[must_use]
pub fn markdown(lines: &[Line]) -> String {
    let mut text =
        "| model | work | ours | peer | ratio | GFLOP/s | of GEMM | GB/s | peak MB | peer's |\n".to_owned();
    text.push_str("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    let known = |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| "-".to_owned(), show);
    let whole: fn(f64) -> String = |value| format!("{value:.0}");
    for line in lines {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            line.model,
            line.work,
            seconds(line.ours_s),
            known(line.peer_s, seconds),
            known(line.ratio, |ratio| format!("{ratio:.1}")),
            known(line.gflops, whole),
            known(line.share_of_gemm, |share| format!("{:.0} %", 100.0 * share)),
            known(line.gbps, whole),
            known(line.peak_mb, whole),
            known(line.peer_peak_mb, whole),
        );
    }
    text
}

/// A time in seconds or milliseconds, to three significant digits.
#[must_use]
pub fn seconds(value: f64) -> String {
    let (value, unit) = if value < 1.0 { (1e3 * value, "ms") } else { (value, "s") };
    let decimals = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> [Line; 2] {
        let hvp = Line {
            model: "lenet",
            work: "hvp",
            ours_s: 0.0055,
            peer_s: Some(0.022),
            ratio: Some(4.0),
            gflops: Some(90.6),
            share_of_gemm: Some(0.45),
            peak_mb: Some(120.2),
            gbps: Some(12.4),
            peer_peak_mb: Some(614.9),
        };
        let epoch = Line {
            work: "paper-epoch",
            ours_s: 12.34,
            peer_s: None,
            ratio: None,
            gflops: None,
            share_of_gemm: None,
            gbps: None,
            peer_peak_mb: None,
            ..hvp
        };
        [hvp.clone(), epoch]
    }

    #[test]
    fn as_a_table() {
        let table = markdown(&lines());
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(rows[0], "| lenet | hvp | 5.50 ms | 22.0 ms | 4.0 | 91 | 45 % | 12 | 120 | 615 |");
        assert_eq!(rows[1], "| lenet | paper-epoch | 12.3 s | - | - | - | - | - | 120 | - |");
    }

    #[test]
    fn times_have_three_digits() {
        let times = [0.000_5, 0.098_76, 0.123_4, 1.234, 56.78, 1234.0].map(seconds);
        assert_eq!(times, ["0.50 ms", "98.8 ms", "123 ms", "1.23 s", "56.8 s", "1234 s"]);
    }

    #[test]
    fn as_json() {
        let json = serde_json::to_value(lines()).unwrap();
        assert_eq!(json[0]["ours_s"], 0.0055);
        assert_eq!(json[0]["work"], "hvp");
        assert!(json[1]["peer_s"].is_null());
        let keys: Vec<&String> = json[0].as_object().unwrap().keys().collect();
        let expected = ["model", "work", "ours_s", "peer_s", "ratio", "gflops", "share_of_gemm", "peak_mb"];
        assert_eq!(keys, expected);
    }
}
