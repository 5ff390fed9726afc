//! What a page costs at a home that has been at work for a year: the time from request to whole answer in the node's own
//! router, without TLS and the network, while tablets ask for pages and record at the pace of a busy round.

mod ask;
mod fill;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use hearth_node::clock::{Clock, ManualTime};
use hearth_node::keys::DataKey;
use hearth_node::random::Random;
use hearth_node::records::{Records, Site};
use hearth_node::store::Store;
use hearth_node::web::{SessionLimits, Web, WebConfig};
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::InstallId;
use serde::Serialize;
use uuid::Uuid;

use super::START_MS;
use super::machine::{Machine, profile};
use crate::generate::dice::Dice;
use ask::Tablet;
use hearth_protocol::time::Timestamp;

/// How large the home is and how hard it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PagesPlan {
    /// Residents.
    pub residents: u16,
    /// Days of entries.
    pub days: u16,
    /// Tablets.
    pub tablets: u16,
    /// For how long they ask, in seconds.
    pub seconds: u64,
    /// Milliseconds between two requests of a tablet.
    pub pace_ms: u64,
}

impl PagesPlan {
    /// The home for which figures are published.
    pub const YEAR: Self = Self { residents: 200, days: 365, tablets: 20, seconds: 60, pace_ms: 500 };
    /// Just enough that everything is asked for.
    pub const TINY: Self = Self { residents: 3, days: 3, tablets: 2, seconds: 1, pace_ms: 20 };
}

/// How long one kind of page took.
#[derive(Clone, Debug, Serialize)]
pub struct PageCost {
    /// The page, by its address without ids.
    pub page: &'static str,
    /// Answers measured.
    pub answers: usize,
    /// Milliseconds that half of them took at most.
    pub p50_ms: f64,
    /// Milliseconds that 99 in 100 took at most.
    pub p99_ms: f64,
    /// The longest, in milliseconds.
    pub most_ms: f64,
    /// Bytes of the whole page, before compression.
    pub bytes: usize,
}

/// Every figure, with where it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Pages {
    /// Where.
    pub machine: Machine,
    /// How it was built.
    pub profile: &'static str,
    /// How large and how busy.
    pub plan: PagesPlan,
    /// Entries in the node.
    pub entries: u64,
    /// Pages.
    pub costs: Vec<PageCost>,
}

impl Pages {
    /// Fills a node in an empty folder and measures its pages.
    pub async fn measure(folder: &Path, plan: PagesPlan, told: impl Fn(&str)) -> anyhow::Result<Self> {
        let start = Timestamp(START_MS);
        let time = ManualTime::at(start);
        let clock = Clock::from_source(time.clone());
        let store = Store::open(&folder.join("node.db"), &DataKey::generate(&Random::seeded(1)), &clock)?;
        let records = Records::new(store, clock, site()?);
        let entries = fill::fill(&records, &time, plan, &told).await?;
        told("asking for pages");
        let hosts = vec![ask::HOST.to_owned()];
        let config = WebConfig { hosts, sessions: SessionLimits::default() };
        let router = Web::new(records, Random::seeded(2), config).router();
        let ends = Instant::now() + Duration::from_secs(plan.seconds);
        let mut tablets = tokio::task::JoinSet::new();
        for number in 0..plan.tablets {
            let mut tablet = Tablet::signed_in(router.clone(), number).await?;
            let dice = Dice::new(u64::from(number), "tablet");
            tablets.spawn(async move { tablet.work(plan, dice, ends).await });
        }
        let mut answers: BTreeMap<&'static str, Vec<(Duration, usize)>> = BTreeMap::new();
        while let Some(done) = tablets.join_next().await {
            for (page, took, bytes) in done.context("a tablet failed")?? {
                answers.entry(page).or_default().push((took, bytes));
            }
        }
        let costs = answers.into_iter().map(|(page, answers)| PageCost::of(page, &answers)).collect();
        Ok(Self { machine: Machine::this(), profile: profile(), plan, entries, costs })
    }

    /// The figures as a table.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["page", "answers", "p50 ms", "p99 ms", "most ms", "kB"]);
        for cost in &self.costs {
            table.add_row([
                cost.page.to_owned(),
                cost.answers.to_string(),
                format!("{:.1}", cost.p50_ms),
                format!("{:.1}", cost.p99_ms),
                format!("{:.1}", cost.most_ms),
                (cost.bytes / 1000).to_string(),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// The report file: what was measured, where, and the table.
    pub fn markdown(&self) -> String {
        let PagesPlan { residents, days, tablets, seconds, pace_ms } = self.plan;
        format!(
            "# What a page costs\n\nMade by `cargo bench-pages --report`. A home of {residents} residents after {days} days at work \
             ({} entries), {tablets} tablets, each of which asks for a page or records something every {pace_ms} ms for \
             {seconds} s. Times are from request to whole answer in the node's router: without TLS, compression and network. \
             {} build, {} cores of {}, load {}.\n\n{}\n",
            self.entries,
            self.profile,
            self.machine.cores,
            self.machine.processor,
            self.machine.load,
            self.table()
        )
    }
}

impl PageCost {
    fn of(page: &'static str, answers: &[(Duration, usize)]) -> Self {
        let bytes = answers.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        let mut times: Vec<f64> = answers.iter().map(|(took, _)| took.as_secs_f64() * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        let ms = |percent| at(percent).copied().unwrap_or(0.0);
        Self { page, answers: times.len(), p50_ms: ms(50), p99_ms: ms(99), most_ms: ms(100), bytes }
    }
}

fn site() -> anyhow::Result<Site> {
    Ok(Site {
        install: InstallId(7),
        id: "VL1AB".parse()?,
        kind: SiteKind::CareHome,
        name: "Rose Court".to_owned(),
        region: Uuid::from_u128(5),
        region_name: "Bench Vale".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_kind_of_page_is_asked_for_and_answered() {
        let folder = tempfile::tempdir().unwrap();
        let pages = Pages::measure(folder.path(), PagesPlan::TINY, |_| {}).await.unwrap();
        assert_eq!(pages.entries, 3 * (14 + 3 * 12));
        for kind in ask::KINDS {
            let cost = pages.costs.iter().find(|cost| cost.page == kind).unwrap();
            assert!(cost.answers > 0 && cost.p99_ms > 0.0 && cost.bytes > 1_000, "{cost:?}");
        }
    }
}
