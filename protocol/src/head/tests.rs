use std::collections::BTreeMap;

use super::*;
use crate::document::{self, CheckedChange, Tip};
use crate::id::{EntryId, ResidentId, StaffId};
use crate::record::entry::EnteredInError;
use crate::record::{Author, Body, Entry, Origin, Role};
use crate::scope::{Section, Subject};
use crate::time::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

const REGION: RegionId = RegionId(Uuid::from_u128(9));
const A: InstallId = InstallId(1);
const B: InstallId = InstallId(2);

fn key(install: InstallId) -> SigningKey {
    SigningKey::from_bytes(&[u8::try_from(install.0).unwrap(); 32])
}

fn keys() -> BTreeMap<InstallId, VerifyingKey> {
    [A, B].into_iter().map(|install| (install, key(install).verifying_key())).collect()
}

fn scope(person: u128) -> Scope {
    Scope::try_new(Subject::Resident(ResidentId(Uuid::from_u128(person))), Section::Safety, None).unwrap()
}

fn writer(install: InstallId) -> Writer {
    Writer { region: REGION, scope: scope(1), install }
}

/// One document as installations write it in turn, each upon all before.
#[derive(Default)]
struct Paper {
    changes: Vec<CheckedChange>,
    tips: BTreeMap<InstallId, Tip>,
    runs: BTreeMap<InstallId, Run>,
}

impl Paper {
    fn new() -> Self {
        let mut paper = Self::default();
        paper.take(document::genesis(Section::Safety));
        paper
    }

    fn take(&mut self, change: CheckedChange) {
        for install in [A, B] {
            self.tips.entry(install).or_default().advance(install, &change);
        }
        if change.install != InstallId::GENESIS {
            let run = self.runs.entry(change.install).or_default();
            *run = run.then(change.hash);
        }
        self.changes.push(change);
    }

    fn made(&self, install: InstallId, text: &str) -> CheckedChange {
        let mut tip = self.tips[&install].clone();
        let entry = Entry {
            id: EntryId { install, counter: tip.own_changes + 1 },
            happened: Timestamp(0),
            recorded: Timestamp(0),
            author: Author { staff: StaffId(7), role: Role::Nurse, name: "A. Nurse".into() },
            origin: Origin::Site("VL1AB".parse().unwrap()),
            thread: None,
            replaces: Vec::new(),
            body: Body::EnteredInError(EnteredInError { reason: text.into() }),
        };
        document::add(install, Section::Safety, &mut tip, vec![entry]).unwrap()
    }

    fn write(&mut self, install: InstallId) {
        let change = self.made(install, "written");
        self.take(change);
    }

    fn written(writers: &[bool]) -> Self {
        let mut paper = Self::new();
        for of_a in writers {
            paper.write(if *of_a { A } else { B });
        }
        paper
    }

    /// The voucher for what came up to this place, the head being the newest.
    fn voucher(&self, install: InstallId, upto: usize) -> Voucher {
        let run = self.runs.get(&install).copied().unwrap_or_default();
        let later = self.changes.iter().skip(upto).filter(|change| change.install == install);
        Voucher {
            install,
            seq: run.seq,
            signature: writer(install).sign(run, &key(install)),
            after: later.map(|change| change.hash).collect(),
        }
    }

    fn sift(
        &self,
        from: usize,
        upto: usize,
        runs: &BTreeMap<InstallId, Run>,
        vouchers: &[Voucher],
    ) -> Sifted {
        let changes: Vec<&CheckedChange> = self.changes[from..upto].iter().collect();
        sifted(&changes, runs, vouchers)
    }
}

fn sifted(changes: &[&CheckedChange], runs: &BTreeMap<InstallId, Run>, vouchers: &[Voucher]) -> Sifted {
    let came: Vec<Came<'_>> = changes.iter().map(|change| Came { change, is_vouched: false }).collect();
    sift(REGION, scope(1), runs, &came, vouchers, &keys())
}

fn nobody() -> BTreeMap<InstallId, Run> {
    BTreeMap::new()
}

