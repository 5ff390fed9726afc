//! One run: hosts, staff, administrators and faults, step by step from a seed.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use hearth_hub::enrol::Certifier;
use hearth_hub::sites::InstallState;
use hearth_hub::{grants, heads, sites};
use hearth_node::keys::DataKey;
use hearth_node::random::Random;
use hearth_node::records::Records;
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{EntryId, InstallId, ResidentId, SiteId, StaffId};
use hearth_protocol::record::Role;
use hearth_protocol::record::entry::Author;
use hearth_protocol::scope::{Scope, Section};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::RevokeMode;
use uuid::Uuid;

use super::checks::Fared;
use super::clock::Slept;
use super::coverage::Coverage;
use super::disk::Image;
use super::host::{Host, Shared};
use super::hub::HubHost;
use super::model::{Deed, Model, Told};
use super::network::Network;
use super::node::NodeHost;
use super::older::{self, Older};
use super::orders::Orders;
use super::plan::{GOOD_LINE, Plan};
use super::views::{self, Document, HubView, NodeView};
use super::{authority, checks, damage, disk, hub, lock, node};
use crate::generate::dice::Dice;

thread_local! {
    /// The time of the run on this thread, for what is read between two steps.
    static BETWEEN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Time since the run on this thread began.
pub(super) fn now() -> Duration {
    if turmoil::in_simulation() { turmoil::sim_elapsed().unwrap_or_default() } else { BETWEEN.get() }
}

/// How often what must always hold is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked at whether all is well, once nothing goes wrong any more.
const SETTLED_EVERY: Duration = Duration::from_secs(1);
/// Within which time after the last fault all must be well: a refusal may have told a node to wait ten minutes, and
/// every other wait is shorter.
const SETTLES_WITHIN: Duration = Duration::from_mins(12);

const AN_HOUR_MS: i64 = 3_600_000;
/// A certificate is renewed when it is a day old; the clocks that say so may have been wrong by three days.
const CERTIFIED_MAX_MS: i64 = 5 * 86_400_000;

/// A site of the run.
pub(super) struct Site {
    pub(super) id: SiteId,
    pub(super) kind: SiteKind,
    pub(super) install: InstallId,
    pub(super) node: Arc<NodeHost>,
}

/// A run under way.
pub(super) struct Run {
    sim: turmoil::Sim<'static>,
    pub(super) shared: Arc<Shared>,
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    pub(super) hub: Arc<HubHost>,
    pub(super) sites: Vec<Site>,
    pub(super) residents: Vec<ResidentId>,
    pub(super) model: Arc<Mutex<Model>>,
    /// What the administrators want each site to hold.
    pub(super) held: BTreeMap<(usize, ResidentId), bool>,
    pub(super) orders: Orders,
    /// What is to be done at which time, in order.
    pub(super) later: BTreeMap<(Duration, u64), Later>,
    next_later: u64,
    /// What went wrong that a task found.
    pub(super) wrong: Arc<Mutex<Option<String>>>,
    next_check: Duration,
    /// What is a reason to look at once.
    look: Option<&'static str>,
    /// Which hosts ran after the last step: the hub, and each site's.
    ran: Vec<bool>,
    /// What staff were told to be saved in the last step, and at which site.
    pub(super) answers: Arc<Mutex<Vec<(usize, EntryId)>>>,
    certifier: Arc<Certifier>,
    pub(super) backup: Option<Backup>,
    /// Copies of nodes' disks that are to be put back.
    pub(super) copies: BTreeMap<usize, Image>,
    /// Sites whose node was put back from a copy: they have to be enrolled anew.
    pub(super) put_back: BTreeSet<usize>,
}

/// The newest backup of the hub.
pub(super) struct Backup {
    pub(super) image: Image,
    /// When it was made, and how many orders were carried out then.
    pub(super) at: Duration,
    pub(super) done: usize,
}

/// Something that is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Later {
    /// A fault strikes, and the next is drawn.
    Fault,
    /// Staff write, and the next is drawn.
    Entry,
    /// A host is switched on again: the hub, or this site's.
    SwitchOn(Option<usize>),
    /// The lines between this site and the hub are as at the beginning again.
    MendLine(usize),
    /// The hub's disk, or this site's, has room again.
    EmptyDisk(Option<usize>),
    /// The installation of this site gets its right back.
    GiveBack(usize),
    /// The hub's disk is copied.
    Backup,
    /// The node of this site is put back as it was when its disk was copied.
    PutBack(usize),
}

