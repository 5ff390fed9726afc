//! What staff and administrators do and what goes wrong in the midst of a run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hearth_hub::sites::{self, InstallState};
use hearth_node::records::{Draft, Records, Requester};
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{EntryId, ResidentId, StaffId};
use hearth_protocol::record::Role;
use hearth_protocol::record::entry::Author;
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::wire::message::RevokeMode;

use super::lock;
use super::model::{self, Deed, Restore, Told};
use super::network::Line;
use super::plan::{Fault, GOOD_LINE};
use super::run::{Backup, Later, Run, now};

/// For how long machines sleep at most in one run.
const SLEEP_MAX: Duration = Duration::from_hours(28 * 24);
const LONG_AGO_MS: i64 = 100 * 86_400_000;

impl Run {
    /// Something is due.
    pub(super) fn strike(&mut self, what: Later) {
        match what {
            Later::Fault => {
                let faults: Vec<Fault> = self.plan.faults.iter().copied().collect();
                if let Some(fault) = self.dice.pick(&faults).copied() {
                    self.shared.coverage.count("faults", format!("{fault:?}"));
                    self.cause(fault);
                }
                let wait = self.about(self.plan.fault_every);
                self.put_off(wait, Later::Fault);
            }
            Later::Entry => {
                self.write();
                let wait = self.about(self.plan.entry_every);
                self.put_off(wait, Later::Entry);
            }
            Later::SwitchOn(target) => self.switch_on(target),
            Later::MendLine(site) => {
                let line = self.plan.line;
                self.change_line(site, true, true, |to| *to = line);
            }
            Later::EmptyDisk(target) => self.shared.disks.fill(&self.name(target), false),
            Later::GiveBack(site) => self.set_right(site, InstallState::Active),
            Later::Backup => {
                self.back_up();
                let wait = self.about(Duration::from_secs(30));
                self.put_off(wait, Later::Backup);
            }
            Later::PutBack(site) => self.put_back(site),
        }
    }

    fn cause(&mut self, fault: Fault) {
        let site = self.any_site();
        let while_ = Duration::from_millis(500 + self.dice.below(60_000));
        match fault {
            Fault::Cut => self.cut(site, true, true, while_),
            Fault::HalfCut => {
                let is_up = self.dice.percent(50);
                self.cut(site, is_up, !is_up, while_);
            }
            Fault::BadLine => {
                let bad = Line { lost: 400, doubled: 200, damaged: 200, jitter_ms: 900, ..GOOD_LINE };
                self.change_line(site, true, true, |line| *line = bad);
                self.put_off(while_, Later::MendLine(site));
            }
            Fault::SwizzleCut => self.swizzle(),
            Fault::NodePower => self.cut_power(Some(site)),
            Fault::NodePowerAtWrite => self.cut_power_at_write(Some(site)),
            Fault::NodeKill => self.kill(Some(site)),
            Fault::NodeStop => self.stop_node(site),
            Fault::HubPower => self.cut_power(None),
            Fault::HubPowerAtWrite => self.cut_power_at_write(None),
            Fault::HubKill => self.kill(None),
            Fault::HubStop => self.hub.stop(),
            Fault::FullDisk => {
                let target = self.any_target();
                self.shared.disks.fill(&self.name(target), true);
                self.put_off(while_, Later::EmptyDisk(target));
            }
            Fault::FailingDisk => {
                let target = self.any_target();
                let n = self.dice.below(40);
                self.shared.disks.fail_after(&self.name(target), n);
            }
            Fault::ClockJump => self.jump(),
            Fault::Grant => self.grant_one(),
            Fault::Freeze => self.revoke_one(RevokeMode::Freeze),
            Fault::Forget => self.revoke_one(RevokeMode::Forget),
            Fault::Move => self.move_one(),
            Fault::Withdraw => {
                self.set_right(site, InstallState::Revoked);
                self.put_off(while_, Later::GiveBack(site));
            }
            Fault::UdpShut => {
                self.change_line(site, true, true, |line| line.is_udp_shut = true);
                self.put_off(while_, Later::MendLine(site));
            }
            Fault::Sleep => self.sleep(),
            Fault::OpenMonth => self.open_month(site),
            Fault::EnrolAnew => self.enrol_over(site),
            Fault::Compact => self.compact_one(),
            Fault::HubRestore => self.restore_hub(),
            Fault::Clone => {
                if !self.copies.contains_key(&site) {
                    let copy = self.shared.disks.image(&self.name(Some(site)));
                    self.copies.insert(site, copy);
                    self.put_off(while_, Later::PutBack(site));
                }
            }
        }
    }

