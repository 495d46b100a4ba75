//! This process' peak resident memory, if the system reports it.

use std::fs;

/// Resets the peak. If the system refuses, [`peak_mb`] remains the peak since the start, which is
/// never too small.
pub fn reset_peak() {
    // "5" resets the peak resident set size (Linux, proc_pid_clear_refs(5)).
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The peak in mebibytes (the unit of the peer's `peak_rss_mb`); `None` on systems other than
/// Linux.
pub fn peak_mb() -> Option<f64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_the_peak() {
        let status = "Name:\txtask\nVmPeak:\t  999999 kB\nVmHWM:\t   20480 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(parse(status), Some(20.0));
        assert_eq!(parse("Name:\txtask\n"), None);
    }
}