impl Run {
    /// Builds the region of a seed.
    pub(super) fn new(seed: u64, coverage: Coverage) -> anyhow::Result<Self> {
        BETWEEN.set(Duration::ZERO);
        let mut dice = Dice::new(seed, "run");
        let plan = Plan::draw(&mut Dice::new(seed, "plan"));
        let network = Network::new(Dice::new(seed, "network"), plan.line, coverage.clone());
        let disks = disk::Disks::default();
        let vfs = disk::show(&disks);
        let (start, commit_ms, has_main_record) = (plan.start, plan.commit_ms, plan.has_main_record);
        let slept = Slept::default();
        let shared = Arc::new(Shared {
            seed,
            start,
            slept,
            network,
            disks,
            vfs,
            coverage,
            commit_ms,
            has_main_record,
        });
        let mut sim = turmoil::Builder::new()
            .tick_duration(plan.tick)
            .simulation_duration(Duration::from_hours(24))
            .rng_seed(seed)
            .build();
        let hub: Arc<HubHost> = Arc::new(Host::new("hub".to_owned(), 1, &shared));
        let address = hub.at(hub::PORT).to_string();
        let certifier = authority::certifier(seed, &address, plan.start)?;
        let mut orders = Orders::default();
        let mut sites = Vec::new();
        for number in 0..plan.nodes {
            let site = Self::site((number, plan.months_kept), &shared, &certifier, &mut orders)?;
            sites.push(site);
        }
        let (world, host, signs) = (Arc::clone(&shared), Arc::clone(&hub), Arc::clone(&certifier));
        sim.host("hub", move || hub::run(Arc::clone(&world), Arc::clone(&host), Arc::clone(&signs)));
        for site in &sites {
            let (world, node) = (Arc::clone(&shared), Arc::clone(&site.node));
            let name = site.node.host.name.clone();
            sim.host(name, move || node::run(Arc::clone(&world), Arc::clone(&node)));
        }
        let residents = (0..plan.residents)
            .map(|n| ResidentId(Uuid::from_u128(u128::from(dice.bits()) << 64 | u128::from(n))));
        let residents = residents.collect();
        let mut run = Self {
            sim,
            shared,
            plan,
            dice,
            hub,
            sites,
            residents,
            model: Arc::default(),
            held: BTreeMap::new(),
            orders,
            later: BTreeMap::new(),
            next_later: 0,
            wrong: Arc::default(),
            next_check: CHECK_EVERY,
            look: None,
            ran: Vec::new(),
            answers: Arc::default(),
            certifier,
            backup: None,
            copies: BTreeMap::new(),
            put_back: BTreeSet::new(),
        };
        run.assign_residents();
        (0..usize::from(run.plan.older)).for_each(|site| run.had_first_version(site));
        run.put_off(Duration::from_secs(1), Later::Entry);
        run.put_off(Duration::from_secs(5), Later::Fault);
        run.put_off(Duration::from_secs(20), Later::Backup);
        Ok(run)
    }

    fn site(
        (number, months_kept): (u8, u16),
        shared: &Arc<Shared>,
        certifier: &Arc<Certifier>,
        orders: &mut Orders,
    ) -> anyhow::Result<Site> {
        let kind = if number.is_multiple_of(2) { SiteKind::CareHome } else { SiteKind::Pharmacy };
        let id: SiteId = format!("SITE{number}").parse().context("a site's code")?;
        let install = InstallId(100 + u32::from(number));
        let now = shared.start;
        let enrolled = authority::enrol(certifier, shared.seed, (id, kind), install, now)?;
        let (peer, signer) = (enrolled.peer, enrolled.signer);
        orders.add(move |t| {
            if sites::kind(t, id)?.is_none() {
                sites::add(t, id, kind, "A site", now)?;
                sites::add_install(t, install, id, &peer.public_key, now)?;
            }
            heads::note_signer(t, &signer)?;
            sites::add_certificate(t, install, peer.fingerprint, now, peer.not_after)
        });
        let host = Host::new(format!("node-{number}"), number + 2, shared);
        let key = DataKey::generate(&Random::seeded(shared.seed ^ u64::from(number)));
        let node = NodeHost::new(host, key, enrolled.install, authority::platform()?, months_kept)?;
        Ok(Site { id, kind, install, node: Arc::new(node) })
    }

