//! Parts changes that arrive into those that signed heads vouch for and those that none does.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::VerifyingKey;

use super::{HeadFault, Run, Voucher, Writer};
use crate::document::CheckedChange;
use crate::id::{ChangeHash, InstallId};
use crate::scope::Scope;
use crate::wire::message::RegionId;

/// A change that came.
#[derive(Clone, Copy, Debug)]
pub struct Came<'c> {
    /// The change.
    pub change: &'c CheckedChange,
    /// Whether a head has vouched for it before, so that only what it builds on is looked at.
    pub is_vouched: bool,
}

/// What became of changes that came.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Sifted {
    /// One verdict a change, in the order given.
    pub verdicts: Vec<Result<(), HeadFault>>,
    /// How far the run of each installation is now proven, and by which voucher.
    pub reached: BTreeMap<InstallId, (Run, Voucher)>,
}

/// Judges changes of one document, given in an order in which each comes after those it builds on.
///
/// `runs` says how far each installation's run is proven already. A change is believed when a voucher proves the run up
/// to it or further, and everything it builds on among what came is believed.
pub fn sift(
    region: RegionId,
    scope: Scope,
    runs: &BTreeMap<InstallId, Run>,
    came: &[Came<'_>],
    vouchers: &[Voucher],
    keys: &BTreeMap<InstallId, VerifyingKey>,
) -> Sifted {
    let mut sifted = Sifted::default();
    let mut proven = BTreeMap::new();
    let writers: BTreeSet<InstallId> = came.iter().map(|came| came.change.install).collect();
    for install in writers.into_iter().filter(|install| *install != InstallId::GENESIS) {
        let base = runs.get(&install).copied().unwrap_or_default();
        let fresh = fresh(install, base, came);
        let of_install = vouchers.iter().filter(|voucher| voucher.install == install);
        let writer = Writer { region, scope, install };
        let reach = reach(&writer, base, &fresh, of_install, keys.get(&install));
        if let Ok((run, voucher)) = &reach {
            sifted.reached.insert(install, (*run, (*voucher).clone()));
        }
        proven.insert(install, Proven { base, fresh, reach: reach.map(|(run, _)| run.seq) });
    }
    let mut unvouched = BTreeSet::new();
    for came in came {
        let verdict = match proven.get(&came.change.install) {
            Some(proven) if !came.is_vouched => proven.judge(came.change),
            Some(_) | None => Ok(()),
        };
        let builds_on = came.change.deps.iter().any(|dep| unvouched.contains(dep));
        let verdict = verdict.and(if builds_on { Err(HeadFault::OnUnvouched) } else { Ok(()) });
        if verdict.is_err() {
            unvouched.insert(came.change.hash);
        }
        sifted.verdicts.push(verdict);
    }
    sifted
}

/// What is proven of the run of one installation.
struct Proven {
    base: Run,
    /// The changes that continue it without a gap, by number.
    fresh: BTreeMap<u64, ChangeHash>,
    reach: Result<u64, HeadFault>,
}

impl Proven {
    fn judge(&self, change: &CheckedChange) -> Result<(), HeadFault> {
        if change.seq <= self.base.seq {
            return Err(HeadFault::Forked);
        }
        match self.fresh.get(&change.seq) {
            None => Err(HeadFault::Gap),
            Some(hash) if *hash != change.hash => Err(HeadFault::Forked),
            Some(_) if change.seq <= self.reach? => Ok(()),
            Some(_) => Err(HeadFault::Unsigned),
        }
    }
}

/// The changes of an installation that continue its run. Where a number comes twice the last to come counts: what was
/// held back before must not stand in the way of what its writer has signed.
fn fresh(install: InstallId, base: Run, came: &[Came<'_>]) -> BTreeMap<u64, ChangeHash> {
    let mut by_number = BTreeMap::new();
    for came in came.iter().filter(|came| came.change.install == install && !came.is_vouched) {
        by_number.insert(came.change.seq, came.change.hash);
    }
    let expected = base.seq.saturating_add(1)..;
    let continued = by_number.range(base.seq.saturating_add(1)..).zip(expected);
    continued.take_while(|((seq, _), due)| *seq == due).map(|((seq, hash), _)| (*seq, *hash)).collect()
}

/// How far the best voucher proves the run, and which it is.
fn reach<'v>(
    writer: &Writer,
    base: Run,
    fresh: &BTreeMap<u64, ChangeHash>,
    vouchers: impl Iterator<Item = &'v Voucher>,
    key: Option<&VerifyingKey>,
) -> Result<(Run, &'v Voucher), HeadFault> {
    let mut vouchers: Vec<&Voucher> = vouchers.filter(|v| v.proves_to() > Some(base.seq)).collect();
    vouchers.sort_by_key(|voucher| std::cmp::Reverse(voucher.proves_to()));
    let mut fault = HeadFault::Unsigned;
    for voucher in vouchers {
        let key = key.ok_or(HeadFault::UnknownSigner)?;
        let upto = fresh.iter().take_while(|(seq, _)| Some(**seq) <= voucher.proves_to());
        let run = upto.fold(base, |run, (_, change)| run.then(*change));
        match voucher.verify(writer, run, key) {
            Ok(()) => return Ok((run, voucher)),
            Err(found) => fault = found,
        }
    }
    Err(fault)
}
