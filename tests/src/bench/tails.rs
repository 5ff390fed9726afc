//! What the changes of one document cost on the wire, by how many of them go together: as they are sent, with a trained
//! dictionary, and as a bundle of automerge.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use automerge::Automerge;
use comfy_table::{CellAlignment, Table, presets};
use hearth_protocol::document::{self, StoredChange, Tip};
use hearth_protocol::id::{EntryId, InstallId, SiteId};
use hearth_protocol::record::Entry;
use hearth_protocol::record::entry::Origin;
use hearth_protocol::scope::{Scope, Section};
use hearth_protocol::wire::message::{ChangeGroup, Changes, ScopedChange};
use hearth_protocol::wire::{Message, Version, frame};
use serde::Serialize;
use zstd::bulk::{Compressor, Decompressor};

use super::START_MS;
use super::hearth::resident_id;
use super::machine::Machine;
use crate::generate::workload::{SEED, Workload};
use hearth_protocol::time::Timestamp;

const OWN: InstallId = InstallId(7);
/// A month, as the fixed work has it.
const DAYS: u16 = 30;
/// Residents whose tails train the dictionary; those of the others are measured.
const TRAINING: u16 = 30;
/// Most bytes of a trained dictionary.
const DICTIONARY_BYTES: usize = 16 * 1024;
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
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TailCost {
    /// Changes of the document that go together.
    pub changes: usize,
    /// Tails measured.
    pub tails: usize,
    /// Bytes of a change itself.
    pub raw_bytes: f64,
    /// A push as it is sent: without what the receiver computes, compressed.
    pub sent: Way,
    /// The same, compressed with a dictionary trained on other residents' pushes of this length.
    pub dictionary: Way,
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
        let (training, measured) = documents()?.into_iter().partition::<Vec<_>, _>(|one| one.is_training);
        let costs = lengths.iter().map(|length| cost(&training, &measured, *length));
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        Ok(Self { machine: Machine::this(), profile, costs: costs.collect::<Result<_, _>>()? })
    }

    /// The figures for people.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        let way = |name: &str| ["bytes", "make, µs", "open, µs"].map(|what| format!("{name}: {what}"));
        let ways = [way("sent"), way("dictionary"), way("bundle")].concat();
        table.set_header(
            ["changes", "raw bytes"]
                .map(str::to_owned)
                .into_iter()
                .chain(ways)
                .chain(["load, µs".to_owned()]),
        );
        for cost in &self.costs {
            let of = |way: Way| [way.bytes, way.make_us, way.open_us].map(|figure| format!("{figure:.1}"));
            let row = [of(cost.sent), of(cost.dictionary), of(cost.bundle)].concat();
            table.add_row(
                [cost.changes.to_string(), format!("{:.1}", cost.raw_bytes)]
                    .into_iter()
                    .chain(row)
                    .chain([format!("{:.1}", cost.load_us)]),
            );
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let Machine { cores, processor, load, .. } = &self.machine;
        format!(
            "A change, on average\n{table}\n\n{cores} cores, {processor}, load {load}, profile {}",
            self.profile
        )
    }
}

/// A document of the month with its changes in order.
struct Document {
    is_training: bool,
    scope: Scope,
    changes: Vec<StoredChange>,
}

fn documents() -> anyhow::Result<Vec<Document>> {
    let work = Workload::new(SEED, Timestamp(START_MS));
    let origin = Origin::Site("VL1AB".parse::<SiteId>()?);
    let mut documents: BTreeMap<(u16, Section), (Tip, Document)> = BTreeMap::new();
    for (counter, one) in (1_u64..).zip(work.days(0..DAYS)) {
        // The orders are the first numbers of another installation, as a practice's are.
        let order = |resident: u16, medicine: u8| EntryId {
            install: InstallId(9),
            counter: u64::from(resident) * 16 + u64::from(medicine) + 1,
        };
        let body = one.body(order);
        let section = body.section().context("an entry without a section")?;
        let scope = Scope::of_resident(resident_id(one.resident), section, one.at);
        let scope = scope.context("an entry without a document")?;
        let entry = Entry {
            id: EntryId { install: OWN, counter },
            happened: one.at,
            recorded: one.at,
            author: work.author(&one),
            origin: origin.clone(),
            thread: None,
            replaces: Vec::new(),
            body,
        };
        let (tip, document) = documents.entry((one.resident, section)).or_insert_with(|| {
            let first = document::genesis(section);
            let mut tip = Tip::default();
            tip.advance(OWN, &first);
            let is_training = one.resident < TRAINING;
            (tip, Document { is_training, scope, changes: vec![first.to_stored()] })
        });
        document.changes.push(document::add(OWN, section, tip, vec![entry])?.to_stored());
    }
    Ok(documents.into_values().map(|(_, document)| document).collect())
}

