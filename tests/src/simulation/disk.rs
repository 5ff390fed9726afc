//! The disk of a simulated host: what is not synced when the power goes may be gone, whole, or torn.
//!
//! It is a file system of SQLite, so the databases are the product's own, encryption included. Modelled are writes and
//! changes of length that were not synced: each may be on the disk, not on it, or in part, by sectors of 512 bytes, in
//! any order; a disk that is full; and one that fails. Making and removing a file count as durable at once, a sync
//! keeps what it promises, and what is on the disk does not rot by itself.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenOptions, Vfs, WalDisabled};

use super::coverage::Coverage;
use super::lock;
use crate::generate::dice::Dice;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The disks of one run, by host. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Disks(Arc<Mutex<BTreeMap<String, Disk>>>);

/// What a disk holds when nothing is under way.
#[derive(Clone, Default)]
pub(super) struct Image(BTreeMap<String, Vec<u8>>);

struct Disk {
    files: BTreeMap<String, File>,
    /// Counts the ends of programs: a file that was opened before one is of no use after it.
    ends: u64,
    is_on: bool,
    is_full: bool,
    /// What is read is no part of the run.
    is_unnoticed: bool,
    /// Reads and writes until the next one fails.
    fails_after: Option<u64>,
    /// Writes and syncs until the power goes.
    power_fails_after: Option<u64>,
    dice: Dice,
    coverage: Coverage,
}

#[derive(Clone, Default)]
struct File {
    /// As programs see it.
    seen: Vec<u8>,
    /// As it was when it was last synced.
    synced: Vec<u8>,
    /// What was done since, in order.
    since: Vec<Done>,
}

#[derive(Clone)]
enum Done {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Disks {
    /// Adds the empty disk of a host.
    pub(super) fn add(&self, host: &str, dice: Dice, coverage: Coverage) {
        let disk = Disk {
            files: BTreeMap::new(),
            ends: 0,
            is_on: true,
            is_full: false,
            is_unnoticed: false,
            fails_after: None,
            power_fails_after: None,
            dice,
            coverage,
        };
        lock(&self.0).insert(host.to_owned(), disk);
    }

    /// Takes the power of a host's disk: what was not synced is kept, lost or torn.
    pub(super) fn cut_power(&self, host: &str) {
        self.on(host, Disk::cut_power);
    }

    /// Gives a host's disk its power back.
    pub(super) fn restore_power(&self, host: &str) {
        self.on(host, |disk| disk.is_on = true);
    }

    /// Ends the host's program from outside: what it wrote stays, and it writes no more.
    pub(super) fn kill(&self, host: &str) {
        self.on(host, |disk| {
            disk.ends += 1;
            disk.power_fails_after = None;
        });
    }

    /// Takes the power at the n-th write or sync from now.
    pub(super) fn cut_power_after(&self, host: &str, n: u64) {
        self.on(host, |disk| disk.power_fails_after = Some(n));
    }

    /// Whether the disk has power.
    pub(super) fn has_power(&self, host: &str) -> bool {
        lock(&self.0).get(host).is_some_and(|disk| disk.is_on)
    }

    /// Fills a disk, or makes room on it again.
    pub(super) fn fill(&self, host: &str, is_full: bool) {
        self.on(host, |disk| disk.is_full = is_full);
    }

    /// Makes the n-th read or write from now fail, once.
    pub(super) fn fail_after(&self, host: &str, n: u64) {
        self.on(host, |disk| disk.fails_after = Some(n));
    }

    /// Has something read that is no part of the run: it meets no fault, and takes none away.
    pub(super) fn unnoticed<T>(&self, host: &str, read: impl FnOnce() -> T) -> T {
        self.on(host, |disk| disk.is_unnoticed = true);
        let read = read();
        self.on(host, |disk| disk.is_unnoticed = false);
        read
    }

    /// Nothing is to fail any more.
    pub(super) fn heal(&self, host: &str) {
        self.on(host, |disk| {
            disk.is_full = false;
            disk.fails_after = None;
            disk.power_fails_after = None;
        });
    }

    /// A copy of what is synced.
    pub(super) fn image(&self, host: &str) -> Image {
        let disks = lock(&self.0);
        let files = disks.get(host).into_iter().flat_map(|disk| &disk.files);
        Image(files.map(|(path, file)| (path.clone(), file.synced.clone())).collect())
    }

