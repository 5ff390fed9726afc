//! The floor's data as each scenario begins with it.

use std::path::Path;

use hearth_protocol::time::Timestamp;

use super::{record, store};
use crate::bench::homes::HomesPlan;
use crate::bench::plain::{ELSEWHERE, HOME};
use crate::bench::size::Size;
use crate::bench::{START_MS, copy_folder};
use crate::generate::workload::{SEED, Workload};

/// Lays out `first`, where nodes know nothing, and `apart`, where a node has written for a week while the hub got changes.
pub(in crate::bench) fn lay_out(folder: &Path, size: Size) -> anyhow::Result<()> {
    let work = Workload::new(SEED, Timestamp(START_MS));
    let mut hub = store::open(&folder.join("first/hub"))?;
    let base: Vec<Vec<u8>> =
        work.base().iter().take(usize::from(size.residents)).map(record::of_base).collect();
    store::append(&mut hub, 0, &base)?;
    for day in 0..size.days {
        let entries = size.of(work.days(day..day + 1)).map(|e| record::of_entry(&work, &e));
        store::append(&mut hub, 0, &entries.collect::<Vec<_>>())?;
    }
    drop(hub);
    copy_folder(&folder.join("first"), &folder.join("apart"))?;
    let mut hub = store::open(&folder.join("apart/hub"))?;
    for client in [HOME, ELSEWHERE] {
        let mut node = store::open(&folder.join(format!("apart/node-{client}")))?;
        let (records, upto) = store::after(&hub, client, 0, usize::MAX)?;
        store::take_in(&mut node, upto, &records)?;
        if client == HOME {
            let week = size.of(work.week()).map(|e| record::of_entry(&work, &e));
            store::write_own(&mut node, &week.collect::<Vec<_>>())?;
        }
    }
    let changes = size.changes(work.gp()).iter().map(record::of_change).collect::<Vec<_>>();
    store::append(&mut hub, 0, &changes)
}

/// Lays out a hub that knows the base records of homes.
pub(in crate::bench) fn lay_out_homes(hub: &Path, plan: HomesPlan) -> anyhow::Result<()> {
    let mut hub = store::open(hub)?;
    for base in plan.base(&Workload::new(SEED, Timestamp(START_MS))) {
        let client = store::client_of(u64::try_from(plan.home_of(base.index))?, 0);
        store::append(&mut hub, client, &[record::of_base(&base)])?;
    }
    Ok(())
}
