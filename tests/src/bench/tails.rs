//! What the changes of one document cost on the wire, by how many of them go together: in each version of the protocol,
//! and as a bundle of automerge. And what trains the dictionary of short frames.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use automerge::Automerge;
use comfy_table::{CellAlignment, Table, presets};
use ed25519_dalek::SigningKey;
use hearth_protocol::document::{self, StoredChange, Tip};
use hearth_protocol::head::{Run, SignedHead, Voucher, Writer};
use hearth_protocol::id::{EntryId, InstallId, ResidentId, SiteId};
use hearth_protocol::record::Entry;
use hearth_protocol::record::entry::Origin;
use hearth_protocol::scope::{Scope, Section};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{
    ChangeGroup, Changes, Feed, RegionId, ScopedChange, Sequence, SequencedChange,
};
use hearth_protocol::wire::{FrameDecoder, Message, Version, frame};
use serde::Serialize;

use super::START_MS;
use super::machine::{Machine, profile};
use crate::generate::workload::{SEED, Workload};

/// A month, as the fixed work has it.
const DAYS: u16 = 30;
/// Tails taken of a document.
const TAILS: usize = 4;
/// Bytes of the dictionary.
const DICTIONARY_BYTES: usize = 4 * 1024;
/// The level at which frames are compressed.
const LEVEL: i32 = 3;

/// What one way of sending cost a change, on average over the tails.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Way {
    /// Bytes on the wire.
    pub bytes: f64,
    /// Microseconds of the sender.
    pub make_us: f64,
    /// Microseconds until the receiver has the changes.
    pub open_us: f64,
}

/// What tails of one length cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct TailCost {
    /// Changes of the document that go together.
    pub changes: usize,
    /// Tails measured.
    pub tails: usize,
    /// Bytes of a change itself.
    pub raw_bytes: f64,
    /// A push as it is sent: short ones compressed with the dictionary.
    pub sent: Way,
    /// The same in the version of the protocol that has no dictionary.
    pub alone: Way,
    /// A bundle of automerge, of a document that is loaded for it.
    pub bundle: Way,
    /// Microseconds a change of loading the document for a bundle.
    pub load_us: f64,
}

/// Every figure, with where it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Tails {
    /// Where.
    pub machine: Machine,
    /// The profile with which this program was built.
    pub profile: &'static str,
    /// The figures.
    pub costs: Vec<TailCost>,
}

impl Tails {
    /// Measures tails of these lengths over a month of notes, observations and doses of 60 residents.
    pub fn measure(lengths: &[usize]) -> anyhow::Result<Self> {
        let documents = documents(SEED, InstallId(7))?;
        let costs = lengths.iter().map(|length| cost(&documents, *length));
        Ok(Self { machine: Machine::this(), profile: profile(), costs: costs.collect::<Result<_, _>>()? })
    }

    /// The figures for people.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        let way = |name: &str| ["bytes", "make, µs", "open, µs"].map(|what| format!("{name}: {what}"));
        let ways = [way("sent"), way("without dictionary"), way("bundle")].concat();
        let first = ["changes", "raw bytes"].map(str::to_owned);
        table.set_header(first.into_iter().chain(ways).chain(["load, µs".to_owned()]));
        for cost in &self.costs {
            let of = |way: Way| [way.bytes, way.make_us, way.open_us];
            let figures = [of(cost.sent), of(cost.alone), of(cost.bundle)].concat();
            let figures = [vec![cost.raw_bytes], figures, vec![cost.load_us]].concat();
            let row = figures.iter().map(|figure| format!("{figure:.1}"));
            table.add_row([cost.changes.to_string()].into_iter().chain(row));
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let Machine { cores, processor, load, .. } = &self.machine;
        let profile = self.profile;
        format!("A change, on average\n{table}\n\n{cores} cores, {processor}, load {load}, profile {profile}")
    }
}