proptest! {
    #[test]
    fn a_document_in_any_pieces_is_believed_piece_by_piece(
        writers in prop::collection::vec(any::<bool>(), 1..30), cuts in prop::collection::vec(0usize..31, 0..4),
    ) {
        let paper = Paper::written(&writers);
        let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(paper.changes.len())).collect();
        ends.push(paper.changes.len());
        ends.sort_unstable();
        let (mut from, mut runs) = (0, nobody());
        for upto in ends {
            let piece = paper.sift(from, upto, &runs, &[paper.voucher(A, upto), paper.voucher(B, upto)]);
            prop_assert!(piece.verdicts.iter().all(Result::is_ok), "{:?}", piece.verdicts);
            runs.extend(piece.reached.into_iter().map(|(install, (run, _))| (install, run)));
            from = upto;
        }
        prop_assert_eq!(runs, paper.runs);
    }

    #[test]
    fn a_change_put_in_without_the_key_is_refused_and_the_others_are_not(
        writers in prop::collection::vec(any::<bool>(), 2..12), at in 0usize..12,
    ) {
        let mut writers = writers;
        writers[0] = true;
        let paper = Paper::written(&writers);
        let vouchers = [paper.voucher(A, paper.changes.len()), paper.voucher(B, paper.changes.len())];
        let forged = paper.made(A, "forged");
        let behind = forged.hash;
        let mut changes: Vec<&CheckedChange> = paper.changes.iter().collect();
        changes.push(&forged);
        let found = sifted(&changes, &nobody(), &vouchers);
        for (change, verdict) in changes.iter().zip(&found.verdicts) {
            let expected = if change.hash == behind { Err(HeadFault::Unsigned) } else { Ok(()) };
            prop_assert_eq!(*verdict, expected);
        }
        // The same in the place of one of its changes: its run is another, so nothing of it is believed.
        let own: Vec<usize> = (0..changes.len() - 1).filter(|n| changes[*n].install == A).collect();
        let place = own[at % own.len()];
        let (mut earlier, swapped) = (Paper::new(), changes[place].seq);
        (1..swapped).for_each(|_| earlier.write(A));
        let other = earlier.made(A, "in its place");
        changes.pop();
        changes[place] = &other;
        let found = sifted(&changes, &nobody(), &vouchers);
        for (change, verdict) in changes.iter().zip(&found.verdicts) {
            prop_assert!(change.install != A || verdict.is_err());
        }
    }

    #[test]
    fn a_voucher_holds_for_its_region_document_installation_number_changes_and_key_alone(
        count in 1u64..6, part in 0u8..7, bit in 0u8..8, byte in 0usize..16,
    ) {
        let run = (0..count).fold(Run::default(), |run, n| run.then(ChangeHash([u8::try_from(n).unwrap(); 32])));
        let signature = writer(A).sign(run, &key(A));
        prop_assert_eq!(writer(A).verify(run, signature, &keys()[&A]), Ok(()));
        let (mut writer, mut run, mut signature, mut verifier) = (writer(A), run, signature, keys()[&A]);
        match part {
            0 => {
                let mut bytes = *writer.region.0.as_bytes();
                bytes[byte] ^= 1 << bit;
                writer.region = RegionId(Uuid::from_bytes(bytes));
            }
            1 => writer.scope = scope(2 + u128::from(bit)),
            2 => writer.install = InstallId(A.0 ^ (1 << (bit + 1))),
            3 => run.seq ^= 1 << bit,
            4 => run.hash.0[byte] ^= 1 << bit,
            5 => signature.0[byte * 4] ^= 1 << bit,
            _ => verifier = keys()[&B],
        }
        prop_assert_eq!(writer.verify(run, signature, &verifier), Err(HeadFault::BadSignature));
    }

    #[test]
    fn a_change_that_was_dropped_on_the_way_takes_all_that_follows_it_along(
        writers in prop::collection::vec(any::<bool>(), 3..16), at in 0usize..16,
    ) {
        let mut writers = writers;
        writers[0] = true;
        writers.push(true);
        let paper = Paper::written(&writers);
        let vouchers = [paper.voucher(A, paper.changes.len()), paper.voucher(B, paper.changes.len())];
        let own: Vec<usize> = (1..paper.changes.len()).filter(|n| paper.changes[*n].install == A).collect();
        let dropped = own[at % (own.len() - 1)];
        let mut changes: Vec<&CheckedChange> = paper.changes.iter().collect();
        let gone = changes.remove(dropped);
        let found = sifted(&changes, &nobody(), &vouchers);
        for (change, verdict) in changes.iter().zip(&found.verdicts).filter(|(change, _)| change.install == A) {
            let expected = if change.seq > gone.seq { HeadFault::Gap } else { HeadFault::BadSignature };
            prop_assert_eq!(*verdict, Err(expected));
        }
        prop_assert!(!found.reached.contains_key(&A));
    }

    #[test]
    fn what_comes_later_has_to_be_told_whole_and_in_its_order(
        count in 3usize..9, upto in 1usize..9, one in 0usize..9, other in 0usize..9, drops: bool,
    ) {
        let paper = Paper::written(&vec![true; count]);
        let upto = 1 + upto % (count - 2);
        let mut voucher = paper.voucher(A, upto + 1);
        prop_assert_eq!(paper.sift(0, upto + 1, &nobody(), std::slice::from_ref(&voucher)).verdicts, vec![Ok(()); upto + 1]);
        let (one, other) = (one % voucher.after.len(), other % voucher.after.len());
        if drops || one == other {
            voucher.after.remove(one);
        } else {
            voucher.after.swap(one, other);
        }
        let found = paper.sift(0, upto + 1, &nobody(), &[voucher]);
        prop_assert!(found.reached.is_empty());
        prop_assert!(found.verdicts[1..].iter().all(Result::is_err));
    }

    #[test]
    fn an_old_head_that_comes_again_proves_nothing_new_and_takes_nothing_back(
        count in 2usize..9, old in 1usize..9,
    ) {
        let paper = Paper::written(&vec![true; count]);
        let old = 1 + old % (count - 1);
        let mut earlier = Paper::new();
        paper.changes[1..=old].iter().for_each(|change| earlier.take(change.clone()));
        let replayed = earlier.voucher(A, earlier.changes.len());
        let found = paper.sift(0, paper.changes.len(), &nobody(), std::slice::from_ref(&replayed));
        let expected = (0..=count).map(|n| if n > old { Err(HeadFault::Unsigned) } else { Ok(()) });
        prop_assert_eq!(found.verdicts, expected.collect::<Vec<_>>());
        prop_assert!(paper.sift(0, 1, &paper.runs, &[replayed]).reached.is_empty());
    }

    #[test]
    fn hostile_vouchers_are_judged_without_a_panic(
        seq: u64, low: [u8; 32], after in prop::collection::vec(any::<[u8; 32]>(), 0..4),
    ) {
        let paper = Paper::written(&[true, false, true]);
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&low);
        let after = after.into_iter().map(ChangeHash).collect();
        let voucher = Voucher { install: A, seq, signature: HeadSignature(signature), after };
        let found = paper.sift(0, paper.changes.len(), &nobody(), &[voucher]);
        prop_assert!(found.reached.is_empty());
    }
}

