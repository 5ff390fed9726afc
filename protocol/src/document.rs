//! The automerge document of a scope: an add-only set of entries, and, in a plan, texts edited together.
//!
//! The root map holds `v`, the schema version, one byte string an entry under the entry's id, and in a plan one text
//! a heading. The first change of every document is the same everywhere ([`genesis`]), so two sites that begin a
//! month apart begin the same document. Nothing is ever overwritten or deleted, and [`check`] refuses a change that
//! tries: automerge itself would take it.
//!
//! Because an entry stands whole in the change that adds it, a change is written from the document's [`Tip`] and read
//! by itself: neither a site's own entry nor one that arrives needs the document to be loaded.

mod addition;
mod columns;
mod compact;
mod proven;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use automerge::legacy::{Key, ObjectId, Op, OpType, SortedVec};
use automerge::{ActorId, Automerge, Change, ExpandedChange, ObjType, ReadDoc, ScalarValue};

pub(crate) use addition::Addition;
pub use compact::{Compacted, compact, read_back};
pub use proven::proven;

use sha2::{Digest as _, Sha256};

use crate::id::{ChangeHash, EntryId, InstallId};
use crate::record::plan::HEADINGS;
use crate::record::{Body, Entry, EntryError};
use crate::scope::{Scope, Section};
use crate::wire::limits;

/// Version of the layout of documents, under the key `v`.
pub const SCHEMA_VERSION: u64 = 1;

const VERSION_KEY: &str = "v";
/// What every automerge chunk begins with.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Bytes before the body of a chunk: magic (4), checksum (4), type (1).
const CHUNK_HEAD_BYTES: usize = 9;
/// Chunk type of an uncompressed change; the only one that is stored and carried.
const CHUNK_CHANGE: u8 = 1;

/// A change as it is stored and carried: its bytes and the hash that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange {
    /// Hash of the change.
    pub hash: ChangeHash,
    /// The change's own bytes, uncompressed.
    pub bytes: Vec<u8>,
}

impl StoredChange {
    /// The change whose type, length and content these are; none when they are of no change.
    pub(crate) fn of_bare(bare: &[u8]) -> Option<Self> {
        if bare.first() != Some(&CHUNK_CHANGE) {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(bare).into();
        let bytes = [&MAGIC, hash.first_chunk::<4>()?, bare].concat();
        Some(Self { hash: ChangeHash(hash), bytes })
    }

    /// Its bytes without magic and checksum: type, length and content.
    pub(crate) fn bare(&self) -> &[u8] {
        self.bytes.get(CHUNK_HEAD_BYTES - 1..).unwrap_or_default()
    }
}

/// What must be known of a document to add to it without loading it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tip {
    /// Hashes of the changes that no other change names as dependency, sorted.
    pub heads: Vec<ChangeHash>,
    /// The largest operation counter in the document.
    pub max_op: u64,
    /// How many changes this installation has made in it.
    pub own_changes: u64,
}

impl Tip {
    /// Takes note of a change that was added by `own` or another installation.
    pub fn advance(&mut self, own: InstallId, change: &CheckedChange) {
        self.heads.retain(|head| !change.deps.contains(head));
        if let Err(place) = self.heads.binary_search(&change.hash) {
            self.heads.insert(place, change.hash);
        }
        self.max_op = self.max_op.max(change.max_op);
        if change.install == own {
            self.own_changes = self.own_changes.max(change.seq);
        }
    }
}

/// A change that has been parsed and found to be what it claims to be.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedChange {
    /// Hash, recomputed from the bytes.
    pub hash: ChangeHash,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The installation that made it; [`InstallId::GENESIS`] for a document's first change.
    pub install: InstallId,
    /// Its number among that installation's changes in this document, from 1.
    pub seq: u64,
    /// The changes that it was made upon.
    pub deps: Vec<ChangeHash>,
    /// Its smallest operation counter: one more than the largest of what it was made upon.
    pub start_op: u64,
    /// Its largest operation counter.
    pub max_op: u64,
    /// The entries that it adds.
    pub entries: Vec<Entry>,
    /// Ids of entries that a newer version of the software wrote and this one cannot read; they are kept and carried.
    pub unreadable: Vec<EntryId>,
    /// Whether it edits a plan's texts.
    pub edits_text: bool,
}

impl CheckedChange {
    /// The change as it is stored and carried.
    pub fn to_stored(&self) -> StoredChange {
        StoredChange { hash: self.hash, bytes: self.bytes.clone() }
    }
}