    /// The site ran the first version of the software before, and staff wrote an entry with it.
    fn had_first_version(&mut self, number: usize) {
        let held = self.held.iter().find(|((site, _), is_held)| *site == number && **is_held);
        let Some(((_, resident), _)) = held else { return };
        let (resident, Some(site)) = (*resident, self.sites.get(number)) else { return };
        let is_home = site.kind == SiteKind::CareHome;
        let role = if is_home { Role::Nurse } else { Role::Pharmacist };
        let at = self.shared.start.plus_ms(-AN_HOUR_MS);
        let deed = Deed {
            site: site.id,
            resident,
            section: if is_home { Section::Notes } else { Section::Pharmacy },
            author: Author { staff: StaffId(1), role, name: "A. Nurse".into() },
            replaces: Vec::new(),
            told: Told::Saved(EntryId { install: site.install, counter: older::COUNTER }),
            saved_at: Duration::ZERO,
            tries: 1,
            is_doubtful: false,
            is_renamed: false,
            is_newer: false,
            days_ago: 0,
            happened: vec![at],
        };
        let mut model = lock(&self.model);
        let action = model.begin(deed.clone());
        model.saved.insert(EntryId { install: site.install, counter: older::COUNTER }, action);
        *lock(&site.node.older) = Some(Older { deed, number: action, at });
    }

    /// Every resident is at a home, and most at a pharmacy.
    fn assign_residents(&mut self) {
        for resident in self.residents.clone() {
            for site in 0..self.sites.len() {
                if site == 0 || self.dice.percent(70) {
                    self.assign(site, resident);
                }
            }
        }
    }

    /// The administrators give a site a resident's record.
    pub(super) fn assign(&mut self, site: usize, resident: ResidentId) {
        let Some(id) = self.sites.get(site).map(|site| site.id) else { return };
        lock(&self.model).grant(id, resident);
        self.held.insert((site, resident), true);
        let now = self.wall();
        self.orders.add(move |t| {
            grants::add_resident(t, resident, now)?;
            grants::assign(t, id, resident, now)
        });
    }

    /// The administrators take a resident's record from a site that holds it.
    pub(super) fn revoke(&mut self, site: usize, resident: ResidentId, mode: RevokeMode) {
        let Some(id) = self.sites.get(site).map(|site| site.id) else { return };
        if mode == RevokeMode::Forget {
            lock(&self.model).forget(id, resident);
        }
        self.held.insert((site, resident), false);
        let now = self.wall();
        self.orders.add(move |t| grants::revoke(t, id, resident, mode, now));
    }