    /// Puts a copy on a disk, in place of what is there. Files opened before are of no use any more.
    pub(super) fn put(&self, host: &str, image: Image) {
        self.on(host, |disk| {
            disk.ends += 1;
            let whole = |bytes: Vec<u8>| File { seen: bytes.clone(), synced: bytes, since: Vec::new() };
            disk.files = image.0.into_iter().map(|(path, bytes)| (path, whole(bytes))).collect();
        });
    }

    fn on(&self, host: &str, act: impl FnOnce(&mut Disk)) {
        if let Some(disk) = lock(&self.0).get_mut(host) {
            act(disk);
        }
    }

    /// Works on the disk in whose folder a path is.
    fn with<T>(&self, path: &str, act: impl FnOnce(&mut Disk) -> Result<T, Error>) -> Result<T, Error> {
        let host = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let mut disks = lock(&self.0);
        act(disks.get_mut(host).ok_or(ErrorKind::NotFound)?)
    }
}

impl Disk {
    fn cut_power(&mut self) {
        if !self.is_on {
            return;
        }
        (self.is_on, self.ends) = (false, self.ends + 1);
        self.power_fails_after = None;
        let luck = Luck::draw(&mut self.dice);
        if self.files.values().any(|file| !file.since.is_empty()) {
            self.coverage.count("disk", luck.name());
        }
        for file in self.files.values_mut() {
            for done in std::mem::take(&mut file.since) {
                luck.settle(&mut self.dice, &mut file.synced, done);
            }
            file.seen.clone_from(&file.synced);
        }
    }

    /// One read, write or sync is to be done: whether it may be.
    fn begin(&mut self, opened: u64, is_change: bool) -> Result<(), Error> {
        if self.ends != opened || !self.is_on {
            return Err(Error::other("no power"));
        }
        if !self.is_unnoticed && count_down(&mut self.fails_after) {
            self.coverage.count("disk", "I/O error");
            return Err(Error::other("the disk failed"));
        }
        if is_change && count_down(&mut self.power_fails_after) {
            self.cut_power();
            return Err(Error::other("no power"));
        }
        Ok(())
    }

    fn file(&mut self, path: &str) -> Result<&mut File, Error> {
        self.files.get_mut(path).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// Whether this is the one that was counted down to.
fn count_down(left: &mut Option<u64>) -> bool {
    *left = match *left {
        Some(0) => None,
        Some(n) => Some(n - 1),
        None => return false,
    };
    left.is_none()
}

/// What becomes of what was not synced, drawn once for each loss of power.
#[derive(Clone, Copy)]
enum Luck {
    AllKept,
    AllLost,
    /// Each sector by itself.
    Torn,
}

impl Luck {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(4) {
            0 => Self::AllKept,
            1 => Self::AllLost,
            _ => Self::Torn,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AllKept => "unsynced, all kept",
            Self::AllLost => "unsynced, all lost",
            Self::Torn => "unsynced, torn by sector",
        }
    }

    fn settle(self, dice: &mut Dice, bytes: &mut Vec<u8>, done: Done) {
        match (self, done) {
            (Self::AllLost, _) => {}
            (Self::AllKept, done) => done.apply(bytes),
            (Self::Torn, Done::Length(length)) => {
                if dice.percent(50) {
                    Done::Length(length).apply(bytes);
                }
            }
            (Self::Torn, Done::Write(offset, data)) => {
                let mut at = 0;
                while at < data.len() {
                    let end = (at + SECTOR - (offset + at) % SECTOR).min(data.len());
                    if let Some(part) = data.get(at..end).filter(|_| dice.percent(60)) {
                        Done::Write(offset + at, part.to_vec()).apply(bytes);
                    }
                    at = end;
                }
            }
        }
    }
}

impl Done {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(offset, data) => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(*offset..end) {
                    place.copy_from_slice(data);
                }
            }
        }
    }
}

impl File {
    fn change(&mut self, done: Done) {
        done.apply(&mut self.seen);
        self.since.push(done);
    }
}

thread_local! {
    /// The file system of this thread: SQLite knows it by its name for as long as the process lives.
    static MOUNTED: (String, Slot) = mount();
}

/// The disks that a thread's file system shows now.
type Slot = Arc<Mutex<Disks>>;