/// Trains the dictionary of short frames: by pushes and feeds of one change and of three, of other residents, staff and
/// words than those that are measured, so that it knows the forms and not the work.
pub fn train() -> anyhow::Result<Vec<u8>> {
    let (install, key) = (InstallId(0x5eed_0001), SigningKey::from_bytes(&[7; 32]));
    let mut samples = Vec::new();
    for document in documents(SEED.wrapping_add(1), install)? {
        let scope = document.scope;
        let writer = Writer { region: RegionId(uuid::Uuid::from_u128(1)), scope, install };
        for tail in [1, 3].into_iter().flat_map(|length| tails(&document, length)) {
            let run = tail.iter().fold(Run::default(), |run, change| run.then(change.hash));
            samples.push(frame::encode_plain(&push(scope, tail, vec![writer.head(run, &key)]))?);
            let signature = writer.sign(run, &key);
            let voucher = Voucher { install, seq: run.seq, signature, after: Vec::new() };
            samples.push(frame::encode_plain(&feed(scope, tail, voucher))?);
        }
    }
    Ok(zstd::dict::from_samples(&samples, DICTIONARY_BYTES)?)
}

/// A document of the month with its changes in order.
struct Document {
    scope: Scope,
    changes: Vec<StoredChange>,
}

fn documents(seed: u64, own: InstallId) -> anyhow::Result<Vec<Document>> {
    let work = Workload::new(seed, Timestamp(START_MS));
    let origin = Origin::Site("VL1AB".parse::<SiteId>()?);
    let mut documents: BTreeMap<(u16, Section), (Tip, Document)> = BTreeMap::new();
    for (counter, one) in (1_u64..).zip(work.days(0..DAYS)) {
        let body = one.body(|resident, medicine| EntryId {
            install: InstallId(own.0 + 1),
            counter: u64::from(resident) * 16 + u64::from(medicine) + 1,
        });
        let section = body.section().context("an entry without a section")?;
        let scope = Scope::of_resident(resident_id(seed, one.resident), section, one.at);
        let scope = scope.context("an entry without a document")?;
        let entry = Entry {
            id: EntryId { install: own, counter },
            happened: one.at,
            recorded: one.at,
            author: work.author(&one),
            origin: origin.clone(),
            thread: None,
            replaces: Vec::new(),
            body,
        };
        let (tip, document) = documents.entry((one.resident, section)).or_insert_with(|| {
            let (first, mut tip) = (document::genesis(section), Tip::default());
            tip.advance(own, &first);
            (tip, Document { scope, changes: vec![first.to_stored()] })
        });
        document.changes.push(document::add(own, section, tip, vec![entry])?.to_stored());
    }
    Ok(documents.into_values().map(|(_, document)| document).collect())
}