    /// The right time.
    pub(super) fn wall(&self) -> Timestamp {
        let passed = now() + self.shared.slept.total();
        self.shared.start.plus_ms(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
    }

    /// Puts something off.
    pub(super) fn put_off(&mut self, wait: Duration, what: Later) {
        self.next_later += 1;
        self.later.insert((now() + wait, self.next_later), what);
    }

    /// A wait whose mean is this.
    pub(super) fn about(&mut self, mean: Duration) -> Duration {
        let ms = u64::try_from(mean.as_millis()).unwrap_or(0);
        Duration::from_millis(self.dice.below(ms * 2 + 1))
    }

    /// Runs to the end; an error says what did not hold.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        while now() < self.plan.storm {
            self.step()?;
        }
        self.mend_everything();
        let began = now();
        let mut look = began + SETTLED_EVERY;
        loop {
            self.step()?;
            if now() < look {
                continue;
            }
            look = now() + SETTLED_EVERY;
            let Some(unsettled) = self.unsettled()? else { break };
            if now().saturating_sub(began) > SETTLES_WITHIN {
                return Err(format!(
                    "not settled {} s after the last fault: {unsettled}",
                    SETTLES_WITHIN.as_secs()
                ));
            }
        }
        self.shared.coverage.count("settled after", settled_class(now().saturating_sub(began)));
        self.at_the_end()?;
        for site in 0..self.sites.len() {
            self.fetch_months(site)?;
            self.rebuild(site)?;
        }
        if self.dice.percent(30) {
            let site = usize::try_from(self.dice.below(u64::from(self.plan.nodes))).unwrap_or(0);
            self.flip_a_bit(site)?;
        }
        Ok(())
    }

    /// The read model of a site, made anew from the documents, is the same.
    fn rebuild(&mut self, site: usize) -> Result<(), String> {
        let before = self.documents(site)?;
        let rebuilt =
            self.ask(site, |records| Box::pin(async move { records.rebuild_read_model().await }))?;
        rebuilt.map_err(|error| format!("the read model of site {site} was not made anew: {error}"))?;
        let is_same = self.documents(site)? == before;
        is_same
            .then_some(())
            .ok_or_else(|| format!("the read model of site {site} was not that of its documents"))
    }

    fn documents(&self, site: usize) -> Result<Option<BTreeMap<Scope, Document>>, String> {
        let view = self.sites.get(site).map(|site| self.view(site)).transpose()?;
        Ok(view.flatten().map(|view| view.documents))
    }

    /// A bit that flips in a stored change is found when the change is read.
    fn flip_a_bit(&mut self, site: usize) -> Result<(), String> {
        let (row, bit) = (self.dice.bits(), self.dice.bits());
        let found = self.ask(site, move |records| {
            Box::pin(async move {
                let flipped = records.store().write(move |tx| damage::flip(tx, row, bit)).await;
                matches!(flipped, Ok(true)).then_some(records.rebuild_read_model().await)
            })
        })?;
        match found {
            Some(Ok(())) => Err(format!("a flipped bit in a change at site {site} was not found")),
            Some(Err(_)) => {
                self.shared.coverage.count("program", "flipped bit of a stored change found");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Has something done inside a site's node and waits for the answer.
    fn ask<T: Send + 'static>(
        &mut self,
        site: usize,
        what: impl FnOnce(Records) -> Pin<Box<dyn Future<Output = T> + Send>> + Send + 'static,
    ) -> Result<T, String> {
        let answer = Arc::new(Mutex::new(None));
        let told = Arc::clone(&answer);
        let host = &self.sites.get(site).ok_or("no such site")?.node.host;
        host.bring(Box::new(move |records| {
            Box::pin(async move {
                let answered = what(records).await;
                *lock(&told) = Some(answered);
            })
        }));
        let patience = now() + Duration::from_mins(2);
        while now() < patience {
            self.step()?;
            if let Some(answer) = lock(&answer).take() {
                return Ok(answer);
            }
        }
        Err(format!("site {site} did not answer"))
    }

    fn step(&mut self) -> Result<(), String> {
        self.sim.step().map_err(|error| format!("a program ended: {error}"))?;
        BETWEEN.set(self.sim.elapsed());
        self.shared.network.tell_ended();
        self.notice_ends();
        self.orders.go_on(&self.hub, now())?;
        while let Some(first) = self.later.first_entry() {
            if first.key().0 > now() {
                break;
            }
            let what = first.remove();
            if !matches!(what, Later::Entry | Later::Backup) {
                self.look = Some("after a fault");
            }
            self.strike(what);
        }
        self.notice_starts();
        if let Some(wrong) = lock(&self.wrong).take() {
            return Err(wrong);
        }
        self.check_answers()?;
        let is_due = (now() >= self.next_check).then_some("by the clock");
        if let Some(why) = self.look.take().or(is_due) {
            self.next_check = now() + CHECK_EVERY;
            self.shared.coverage.count("what must always hold was looked at", why);
            self.check()?;
        }
        Ok(())
    }

    /// A program that begins to run shows what its disk has kept.
    fn notice_starts(&mut self) {
        let run: Vec<bool> = self.targets().into_iter().map(|target| self.is_running(target)).collect();
        if run.iter().zip(&self.ran).any(|(runs, ran)| *runs && !ran) {
            self.look = Some("after a start");
        }
        self.ran = run;
    }

    /// What was just told to be saved is in its node's database, and the node is no further than the hub.
    fn check_answers(&self) -> Result<(), String> {
        let answers = std::mem::take(&mut *lock(&self.answers));
        for (number, id) in answers {
            let Some(site) = self.sites.get(number) else { continue };
            let name = &site.node.host.name;
            let Some(records) = site.node.host.program().filter(|_| self.shared.disks.has_power(name)) else {
                continue;
            };
            // A disk that failed may leave a connection that reads nothing.
            let Ok(state) = self.shared.disks.unnoticed(name, || views::state_of_node(&records, id)) else {
                continue;
            };
            let hub = self.hub.program().filter(|_| self.shared.disks.has_power(&self.hub.name));
            let read =
                |store| self.shared.disks.unnoticed(&self.hub.name, || views::head_of_hub(&store, site.id));
            let head = hub.and_then(|store| read(store).ok());
            checks::answered(&lock(&self.model), site.id, id, state, head)?;
            self.shared.coverage.count("what must always hold was looked at", "for one, after an answer");
        }
        Ok(())
    }

    /// A host whose disk lost power at a write is off.
    fn notice_ends(&mut self) {
        for target in self.targets() {
            let name = self.name(target);
            if !self.shared.disks.has_power(&name) && self.sim.is_host_running(name.as_str()) {
                self.switched_off(target);
            }
        }
    }

    /// The hub and every site.
    pub(super) fn targets(&self) -> Vec<Option<usize>> {
        std::iter::once(None).chain((0..self.sites.len()).map(Some)).collect()
    }

    /// The name of the hub, or of a site's host.
    pub(super) fn name(&self, target: Option<usize>) -> String {
        let site = target.and_then(|site| self.sites.get(site));
        site.map_or_else(|| self.hub.name.clone(), |site| site.node.host.name.clone())
    }

    /// The address of the hub, or of a site's host.
    pub(super) fn ip(&self, target: Option<usize>) -> IpAddr {
        target.and_then(|site| self.sites.get(site)).map_or(self.hub.ip, |site| site.node.host.ip)
    }

    /// A host's program is no more: its tasks end where they stand, and it is switched on again after a while.
    pub(super) fn switched_off(&mut self, target: Option<usize>) {
        let name = self.name(target);
        self.sim.crash(name.as_str());
        match target.and_then(|site| self.sites.get(site)) {
            Some(site) => site.node.host.is_off(),
            None => self.hub.is_off(),
        }
        let off = Duration::from_millis(self.dice.below(20_000));
        self.put_off(off, Later::SwitchOn(target));
    }

    /// A host is switched on, if it is off.
    pub(super) fn switch_on(&mut self, target: Option<usize>) {
        let name = self.name(target);
        if self.sim.is_host_running(name.as_str()) {
            return;
        }
        if !self.shared.disks.has_power(&name) {
            self.shared.disks.restore_power(&name);
            match target.and_then(|site| self.sites.get(site)) {
                Some(site) => site.node.host.time.boot(),
                None => self.hub.time.boot(),
            }
        }
        self.sim.bounce(name.as_str());
    }

    /// Nothing goes wrong from here on, and what was off or cut is back.
    fn mend_everything(&mut self) {
        for what in std::mem::take(&mut self.later).into_values() {
            if matches!(what, Later::GiveBack(_)) {
                self.strike(what);
            }
        }
        self.shared.network.set_all(GOOD_LINE);
        for target in self.targets() {
            self.shared.disks.heal(&self.name(target));
        }
        for site in std::mem::take(&mut self.put_back) {
            let is_over = self.dice.percent(50);
            self.enrol_anew(site, is_over);
        }
        for target in self.targets() {
            self.switch_on(target);
        }
        self.hub.time.skew(0);
        self.sites.iter().for_each(|site| site.node.host.time.skew(0));
    }

    /// A site gets a new installation, on an empty disk or over what is on its disk: what to do with a node that came
    /// back from a copy.
    pub(super) fn enrol_anew(&mut self, number: usize, is_over: bool) {
        self.kill(Some(number));
        let (seed, now, name) = (self.shared.seed, self.wall(), self.name(Some(number)));
        let Some(site) = self.sites.get_mut(number) else { return };
        let (old, new, id) = (site.install, InstallId(site.install.0 + 100), site.id);
        let Ok(enrolled) = authority::enrol(&self.certifier, seed, (id, site.kind), new, now) else { return };
        let (peer, signer) = (enrolled.peer, enrolled.signer);
        self.orders.add(move |t| {
            if sites::install(t, new)?.is_none() {
                sites::add_install(t, new, id, &peer.public_key, now)?;
            }
            sites::set_install_state(t, old, InstallState::Revoked, "replaced")?;
            heads::note_signer(t, &signer)?;
            sites::add_certificate(t, new, peer.fingerprint, now, peer.not_after)
        });
        site.install = new;
        site.node.enrol(enrolled.install);
        if is_over {
            lock(&self.model).rename(id);
        } else {
            self.shared.disks.put(&name, Image::default());
            lock(&self.model).doubt(id, old);
        }
    }

    fn view(&self, site: &Site) -> Result<Option<NodeView>, String> {
        let program = site.node.host.program();
        let Some(records) = program.filter(|_| self.shared.disks.has_power(&site.node.host.name)) else {
            return Ok(None);
        };
        match self.shared.disks.unnoticed(&site.node.host.name, || views::of_node(&records)) {
            Ok(view) => Ok(Some(view)),
            // A disk that fails or has no power reads nothing.
            Err(_) if self.plan_has_bad_disks() => Ok(None),
            Err(error) => Err(format!("the database of {} cannot be read: {error:#}", site.id)),
        }
    }

    fn hub_view(&self) -> Result<Option<HubView>, String> {
        let program = self.hub.program();
        let Some(store) = program.filter(|_| self.shared.disks.has_power(&self.hub.name)) else {
            return Ok(None);
        };
        match self.shared.disks.unnoticed(&self.hub.name, || views::of_hub(&store)) {
            Ok(view) => Ok(Some(view)),
            Err(_) if self.plan_has_bad_disks() => Ok(None),
            Err(error) if error.to_string().contains("no region yet") => Ok(None),
            Err(error) => Err(format!("the hub's database cannot be read: {error:#}")),
        }
    }

    /// What must always hold.
    fn check(&self) -> Result<(), String> {
        let mut model = lock(&self.model);
        let logged = super::log::never(&self.shared.coverage);
        if let Some(logged) = logged.iter().find(|logged| !model.explains(logged)) {
            return Err(format!("was logged: {logged}"));
        }
        let hub = self.hub_view()?;
        if let Some(hub) = &hub {
            checks::hub(&model, hub)?;
        }
        for site in &self.sites {
            let Some(view) = self.view(site)? else { continue };
            model.acknowledge(site.id, &view.at_hub);
            checks::node(&model, site.id, &view)?;
            if let Some(hub) = &hub {
                checks::between(&model, site.id, &view, hub)?;
            }
        }
        Ok(())
    }

    /// What is not yet as it must be in the end; none when all is.
    fn unsettled(&self) -> Result<Option<String>, String> {
        if !self.orders.are_done() {
            return Ok(Some("the administrators' orders are not carried out".to_owned()));
        }
        let Some(hub) = self.hub_view()? else { return Ok(Some("the hub does not run".to_owned())) };
        for site in &self.sites {
            let Some(view) = self.view(site)? else {
                return Ok(Some(format!("the node of {} does not run", site.id)));
            };
            // A node that was away for a day asks for new certificates at its next look, which is within a minute.
            let age_ms = self.wall().ms_since(site.node.install().certified());
            if age_ms > CERTIFIED_MAX_MS {
                return Ok(Some(format!("the certificate of {} is {age_ms} ms old", site.id)));
            }
            if let Some(unsettled) = checks::unsettled(&lock(&self.model), site.id, &view, &hub) {
                return Ok(Some(unsettled));
            }
            if let Err(untold) = self.deliveries(site, &view) {
                return Ok(Some(untold));
            }
        }
        Ok(None)
    }

    /// Compares what a site was told of its entries at the main care record with what the hub knows; gives how many.
    fn deliveries(&self, site: &Site, view: &NodeView) -> Result<u64, String> {
        let records = site.node.host.program().ok_or("a node does not run")?;
        let store = self.hub.program().ok_or("the hub does not run")?;
        let told = views::told_to_node(&records).map_err(|error| format!("{error:#}"))?;
        let known = views::known_to_hub(&store, site.id).map_err(|error| format!("{error:#}"))?;
        checks::deliveries(&lock(&self.model), site.id, view, (&told, &known))
    }

    /// All is well: nothing that was saved is missing, and no chain is broken.
    fn at_the_end(&self) -> Result<(), String> {
        self.check()?;
        let Some(hub) = self.hub_view()? else { return Err("the hub does not run".to_owned()) };
        let views = self.sites.iter().filter_map(|site| self.view(site).transpose());
        let nodes = views.collect::<Result<Vec<_>, _>>()?;
        let fared = checks::kept(&lock(&self.model), &nodes, &hub)?;
        self.count_entries(&fared);
        for site in &self.sites {
            if let Some(view) = self.view(site)? {
                let compared = self.deliveries(site, &view)?;
                let what = "states at the main care record, compared in the end";
                self.shared.coverage.add("entries and replicas", what, compared);
            }
            let records = site.node.host.program().ok_or("a node does not run")?;
            views::audit_of_node(&records).map_err(|error| format!("audit of {}: {error:#}", site.id))?;
        }
        let store = self.hub.program().ok_or("the hub does not run")?;
        views::audit_of_hub(&store).map_err(|error| format!("{error:#}"))
    }

    fn count_entries(&self, fared: &Fared) {
        let model = lock(&self.model);
        let tried = model.deeds.values().filter(|deed| deed.tries > 0).count();
        let count = |what: &str, times: u64| self.shared.coverage.add("entries and replicas", what, times);
        count("entries that staff wrote", u64::try_from(tried).unwrap_or(u64::MAX));
        count("told to be saved", fared.told);
        count("of them at the hub in the end", fared.at_hub);
        count("of them put aside at the hub for a person", fared.aside);
        count("of them excused: erased by order, then lost by a hub that was restored", fared.erased);
        count("of them excused: lost by a hub that was restored, then with their node's disk", fared.copied);
        count("of them lost", fared.told - fared.at_hub - fared.aside - fared.erased - fared.copied);
        count("not counted, since their node's disk was copied or lost", fared.doubtful);
        count("of them twice at the hub, after their site was enrolled anew", fared.twice);
        count("replicas compared with the hub in the end", u64::try_from(self.sites.len()).unwrap_or(0));
    }

    /// Every month that was let go of comes back when somebody opens it.
    fn fetch_months(&mut self, site: usize) -> Result<(), String> {
        let Some(hub) = self.hub_view()? else { return Err("the hub does not run".to_owned()) };
        let Some(one) = self.sites.get(site) else { return Ok(()) };
        let Some(view) = self.view(one)? else { return Err("a node does not run".to_owned()) };
        let subscribed = hub.subscriptions.get(&one.id).cloned().unwrap_or_default();
        let let_go: Vec<Scope> =
            view.evicted.into_iter().filter(|scope| subscribed.contains_key(scope)).collect();
        for scope in let_go {
            self.ask(site, move |records| Box::pin(async move { records.want_month(scope) }))?;
            let patience = now() + Duration::from_mins(3);
            loop {
                self.step()?;
                let Some(one) = self.sites.get(site) else { return Ok(()) };
                let (view, hub) = (self.view(one)?, self.hub_view()?);
                if view.zip(hub).is_some_and(|(view, hub)| checks::came_back(&scope, &view, &hub)) {
                    break;
                }
                if now() > patience {
                    return Err(format!("{scope} was let go of at site {site} and does not come back"));
                }
            }
            self.shared.coverage.count("program", "month fetched again");
        }
        Ok(())
    }

    /// How long the run was.
    pub(super) fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    fn plan_has_bad_disks(&self) -> bool {
        self.plan.faults.contains(&super::plan::Fault::FailingDisk)
    }
}

fn settled_class(time: Duration) -> String {
    let classes = [2, 5, 10, 30, 60, 120, 720];
    let class = classes.into_iter().find(|most| time.as_secs() < *most);
    class.map_or_else(|| "longer".to_owned(), |most| format!("less than {most} s"))
}