fn mount() -> (String, Slot) {
    static THREADS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = THREADS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let (name, slot) = (format!("simulated-{number}"), Slot::default());
    if sqlite_vfs::register(&name, FileSystem(Arc::clone(&slot)), false).is_err() {
        tracing::error!("SQLite takes no further file system");
    }
    (name, slot)
}

/// Shows these disks to the SQLite connections of this thread; gives the name of the file system.
pub(super) fn show(disks: &Disks) -> String {
    MOUNTED.with(|(name, slot)| {
        *lock(slot) = disks.clone();
        name.clone()
    })
}

struct FileSystem(Slot);

impl Vfs for FileSystem {
    type Handle = Handle;

    fn open(&self, path: &str, options: OpenOptions) -> Result<Handle, Error> {
        let disks = lock(&self.0).clone();
        let opened = disks.with(path, |disk| {
            disk.begin(disk.ends, false)?;
            match options.access {
                OpenAccess::Read | OpenAccess::Write => drop(disk.file(path)?),
                OpenAccess::Create | OpenAccess::CreateNew => {
                    disk.files.entry(path.to_owned()).or_default();
                }
            }
            Ok(disk.ends)
        })?;
        Ok(Handle { disks, path: path.to_owned(), opened, lock: LockKind::None })
    }

    fn delete(&self, path: &str) -> Result<(), Error> {
        let disks = lock(&self.0).clone();
        disks.with(path, |disk| {
            disk.begin(disk.ends, true)?;
            disk.files.remove(path).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
        })
    }

    fn exists(&self, path: &str) -> Result<bool, Error> {
        let disks = lock(&self.0).clone();
        disks.with(path, |disk| Ok(disk.files.contains_key(path)))
    }

    fn temporary_name(&self) -> String {
        "/nowhere/temporary".to_owned()
    }

    fn random(&self, buffer: &mut [i8]) {
        buffer.fill(7);
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

/// An open file.
struct Handle {
    disks: Disks,
    path: String,
    opened: u64,
    lock: LockKind,
}

impl Handle {
    fn with<T>(&self, is_change: bool, act: impl FnOnce(&mut Disk) -> Result<T, Error>) -> Result<T, Error> {
        self.disks.with(&self.path, |disk| {
            disk.begin(self.opened, is_change)?;
            act(disk)
        })
    }
}

impl DatabaseHandle for Handle {
    // A database with one connection keeps the index of its log in its own memory.
    type WalIndex = WalDisabled;

    fn size(&self) -> Result<u64, Error> {
        self.with(false, |disk| Ok(u64::try_from(disk.file(&self.path)?.seen.len()).unwrap_or(u64::MAX)))
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        self.with(false, |disk| {
            let bytes = &disk.file(&self.path)?.seen;
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let there = bytes.get(start..).unwrap_or_default();
            let length = there.len().min(buffer.len());
            let (filled, rest) = buffer.split_at_mut(length);
            filled.copy_from_slice(there.get(..length).unwrap_or_default());
            rest.fill(0);
            if rest.is_empty() { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
        })
    }

    fn write_all_at(&mut self, data: &[u8], offset: u64) -> Result<(), Error> {
        self.with(true, |disk| {
            let is_full = disk.is_full;
            let length = disk.file(&self.path)?.seen.len();
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            if is_full && offset.saturating_add(data.len()) > length {
                disk.coverage.count("disk", "write refused: full");
                return Err(ErrorKind::WriteZero.into());
            }
            disk.file(&self.path)?.change(Done::Write(offset, data.to_vec()));
            Ok(())
        })
    }

    fn sync(&mut self, _: bool) -> Result<(), Error> {
        self.with(true, |disk| {
            let file = disk.file(&self.path)?;
            for done in std::mem::take(&mut file.since) {
                done.apply(&mut file.synced);
            }
            Ok(())
        })
    }

    fn set_len(&mut self, size: u64) -> Result<(), Error> {
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        self.with(true, |disk| {
            disk.file(&self.path)?.change(Done::Length(length));
            Ok(())
        })
    }

    fn lock(&mut self, lock: LockKind) -> Result<bool, Error> {
        // A database has one connection.
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    fn current_lock(&self) -> Result<LockKind, Error> {
        Ok(self.lock)
    }

    fn wal_index(&self, _: bool) -> Result<WalDisabled, Error> {
        Ok(WalDisabled)
    }
}