    /// The hub goes back to its backup, as its administrators would do it: they repeat what they have done since.
    fn restore_hub(&mut self) {
        let Some(backup) = self.backup.take() else { return };
        self.kill(None);
        self.shared.disks.put(&self.hub.name, backup.image);
        self.hub.is_restored.store(true, Ordering::Relaxed);
        self.orders.repeat_after(backup.done);
        lock(&self.model).restores.push(Restore { backup: backup.at, at: now() });
        self.shared.coverage.count("program", "hub restored from a backup");
    }

    fn back_up(&mut self) {
        let image = self.shared.disks.image(&self.hub.name);
        self.backup = Some(Backup { image, at: now(), done: self.orders.done() });
    }

    /// All machines sleep. No longer in all than a node may be away, whose certificate would end.
    fn sleep(&mut self) {
        let most = if self.dice.percent(50) { 60 } else { 240 };
        let hours = 1 + self.dice.below(most);
        let all = self.shared.slept.total() + Duration::from_hours(hours);
        if all > SLEEP_MAX {
            return;
        }
        // The administrators' backups go on.
        self.back_up();
        self.shared.slept.sleep(Duration::from_hours(hours));
    }

    /// Somebody opens the notes of a month that has long gone by.
    fn open_month(&mut self, site: usize) {
        let Some(resident) = self.dice.pick(&self.residents).copied() else { return };
        let then = self.wall().plus_ms(-LONG_AGO_MS);
        let Some(scope) = Scope::of_resident(resident, Section::Notes, then) else { return };
        if let Some(site) = self.sites.get(site) {
            let open = move |records: Records| async move { records.want_month(scope) };
            site.node.host.bring(Box::new(move |records| Box::pin(open(records))));
        }
    }

    /// A site is enrolled anew over what is on its disk, which is its own and whole.
    fn enrol_over(&mut self, site: usize) {
        if !self.put_back.contains(&site) && self.plan.faults.contains(&Fault::EnrolAnew) {
            // A copy of the disk is of an installation that is no more.
            self.copies.remove(&site);
            self.enrol_anew(site, true);
        }
    }

    /// A node goes back to a copy of its disk: what it tells staff counts no more, and the hub is to notice.
    fn put_back(&mut self, site: usize) {
        let Some(copy) = self.copies.remove(&site) else { return };
        let Some((id, install)) = self.sites.get(site).map(|site| (site.id, site.install)) else { return };
        self.kill(Some(site));
        self.shared.disks.put(&self.name(Some(site)), copy);
        self.put_back.insert(site);
        lock(&self.model).doubt(id, install);
        self.shared.coverage.count("program", "node put back from a copy");
    }

    fn any_site(&mut self) -> usize {
        let count = u64::try_from(self.sites.len()).unwrap_or(0);
        usize::try_from(self.dice.below(count)).unwrap_or(0)
    }

    fn any_target(&mut self) -> Option<usize> {
        let targets = self.targets();
        self.dice.pick(&targets).copied().flatten()
    }

    fn stop_node(&mut self, site: usize) {
        if let Some(site) = self.sites.get(site) {
            site.node.host.stop();
        }
    }

    fn cut(&mut self, site: usize, up: bool, down: bool, while_: Duration) {
        self.change_line(site, up, down, |line| line.is_cut = true);
        self.put_off(while_, Later::MendLine(site));
    }

    fn change_line(&mut self, site: usize, up: bool, down: bool, change: impl Fn(&mut Line)) {
        let (node, hub) = (self.ip(Some(site)), self.ip(None));
        if up {
            self.shared.network.change(node, hub, &change);
        }
        if down {
            self.shared.network.change(hub, node, &change);
        }
    }

    fn swizzle(&mut self) {
        for site in 0..self.sites.len() {
            let mend_after = Duration::from_millis(5_000 + self.dice.below(40_000));
            self.cut(site, true, true, mend_after);
        }
    }