/// Why a change is refused. Each has a code that is the same at the hub, the node and in the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// The bytes are not one automerge change.
    #[error("the bytes are not a change")]
    Malformed,
    /// The hash or the checksum is not that of the bytes.
    #[error("the hash does not fit the bytes")]
    HashMismatch,
    /// Longer than [`limits::CHANGE_BYTES_MAX`] or more operations than [`limits::CHANGE_OPS_MAX`].
    #[error("the change is too long")]
    TooLong,
    /// It overwrites, deletes, or writes elsewhere than an entry may stand.
    #[error("the change does more than add entries")]
    NotAnAddition,
    /// It adds an entry in the name of another installation.
    #[error("the change adds an entry of another installation")]
    ForeignEntry,
    /// It adds an entry that cannot be read.
    #[error("the change adds an entry that cannot be read")]
    BadEntry,
    /// It adds an entry that belongs in another section.
    #[error("the change adds an entry of another section")]
    WrongSection,
}

impl ChangeFault {
    /// The code, for frames, logs and the quarantine.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "change-malformed",
            Self::HashMismatch => "hash-mismatch",
            Self::TooLong => "change-too-long",
            Self::NotAnAddition => "not-an-addition",
            Self::ForeignEntry => "foreign-entry",
            Self::BadEntry => "bad-entry",
            Self::WrongSection => "wrong-section",
        }
    }
}

/// The automerge actor of an installation.
pub fn actor_of(install: InstallId) -> ActorId {
    ActorId::from(install.0.to_be_bytes().to_vec())
}

fn install_of(actor: &ActorId) -> Option<InstallId> {
    actor.to_bytes().try_into().ok().map(|bytes| InstallId(u32::from_be_bytes(bytes)))
}

static FIRST: LazyLock<BTreeMap<Section, CheckedChange>> =
    LazyLock::new(|| Section::ALL.into_iter().map(|section| (section, make_genesis(section))).collect());

/// The first change of every document of this section, byte for byte the same everywhere.
pub fn genesis(section: Section) -> CheckedChange {
    FIRST.get(&section).cloned().unwrap_or_else(|| make_genesis(section))
}

fn make_genesis(section: Section) -> CheckedChange {
    let put = |action, key: &str| Op {
        action,
        obj: ObjectId::Root,
        key: Key::Map(key.into()),
        pred: SortedVec::new(),
        insert: false,
    };
    let mut operations = vec![put(OpType::Put(ScalarValue::Uint(SCHEMA_VERSION)), VERSION_KEY)];
    if section == Section::Plan {
        operations.extend(HEADINGS.iter().map(|heading| put(OpType::Make(ObjType::Text), heading)));
    }
    let tip = Tip::default();
    finish(&build(InstallId::GENESIS, &tip, operations), InstallId::GENESIS, Vec::new())
}

/// The change by which an installation adds entries to a document with this tip. The tip is moved on.
///
/// Entries of other installations, of another section, or too long for one change are refused and nothing is made.
pub fn add(
    own: InstallId,
    section: Section,
    tip: &mut Tip,
    entries: Vec<Entry>,
) -> Result<CheckedChange, ChangeFault> {
    if entries.is_empty() || entries.len() > limits::CHANGE_OPS_MAX {
        return Err(ChangeFault::TooLong);
    }
    let mut values = Vec::with_capacity(entries.len());
    for entry in &entries {
        allowed_in(section, own, entry)?;
        let bytes = entry.to_bytes();
        if bytes.len() > limits::ENTRY_BYTES_MAX {
            return Err(ChangeFault::TooLong);
        }
        values.push((entry.id, bytes));
    }
    let change = match (values.as_slice(), tip.heads.as_slice()) {
        ([(id, value)], [dep]) => {
            let (seq, op) = (tip.own_changes + 1, tip.max_op + 1);
            let addition = Addition { install: own, seq, op, dep: *dep, id: *id, value };
            let stored = StoredChange::of_bare(&addition.to_bare()).ok_or(ChangeFault::Malformed)?;
            addition.checked(stored, entries, Vec::new())
        }
        _ => finish(&build(own, tip, values.into_iter().map(put).collect()), own, entries),
    };
    if change.bytes.len() > limits::CHANGE_BYTES_MAX {
        return Err(ChangeFault::TooLong);
    }
    tip.advance(own, &change);
    Ok(change)
}

fn put((id, bytes): (EntryId, Vec<u8>)) -> Op {
    Op {
        action: OpType::Put(ScalarValue::Bytes(bytes)),
        obj: ObjectId::Root,
        key: Key::Map(id.to_string().into()),
        pred: SortedVec::new(),
        insert: false,
    }
}

