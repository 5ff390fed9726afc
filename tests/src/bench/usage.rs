//! What a process has used, as the kernel counts it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// What a process has used up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// CPU time, user and system, of all its threads, those that have ended included.
    pub cpu: Duration,
    /// Its largest memory since [`forget_peak`], in bytes.
    pub peak_bytes: u64,
}

/// Reads what a running process has used.
pub(super) fn of(process: u32) -> anyhow::Result<Usage> {
    let pid = Pid::from_raw(i32::try_from(process)?);
    let clock = clock_getcpuclockid(pid).context("a process has no CPU clock")?;
    let cpu = Duration::from(clock.now().context("a process's CPU clock cannot be read")?);
    Ok(Usage { cpu, peak_bytes: memory(process, "VmHWM:")? })
}

/// Memory that a running process has now, in bytes.
pub(super) fn resident_bytes(process: u32) -> anyhow::Result<u64> {
    memory(process, "VmRSS:")
}

/// Lets the largest memory of a process begin again at what it has now.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel is no file on a disk")]
pub(super) fn forget_peak(process: u32) -> anyhow::Result<()> {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").context("the peak cannot be begun again")
}

fn memory(process: u32, field: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes: u64 = line.context("a process without memory")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

/// Bytes of the files in a folder.
pub(super) fn disk(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { disk(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_finer_than_the_kernels_ticks() {
        let own = std::process::id();
        let before = of(own).unwrap();
        let mut sum = 0_u64;
        while of(own).unwrap().since(before).cpu < Duration::from_millis(2) {
            sum = sum.wrapping_add(blake3::hash(&sum.to_be_bytes()).as_bytes()[0].into());
        }
        let after = of(own).unwrap();
        assert!(after.since(before).cpu < Duration::from_secs(10), "{sum}");
        assert!(after.peak_bytes >= 1024 * 1024);
    }
}