fn cost(training: &[Document], measured: &[Document], length: usize) -> anyhow::Result<TailCost> {
    let samples = training.iter().flat_map(|one| plain_tails(one, length)).collect::<Result<Vec<_>, _>>()?;
    let dictionary = zstd::dict::from_samples(&samples, DICTIONARY_BYTES).context("no dictionary")?;
    let mut packing = Compressor::with_dictionary(LEVEL, &dictionary)?;
    let mut unpacking = Decompressor::with_dictionary(&dictionary)?;
    let mut sum = TailCost {
        changes: length,
        tails: 0,
        raw_bytes: 0.0,
        sent: Way::default(),
        dictionary: Way::default(),
        bundle: Way::default(),
        load_us: 0.0,
    };
    for document in measured {
        let begun = Instant::now();
        let stored: Vec<u8> = document.changes.iter().flat_map(|change| change.bytes.clone()).collect();
        let loaded = Automerge::load(&stored)?;
        let load = begun.elapsed();
        for tail in tails(document, length) {
            sum.tails += 1;
            sum.load_us += us(load);
            sum.raw_bytes += count(tail.iter().map(|change| change.bytes.len()).sum());
            sum.sent.add(as_sent(document.scope, tail)?);
            sum.dictionary.add(with_dictionary(document.scope, tail, &mut packing, &mut unpacking)?);
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
        dictionary: each(sum.dictionary),
        bundle: each(sum.bundle),
        load_us: sum.load_us / changes,
        ..sum
    })
}

/// The tails of this length, from the last change backwards. The first change, which every site makes itself, is in none.
fn tails(document: &Document, length: usize) -> impl Iterator<Item = &[StoredChange]> {
    document.changes.get(1..).unwrap_or_default().rchunks_exact(length).take(4)
}

fn plain_tails(document: &Document, length: usize) -> impl Iterator<Item = anyhow::Result<Vec<u8>>> {
    tails(document, length).map(|tail| Ok(frame::encode_plain(&push(document.scope, tail))?))
}

fn push(scope: Scope, tail: &[StoredChange]) -> Message {
    let alone =
        |change: &StoredChange| ChangeGroup { changes: vec![ScopedChange { scope, change: change.clone() }] };
    Message::Changes(Changes { batch: 1, groups: tail.iter().map(alone).collect(), heads: Vec::new() })
}

impl Way {
    fn add(&mut self, (bytes, make, open): (usize, Duration, Duration)) {
        self.bytes += count(bytes);
        self.make_us += us(make);
        self.open_us += us(open);
    }
}

fn as_sent(scope: Scope, tail: &[StoredChange]) -> anyhow::Result<(usize, Duration, Duration)> {
    let message = push(scope, tail);
    let (begun, mut bytes) = (Instant::now(), Vec::new());
    frame::join(Version::PACKS, [frame::encode_plain(&message)?.as_slice()], &mut bytes);
    let make = begun.elapsed();
    let begun = Instant::now();
    anyhow::ensure!(read(&bytes)? == message, "a push did not come as it was sent");
    Ok((bytes.len(), make, begun.elapsed()))
}

fn with_dictionary(
    scope: Scope,
    tail: &[StoredChange],
    packing: &mut Compressor<'_>,
    unpacking: &mut Decompressor<'_>,
) -> anyhow::Result<(usize, Duration, Duration)> {
    let message = push(scope, tail);
    let begun = Instant::now();
    let plain = frame::encode_plain(&message)?;
    let packed = packing.compress(&plain)?;
    let make = begun.elapsed();
    let begun = Instant::now();
    let unpacked = unpacking.decompress(&packed, plain.len())?;
    anyhow::ensure!(read(&unpacked)? == message, "a push did not come as it was sent");
    Ok((packed.len(), make, begun.elapsed()))
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

fn read(bytes: &[u8]) -> anyhow::Result<Message> {
    let mut decoder = frame::FrameDecoder::default();
    decoder.feed(bytes);
    let whole = decoder.poll()?.context("a frame that is cut")?;
    frame::decode(&whole)?.context("a frame of an unknown kind")
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
            for way in [cost.sent, cost.dictionary, cost.bundle] {
                assert!(way.bytes > 0.0 && way.make_us > 0.0 && way.open_us > 0.0, "{cost:?}");
            }
            assert!(cost.tails > 0, "{cost:?}");
        }
    }
}
