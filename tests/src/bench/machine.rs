//! Where figures were measured.

use serde::{Deserialize, Serialize};

/// Where figures were measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors that this program may use.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// Memory, in gibibytes.
    pub memory_gib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// How many processes wanted to run when the bench began: others' work on the same cores slows ours.
    pub load: String,
}

impl Machine {
    /// This machine, now.
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let processor = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
        let kilobytes: u64 = kilobytes.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.unwrap_or("unknown").to_owned(),
            memory_gib: kilobytes.div_ceil(1024 * 1024),
            kernel: release(&read("/proc/sys/kernel/osrelease")),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// The profile with which this program was built, and so the programs beside it.
pub(crate) fn profile() -> &'static str {
    if cfg!(debug_assertions) { "dev" } else { "release" }
}

/// The kernel's version without what a provider of machines adds to it.
fn release(text: &str) -> String {
    text.split('-').next().unwrap_or_default().to_owned()
}