#[test]
fn what_builds_on_a_change_that_nothing_vouches_for_is_held_back_with_it() {
    let mut paper = Paper::written(&[true]);
    let voucher = paper.voucher(A, paper.changes.len());
    paper.write(A);
    paper.write(B);
    let found =
        paper.sift(0, paper.changes.len(), &nobody(), &[voucher, paper.voucher(B, paper.changes.len())]);
    let (unsigned, on_it) = (Err(HeadFault::Unsigned), Err(HeadFault::OnUnvouched));
    assert_eq!(found.verdicts, [Ok(()), Ok(()), unsigned, on_it]);
}

#[test]
fn a_number_used_again_a_gap_and_a_stranger_are_told_apart() {
    let paper = Paper::written(&[true, true, true]);
    let runs = BTreeMap::from([(A, Run::default().then(paper.changes[1].hash))]);
    let whole = paper.voucher(A, paper.changes.len());
    let again = paper.sift(1, 2, &runs, std::slice::from_ref(&whole));
    assert_eq!(again.verdicts, [Err(HeadFault::Forked)]);
    let gap = paper.sift(3, 4, &runs, std::slice::from_ref(&whole));
    assert_eq!(gap.verdicts, [Err(HeadFault::Gap)]);
    let came: Vec<Came<'_>> =
        paper.changes[2..].iter().map(|change| Came { change, is_vouched: false }).collect();
    let stranger = sift(REGION, scope(1), &runs, &came, &[whole], &BTreeMap::new());
    assert_eq!(stranger.verdicts, [Err(HeadFault::UnknownSigner); 2]);
}
