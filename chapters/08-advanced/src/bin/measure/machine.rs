//! What is known of the machine, and what it has installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
};

/// Where programs for administrators are, which is not in everybody's PATH.
const MORE_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// One line of what makes numbers differ between machines, and between two hours on one.
pub(crate) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_ascii_whitespace().next().unwrap_or("unknown");
    let governor = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let governor = governor.as_deref().map_or("unknown", str::trim);
    format!("{cores} cores, load {load} before the start, CPU frequency governor {governor}")
}

/// A program that is installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(MORE_FOLDERS.map(PathBuf::from));
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The core that programs are measured on: the last one that this process may use. `None` where there is no other one
/// for the load, or nothing that pins a program.
pub(crate) fn core() -> Option<(PathBuf, u32)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let cores = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some((find("taskset")?, last_core(cores)?))
}

/// The last of `0-3,6`, unless it is the only one.
fn last_core(cores: &str) -> Option<u32> {
    let cores = cores.trim();
    let last = cores.rsplit(['-', ',']).next()?;
    (last != cores).then(|| last.parse().ok()).flatten()
}

/// How many files this process and the programs that it starts may have open.
pub(crate) fn open_files() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    soft_limit(&limits).unwrap_or(1_024)
}

fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// The last line that a program wrote.
pub(crate) fn last_line(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    line.unwrap_or("it wrote nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_core_is_not_the_only_one() {
        assert_eq!(last_core("\t0-3\n"), Some(3));
        assert_eq!(last_core("0,2"), Some(2));
        assert_eq!(last_core("5"), None);
    }

    #[test]
    fn the_soft_limit_counts() {
        let limits = "Max processes  10 20 processes\nMax open files            1024                 524288  files\n";
        assert_eq!(soft_limit(limits), Some(1_024));
        assert_eq!(soft_limit(""), None);
    }
}