fn build(own: InstallId, tip: &Tip, operations: Vec<Op>) -> Change {
    // The time is left at zero: an entry says itself when it was recorded, and a change's time would be a second truth.
    Change::from(ExpandedChange {
        operations,
        actor_id: actor_of(own),
        hash: None,
        seq: tip.own_changes + 1,
        start_op: NonZeroU64::MIN.saturating_add(tip.max_op),
        time: 0,
        message: None,
        deps: tip.heads.iter().map(|head| automerge::ChangeHash(head.0)).collect(),
        extra_bytes: Vec::new(),
        author: None,
    })
}

fn finish(change: &Change, install: InstallId, entries: Vec<Entry>) -> CheckedChange {
    CheckedChange {
        hash: ChangeHash(change.hash().0),
        bytes: change.raw_bytes().to_vec(),
        install,
        seq: change.seq(),
        deps: change.deps().iter().map(|dep| ChangeHash(dep.0)).collect(),
        start_op: change.start_op().get(),
        max_op: change.max_op(),
        entries,
        unreadable: Vec::new(),
        edits_text: false,
    }
}

/// Parses a change of a document of this section and checks everything that can be seen in it alone.
///
/// The stated hash must be that of the bytes; it may only add entries of its own installation that belong in the
/// section, or edit a plan's texts. Whether the installation may write here is for the caller.
pub fn check(section: Section, stated: ChangeHash, bytes: &[u8]) -> Result<CheckedChange, ChangeFault> {
    match check_addition(section, stated, bytes) {
        Some(checked) => checked,
        None => check_parsed(section, &parse(stated, bytes)?),
    }
}

/// Checks a change of the kind that nearly all are, without automerge; none for any other.
fn check_addition(
    section: Section,
    stated: ChangeHash,
    bytes: &[u8],
) -> Option<Result<CheckedChange, ChangeFault>> {
    let addition = Addition::read(bytes.get(CHUNK_HEAD_BYTES - 1..)?)?;
    let stored = StoredChange::of_bare(bytes.get(CHUNK_HEAD_BYTES - 1..)?)?;
    let is_what_it_says = stored.hash == stated && stored.bytes == bytes;
    if !is_what_it_says || bytes.len() > limits::CHANGE_BYTES_MAX || addition.install == InstallId::GENESIS {
        return None;
    }
    let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
    let read =
        read_entry(section, addition.install, addition.id, addition.value, &mut entries, &mut unreadable);
    Some(read.map(|()| addition.checked(stored, entries, unreadable)))
}

/// Checks a change whose hash is known to be that of its bytes.
fn check_parsed(section: Section, change: &Change) -> Result<CheckedChange, ChangeFault> {
    if change.raw_bytes().len() > limits::CHANGE_BYTES_MAX
        || change.is_empty()
        || change.len() > limits::CHANGE_OPS_MAX
    {
        return Err(ChangeFault::TooLong);
    }
    let install = install_of(change.actor_id()).ok_or(ChangeFault::Malformed)?;
    if install == InstallId::GENESIS {
        let genesis = genesis(section);
        let is_the_first = genesis.hash.0 == change.hash().0;
        return if is_the_first { Ok(genesis) } else { Err(ChangeFault::NotAnAddition) };
    }
    // A decoder of hostile bytes is not trusted to never panic.
    let operations = catch_unwind(AssertUnwindSafe(|| change.decode().operations));
    let operations = operations.map_err(|_| ChangeFault::Malformed)?;
    let mut checked = finish(change, install, Vec::with_capacity(operations.len()));
    for operation in operations {
        read_operation(section, install, operation, &mut checked)?;
    }
    Ok(checked)
}

fn parse(stated: ChangeHash, bytes: &[u8]) -> Result<Change, ChangeFault> {
    if bytes.len() > limits::CHANGE_BYTES_MAX {
        return Err(ChangeFault::TooLong);
    }
    let (head, _) = bytes.split_at_checked(CHUNK_HEAD_BYTES).ok_or(ChangeFault::Malformed)?;
    if head.last() != Some(&CHUNK_CHANGE) {
        return Err(ChangeFault::Malformed);
    }
    // `Change::from_bytes` accepts a wrong checksum, so it is compared here.
    if head.get(4..8) != stated.0.get(..4) {
        return Err(ChangeFault::HashMismatch);
    }
    let parsed = catch_unwind(AssertUnwindSafe(|| Change::from_bytes(bytes.to_vec())));
    let change = parsed.map_err(|_| ChangeFault::Malformed)?.map_err(|_| ChangeFault::Malformed)?;
    if change.hash().0 != stated.0 || change.raw_bytes() != bytes {
        return Err(ChangeFault::HashMismatch);
    }
    Ok(change)
}