    fn cut_power(&mut self, target: Option<usize>) {
        self.shared.disks.cut_power(&self.name(target));
    }

    fn cut_power_at_write(&mut self, target: Option<usize>) {
        let n = self.dice.below(30);
        self.shared.disks.cut_power_after(&self.name(target), n);
    }

    pub(super) fn kill(&mut self, target: Option<usize>) {
        if self.is_running(target) {
            self.shared.disks.kill(&self.name(target));
            self.switched_off(target);
        }
    }

    pub(super) fn is_running(&self, target: Option<usize>) -> bool {
        match target.and_then(|site| self.sites.get(site)) {
            Some(site) => site.node.host.program().is_some(),
            None => self.hub.program().is_some(),
        }
    }

    /// Wall clocks are off by minutes, sometimes by days, and the hub's by less than a node's may be.
    fn jump(&mut self) {
        let target = self.any_target();
        let most = if self.dice.percent(30) { 3 * 86_400_000 } else { 600_000 };
        let skew = self.dice.between(-most, most);
        match target.and_then(|site| self.sites.get(site)) {
            Some(site) => site.node.host.time.skew(skew),
            None => self.hub.time.skew(skew / 100),
        }
    }

    fn grant_one(&mut self) {
        let away: Vec<_> = self.pairs().into_iter().filter(|pair| !self.is_held(*pair)).collect();
        if let Some((site, resident)) = self.dice.pick(&away).copied() {
            self.assign(site, resident);
        }
    }

    fn revoke_one(&mut self, mode: RevokeMode) {
        let held: Vec<_> = self.pairs().into_iter().filter(|pair| self.is_held(*pair)).collect();
        if let Some((site, resident)) = self.dice.pick(&held).copied() {
            self.revoke(site, resident, mode);
        }
    }

    fn move_one(&mut self) {
        let held: Vec<_> = self.pairs().into_iter().filter(|pair| self.is_held(*pair)).collect();
        let to = self.any_site();
        if let Some((site, resident)) = self.dice.pick(&held).copied()
            && site != to
        {
            self.assign(to, resident);
            self.revoke(site, resident, RevokeMode::Forget);
        }
    }

    fn pairs(&self) -> Vec<(usize, ResidentId)> {
        let sites = 0..self.sites.len();
        sites.flat_map(|site| self.residents.iter().map(move |resident| (site, *resident))).collect()
    }

    fn is_held(&self, pair: (usize, ResidentId)) -> bool {
        self.held.get(&pair).copied().unwrap_or(false)
    }

    fn set_right(&mut self, site: usize, state: InstallState) {
        let Some(install) = self.sites.get(site).map(|site| site.install) else { return };
        self.orders.add(move |t| sites::set_install_state(t, install, state, "by hand"));
    }

    fn compact_one(&mut self) {
        let Some(resident) = self.dice.pick(&self.residents).copied() else { return };
        let section = [Section::Notes, Section::Safety, Section::Pharmacy];
        let section = self.dice.pick(&section).copied().unwrap_or(Section::Notes);
        let Some(scope) = hearth_protocol::scope::Scope::of_resident(resident, section, self.wall()) else {
            return;
        };
        let coverage = self.shared.coverage.clone();
        self.hub.bring(Box::new(move |store| {
            Box::pin(async move {
                if hearth_hub::compact::compact(&store, scope).await.is_ok() {
                    coverage.count("program", "document saved whole at the hub");
                }
            })
        }));
    }

    /// Staff of some site write something new, change something, or try again what was not answered.
    fn write(&mut self) {
        let place = self.any_site();
        let number = self.unanswered(place).unwrap_or_else(|| self.begin(place));
        let Some(site) = self.sites.get(place) else { return };
        if site.node.host.program().is_none() {
            return;
        }
        let mut model = lock(&self.model);
        model.tried(number);
        let Some(deed) = model.deeds.get(&number).cloned() else { return };
        drop(model);
        let (model, wrong) = (Arc::clone(&self.model), Arc::clone(&self.wrong));
        let (disks, name) = (self.shared.disks.clone(), site.node.host.name.clone());
        let (coverage, answers) = (self.shared.coverage.clone(), Arc::clone(&self.answers));
        site.node.host.bring(Box::new(move |records: Records| {
            Box::pin(async move {
                let Author { staff, role, name: signs } = deed.author.clone();
                let requester = Requester { staff, role, name: signs, device: 1, session: 1 };
                let Ok(key) = format!("action-{number:08}").parse() else { return };
                let happened = records.clock().now();
                let draft = draft(&deed, number, happened);
                lock(&model).said(number, draft.happened);
                let answer = records.add(&requester, key, vec![draft]).await;
                if !disks.has_power(&name) {
                    return;
                }
                coverage.count("staff were told", told(&answer));
                if let Err(found) = lock(&model).answered(number, &answer) {
                    *lock(&wrong) = Some(found);
                }
                let ids = answer.into_iter().flat_map(|added| added.ids);
                lock(&answers).extend(ids.map(|id| (place, id)));
            })
        }));
    }

