//! What a process has used: CPU time and memory, from /proc.

use std::{fs, time::Duration};

/// The kernel counts CPU time in ticks, of which Linux shows programs 100 a second on every machine (proc(5), USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process and of all its threads, the ended ones included.
pub(crate) fn time(process: u32) -> Result<Duration, String> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    ticks(&stat)
        .map(|ticks| TICK.saturating_mul(ticks))
        .ok_or_else(|| format!("{path} has another form than proc(5) says"))
}

/// utime and stime, fields 14 and 15. The second field is the program's name, which may hold spaces and brackets.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// The memory of a process that is in RAM, in bytes.
pub(crate) fn resident(process: u32) -> Result<u64, String> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    kibibytes(&status)
        .map(|kib| kib * 1_024)
        .ok_or_else(|| format!("{path} has no VmRSS"))
}

fn kibibytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_is_no_obstacle() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 12 34 5 6 20 0 3 0 100 1000 200";
        assert_eq!(ticks(stat), Some(46));
        assert_eq!(ticks("42 (x) S 1"), None);
    }

    #[test]
    fn resident_memory_is_in_kib() {
        let status = "Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t    1234 kB\nThreads:\t1\n";
        assert_eq!(kibibytes(status), Some(1_234));
        assert_eq!(kibibytes("Name:\tx\n"), None);
    }
}