fn read_operation(
    section: Section,
    install: InstallId,
    operation: Op,
    checked: &mut CheckedChange,
) -> Result<(), ChangeFault> {
    match operation.obj {
        ObjectId::Root => read_addition(section, install, operation, checked),
        ObjectId::Id(text) => {
            let of_genesis = install_of(text.actor()) == Some(InstallId::GENESIS);
            let headings = u64::try_from(HEADINGS.len()).unwrap_or(u64::MAX);
            let is_heading = of_genesis && (2..=headings + 1).contains(&text.counter());
            let is_edit = matches!(operation.action, OpType::Delete)
                || (operation.insert && matches!(operation.action, OpType::Put(ScalarValue::Str(_))));
            if section != Section::Plan || !is_heading || !is_edit {
                return Err(ChangeFault::NotAnAddition);
            }
            checked.edits_text = true;
            Ok(())
        }
    }
}

fn read_addition(
    section: Section,
    install: InstallId,
    operation: Op,
    checked: &mut CheckedChange,
) -> Result<(), ChangeFault> {
    let (Key::Map(key), OpType::Put(ScalarValue::Bytes(bytes))) = (operation.key, operation.action) else {
        return Err(ChangeFault::NotAnAddition);
    };
    if operation.insert || operation.pred.iter().next().is_some() {
        return Err(ChangeFault::NotAnAddition);
    }
    let id: EntryId = key.parse().map_err(|_| ChangeFault::NotAnAddition)?;
    read_entry(section, install, id, &bytes, &mut checked.entries, &mut checked.unreadable)
}

fn read_entry(
    section: Section,
    install: InstallId,
    id: EntryId,
    bytes: &[u8],
    entries: &mut Vec<Entry>,
    unreadable: &mut Vec<EntryId>,
) -> Result<(), ChangeFault> {
    if id.install != install {
        return Err(ChangeFault::ForeignEntry);
    }
    match Entry::from_bytes(id, bytes) {
        Ok(entry) => {
            allowed_in(section, install, &entry)?;
            entries.push(entry);
        }
        Err(EntryError::TooNew(_)) => unreadable.push(id),
        Err(EntryError::TooLong) => return Err(ChangeFault::TooLong),
        Err(EntryError::Malformed) => return Err(ChangeFault::BadEntry),
    }
    Ok(())
}

fn allowed_in(section: Section, install: InstallId, entry: &Entry) -> Result<(), ChangeFault> {
    if entry.id.install != install {
        return Err(ChangeFault::ForeignEntry);
    }
    match entry.body.section() {
        Some(home) if home != section => Err(ChangeFault::WrongSection),
        Some(_) | None => Ok(()),
    }
}

/// A document saved whole: what a new holder of the scope gets first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The document, `save_nocompress`: whoever stores or sends it compresses it once, with everything else.
    pub bytes: Vec<u8>,
    /// BLAKE3 of the bytes.
    pub blake3: [u8; 32],
    /// Heads of the document, sorted.
    pub heads: Vec<ChangeHash>,
    /// Number of changes in it.
    pub changes: u64,
}

/// Why a stored or received document is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    /// The bytes are not those that were saved.
    #[error("the document's bytes have changed")]
    BytesChanged,
    /// Automerge cannot load them.
    #[error("the document cannot be loaded")]
    Unloadable,
    /// The document is not the one that was announced.
    #[error("the document's heads are not those announced")]
    WrongHeads,
    /// Changes that it needs are missing.
    #[error("changes that the document needs are missing")]
    Incomplete,
    /// A change does not come out of the saved document as it went in.
    #[error("a change does not come out of the document as it went in")]
    ChangeLost,
}

/// Saves a document and proves by loading it that it reads back.
pub fn save(document: &Automerge) -> Result<Snapshot, SnapshotFault> {
    let bytes = document.save_nocompress();
    let heads = sorted_heads(document);
    let changes = u64::try_from(document.get_changes_meta(&[]).len()).unwrap_or(u64::MAX);
    let snapshot = Snapshot { blake3: *blake3::hash(&bytes).as_bytes(), bytes, heads, changes };
    load(&snapshot)?;
    Ok(snapshot)
}