    /// Sometimes, an action of this site that was not answered.
    fn unanswered(&mut self, site: usize) -> Option<u64> {
        if !self.dice.percent(20) {
            return None;
        }
        let id = self.sites.get(site)?.id;
        let model = lock(&self.model);
        let open = model.deeds.iter().filter(|(_, deed)| deed.site == id && deed.told == Told::Nothing);
        let open: Vec<u64> = open.map(|(number, _)| *number).collect();
        drop(model);
        self.dice.pick(&open).copied()
    }

    fn begin(&mut self, site: usize) -> u64 {
        let is_home = self.sites.get(site).is_some_and(|site| site.kind == SiteKind::CareHome);
        let sections: &[Section] = if is_home {
            &[Section::Notes, Section::Notes, Section::Safety, Section::Pharmacy]
        } else {
            &[Section::Safety, Section::Pharmacy]
        };
        let section = self.dice.pick(sections).copied().unwrap_or(Section::Safety);
        let resident = self.dice.pick(&self.residents).copied().unwrap_or(ResidentId(uuid::Uuid::nil()));
        let newer_from = self.sites.len().saturating_sub(usize::from(self.plan.newer));
        let is_newer = site >= newer_from && self.dice.percent(40);
        // Written down late: in a month that some nodes do not keep.
        let days_ago = if section == Section::Notes && self.dice.percent(15) { 100 } else { 0 };
        let replaces = if self.dice.percent(30) { self.replaced(section, resident) } else { None };
        let id = self.sites.get(site).map(|site| site.id);
        let mut model = lock(&self.model);
        let Some(id) = id else { return 0 };
        let role = if is_home { Role::Nurse } else { Role::Pharmacist };
        let replaces = replaces.into_iter().collect();
        model.begin(Deed {
            site: id,
            resident,
            section,
            author: Author { staff: StaffId(u64::from(id.to_bytes()[4])), role, name: "A. Nurse".into() },
            replaces,
            told: Told::Nothing,
            saved_at: Duration::ZERO,
            tries: 0,
            is_doubtful: false,
            is_renamed: false,
            is_newer,
            days_ago,
            happened: Vec::new(),
        })
    }

    /// Something that was written before, to be changed: by anybody, so that two change the same apart.
    fn replaced(&mut self, section: Section, resident: ResidentId) -> Option<EntryId> {
        let model = lock(&self.model);
        let saved = model.saved.iter().filter(|(_, number)| {
            model.deeds.get(number).is_some_and(|deed| deed.section == section && deed.resident == resident)
        });
        let saved: Vec<EntryId> = saved.map(|(id, _)| *id).collect();
        drop(model);
        self.dice.pick(&saved).copied()
    }

    /// Time since the run began, for what is written outside.
    pub(super) fn seconds() -> u64 {
        now().as_secs()
    }
}

/// What staff write for an action.
pub(super) fn draft(deed: &Deed, number: u64, happened: hearth_protocol::time::Timestamp) -> Draft {
    Draft {
        subject: Subject::Resident(deed.resident),
        section: deed.section,
        happened: happened.plus_ms(-deed.days_ago * 86_400_000),
        thread: None,
        replaces: deed.replaces.clone(),
        body: model::body(deed, number),
    }
}

fn told(answer: &Result<hearth_node::records::Added, hearth_node::records::AddError>) -> String {
    match answer {
        Ok(_) => "saved".to_owned(),
        Err(error) => format!("refused: {error}"),
    }
}