fn resident_id(seed: u64, index: u16) -> ResidentId {
    let hash = blake3::hash(&[seed.to_be_bytes().as_slice(), &index.to_be_bytes()].concat());
    let bytes = hash.as_bytes().first_chunk().copied().unwrap_or_default();
    ResidentId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

fn cost(documents: &[Document], length: usize) -> anyhow::Result<TailCost> {
    let mut sum = TailCost { changes: length, ..TailCost::default() };
    for document in documents {
        let begun = Instant::now();
        let stored: Vec<u8> = document.changes.iter().flat_map(|change| change.bytes.clone()).collect();
        let loaded = Automerge::load(&stored)?;
        sum.load_us += us(begun.elapsed());
        for tail in tails(document, length) {
            sum.tails += 1;
            sum.raw_bytes += count(tail.iter().map(|change| change.bytes.len()).sum());
            let message = push(document.scope, tail, Vec::new());
            sum.sent.add(as_frames(Version::PACKS, &message)?);
            sum.alone.add(as_frames(Version::FRAMES, &message)?);
            sum.bundle.add(as_bundle(&loaded, tail)?);
        }
    }
    let changes = count(sum.tails * length);
    let each = |way: Way| Way {
        bytes: way.bytes / changes,
        make_us: way.make_us / changes,
        open_us: way.open_us / changes,
    };
    Ok(TailCost {
        raw_bytes: sum.raw_bytes / changes,
        sent: each(sum.sent),
        alone: each(sum.alone),
        bundle: each(sum.bundle),
        // A document is loaded once for each tail that is sent of it.
        load_us: sum.load_us / count(documents.len() * length),
        ..sum
    })
}

/// The tails of this length, from the last change backwards. The first change, which every site makes itself, is in none.
fn tails(document: &Document, length: usize) -> impl Iterator<Item = &[StoredChange]> {
    document.changes.get(1..).unwrap_or_default().rchunks_exact(length).take(TAILS)
}

fn push(scope: Scope, tail: &[StoredChange], heads: Vec<SignedHead>) -> Message {
    let alone =
        |change: &StoredChange| ChangeGroup { changes: vec![ScopedChange { scope, change: change.clone() }] };
    Message::Changes(Changes { batch: 1, groups: tail.iter().map(alone).collect(), heads })
}

fn feed(scope: Scope, tail: &[StoredChange], voucher: Voucher) -> Message {
    let placed = tail
        .iter()
        .zip(100..)
        .map(|(change, place)| SequencedChange { sequence: Sequence(place), change: change.clone() });
    let (changes, vouchers) = (placed.collect(), vec![voucher]);
    Message::Feed(Feed { item: 1, scope, changes, vouchers, signers: Vec::new() })
}

impl Way {
    fn add(&mut self, (bytes, make, open): (usize, Duration, Duration)) {
        self.bytes += count(bytes);
        self.make_us += us(make);
        self.open_us += us(open);
    }
}

fn as_frames(version: Version, message: &Message) -> anyhow::Result<(usize, Duration, Duration)> {
    let (begun, mut bytes) = (Instant::now(), Vec::new());
    frame::join(version, [frame::encode_plain(message)?.as_slice()], &mut bytes);
    let make = begun.elapsed();
    let begun = Instant::now();
    let mut decoder = FrameDecoder::default();
    decoder.feed(&bytes);
    let whole = decoder.poll()?.context("a frame that is cut")?;
    let came = frame::decode(&whole)?;
    let open = begun.elapsed();
    anyhow::ensure!(came.as_ref() == Some(message), "a push did not come as it was sent");
    Ok((bytes.len(), make, open))
}

fn as_bundle(loaded: &Automerge, tail: &[StoredChange]) -> anyhow::Result<(usize, Duration, Duration)> {
    let begun = Instant::now();
    let bundle = loaded.bundle(tail.iter().map(|change| automerge::ChangeHash(change.hash.0)))?;
    let packed = zstd::bulk::compress(bundle.bytes(), LEVEL)?;
    let make = begun.elapsed();
    let begun = Instant::now();
    let unpacked = zstd::bulk::decompress(&packed, bundle.bytes().len())?;
    let changes = automerge::Bundle::try_from(unpacked.as_slice())?.to_changes()?;
    let open = begun.elapsed();
    anyhow::ensure!(changes.len() == tail.len(), "a bundle lost a change");
    Ok((packed.len().min(bundle.bytes().len()), make, open))
}

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A count as a number to divide.
fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_brings_the_changes_and_takes_bytes_and_time() {
        let tails = Tails::measure(&[1, 40]).unwrap();
        let [alone, many] = tails.costs.as_slice() else { panic!() };
        assert!(many.sent.bytes < many.raw_bytes && many.sent.bytes < alone.sent.bytes, "{tails:?}");
        for cost in [alone, many] {
            for way in [cost.sent, cost.alone, cost.bundle] {
                assert!(way.bytes > 0.0 && way.make_us > 0.0 && way.open_us > 0.0, "{cost:?}");
            }
            assert!(cost.tails > 0, "{cost:?}");
        }
    }

    #[test]
    fn the_dictionary_makes_a_change_alone_shorter_and_many_no_longer() {
        let tails = Tails::measure(&[1, 40]).unwrap();
        let [alone, many] = tails.costs.as_slice() else { panic!() };
        assert!(alone.sent.bytes < 0.8 * alone.alone.bytes, "{alone:?}");
        assert!(many.sent.bytes < 1.01 * many.alone.bytes, "{many:?}");
    }

    #[test]
    fn what_trains_the_dictionary_is_enough_for_one() {
        assert!(train().unwrap().len() > DICTIONARY_BYTES / 2);
    }
}