/// Loads a document and compares it with what was announced: bytes, heads and number of changes.
pub fn load(snapshot: &Snapshot) -> Result<Automerge, SnapshotFault> {
    if blake3::hash(&snapshot.bytes).as_bytes() != &snapshot.blake3 {
        return Err(SnapshotFault::BytesChanged);
    }
    let loaded = catch_unwind(AssertUnwindSafe(|| Automerge::load(&snapshot.bytes)));
    let document = loaded.map_err(|_| SnapshotFault::Unloadable)?.map_err(|_| SnapshotFault::Unloadable)?;
    let count = u64::try_from(document.get_changes_meta(&[]).len()).unwrap_or(u64::MAX);
    if sorted_heads(&document) != snapshot.heads || count != snapshot.changes {
        return Err(SnapshotFault::WrongHeads);
    }
    Ok(document)
}

fn sorted_heads(document: &Automerge) -> Vec<ChangeHash> {
    let heads: BTreeSet<ChangeHash> = document.get_heads().into_iter().map(|h| ChangeHash(h.0)).collect();
    heads.into_iter().collect()
}

/// Every entry of a loaded document, and the ids of those that this software cannot read.
pub fn entries(document: &Automerge) -> (Vec<Entry>, Vec<EntryId>) {
    let mut entries = Vec::new();
    let mut unreadable = Vec::new();
    for item in document.map_range(automerge::ROOT, ..) {
        let Ok(id) = item.key.parse::<EntryId>() else { continue };
        let automerge::ValueRef::Scalar(automerge::ScalarValueRef::Bytes(bytes)) = item.value else {
            continue;
        };
        match Entry::from_bytes(id, &bytes) {
            Ok(entry) => entries.push(entry),
            Err(_) => unreadable.push(id),
        }
    }
    (entries, unreadable)
}

/// The changes of a loaded document, in the order in which they were applied: the hub's, for a document saved in it.
pub fn changes(document: &Automerge) -> Vec<StoredChange> {
    let stored = |c: &Change| StoredChange { hash: ChangeHash(c.hash().0), bytes: c.raw_bytes().to_vec() };
    document.get_changes(&[]).iter().map(stored).collect()
}

/// The same, each checked as if it had just arrived. Their bytes are not parsed again: loading computed every hash anew, or
/// the heads would be others.
pub fn checked_changes(section: Section, document: &Automerge) -> Result<Vec<CheckedChange>, ChangeFault> {
    // What automerge takes out of a document is not trusted to come without a panic.
    let taken = catch_unwind(AssertUnwindSafe(|| document.get_changes(&[])));
    let taken = taken.map_err(|_| ChangeFault::Malformed)?;
    taken.iter().map(|change| check_parsed(section, change)).collect()
}

/// The document of a snapshot, if there is one, and of the changes that came after it, checked one by one and applied
/// in their order.
///
/// Never `load_incremental`: it answers "nothing loaded" to a cut or flipped log and loses all of it.
pub fn rebuild(
    section: Section,
    snapshot: Option<&Snapshot>,
    tail: &[StoredChange],
) -> Result<Automerge, SnapshotFault> {
    let mut document = match snapshot {
        Some(snapshot) => load(snapshot)?,
        None => Automerge::new(),
    };
    document.set_actor(actor_of(InstallId::GENESIS));
    let mut chain: Vec<Change> = Vec::new();
    for stored in tail {
        check(section, stored.hash, &stored.bytes).map_err(|_| SnapshotFault::BytesChanged)?;
        let change = Change::from_bytes(stored.bytes.clone()).map_err(|_| SnapshotFault::Unloadable)?;
        // Automerge sorts what it is given at once. Of changes each of which builds on the one before there is but
        // one order, so these may go together, and the document keeps the order of the tail.
        let goes_on = chain.last().is_some_and(|last| change.deps().contains(&last.hash()));
        if !goes_on {
            apply(&mut document, std::mem::take(&mut chain))?;
        }
        chain.push(change);
    }
    apply(&mut document, chain)?;
    if document.get_missing_deps(&[]).is_empty() { Ok(document) } else { Err(SnapshotFault::Incomplete) }
}

fn apply(document: &mut Automerge, changes: Vec<Change>) -> Result<(), SnapshotFault> {
    document.apply_changes(changes).map_err(|_| SnapshotFault::Incomplete)
}

/// Heads of a loaded document, sorted. Two replicas of a scope are equal when their heads are.
pub fn heads(document: &Automerge) -> Vec<ChangeHash> {
    sorted_heads(document)
}

/// Whether an entry of this kind may stand in this scope.
pub fn belongs(scope: Scope, body: &Body) -> bool {
    body.section().is_none_or(|section| section == scope.section())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions;
