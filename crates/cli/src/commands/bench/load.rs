//! The share of the machine used by other processes during a measurement: timings on a busy machine
//! mean little.

use std::fs;

/// The processors' time so far, in system ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ticks {
    /// Time of all processors, including idle time.
    all: f64,
    /// Time of all processors while idle or waiting for a disk.
    idle: f64,
    /// Time spent by this process and by the children that it waited for.
    own: f64,
}

impl Ticks {
    /// The ticks now; `None` on systems other than Linux.
    pub fn now() -> Option<Self> {
        let read = |path| fs::read_to_string(path).ok();
        parse(&read("/proc/stat")?, &read("/proc/self/stat")?)
    }

    /// The share of all processors' time since `self` that was neither idle nor ours (0 to 1).
    pub fn taken_by_others(self, now: Self) -> f64 {
        let all = now.all - self.all;
        let others = all - (now.idle - self.idle) - (now.own - self.own);
        if all > 0.0 { (others / all).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Parses proc_stat(5) and proc_pid_stat(5).
fn parse(machine: &str, process: &str) -> Option<Ticks> {
    let machine = numbers(machine.lines().next()?.strip_prefix("cpu ")?);
    // The process' name is in parentheses and may contain any character; utime is the twelfth field
    // after it.
    let process = numbers(process.rsplit_once(") ")?.1.get(1..)?);
    // user, nice, system, idle, iowait, irq, softirq, steal; the fields after these are included in
    // user and nice.
    let machine = machine.get(..8)?;
    Some(Ticks {
        all: machine.iter().sum(),
        idle: machine[3] + machine[4],
        own: process.get(10..14)?.iter().sum(),
    })
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().map_while(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_what_is_neither_idle_nor_ours() {
        let process = |utime, cutime| {
            format!("7 (x task) 2) R 1 7 7 0 -1 4194560 900 0 0 0 {utime} 10 {cutime} 1 20 0 3 0 555 1 2")
        };
        let before = parse("cpu  100 0 20 500 5 1 2 2 0 0\ncpu0 1 2\n", &process(40, 8)).unwrap();
        assert_eq!(before, Ticks { all: 630.0, idle: 505.0, own: 59.0 });
        // 200 ticks later: 60 idle, 90 ours (30 of a child), 50 of other processes (10 of them
        // stolen).
        let after = parse("cpu  220 0 30 550 15 1 2 12 9 9\n", &process(100, 38)).unwrap();
        assert!((before.taken_by_others(after) - 0.25).abs() < 1e-12);
        assert_eq!(before.taken_by_others(before), 0.0);
        assert!(parse("", "").is_none());
    }
}
