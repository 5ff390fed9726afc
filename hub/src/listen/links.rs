//! The live links, one an installation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;
use hearth_protocol::wire::message::{FeedNumber, RefusalCode};
use tokio::sync::{Notify, watch};

/// The live links of the hub. Cheap to clone.
#[derive(Clone, Default)]
pub struct Links(Arc<Mutex<Register>>);

#[derive(Default)]
struct Register {
    next: u64,
    live: BTreeMap<InstallId, Live>,
    /// The same by site, so that a notice costs what it names and not what there is.
    of_site: BTreeMap<SiteId, BTreeSet<InstallId>>,
    over_tcp: usize,
}

struct Live {
    number: u64,
    site: SiteId,
    transport: Transport,
    poke: Arc<Notify>,
    cut: watch::Sender<Option<RefusalCode>>,
    /// When the certificate with which it was opened ends.
    not_after: Timestamp,
    /// Where in its feed it was last found behind, and since when it has stood there.
    stands: Option<(FeedNumber, Timestamp)>,
}

/// A link's own end of its registration; dropping it takes the link out.
pub(super) struct Registered {
    links: Links,
    install: InstallId,
    number: u64,
    /// Told when something has changed for the site.
    pub(super) poke: Arc<Notify>,
    /// The code with which the link is to be cut.
    pub(super) cut: watch::Receiver<Option<RefusalCode>>,
}

impl Links {
    /// Registers a link. An older link of the same installation is cut: the newer is the one that works.
    pub(super) fn register(
        &self,
        install: InstallId,
        site: SiteId,
        transport: Transport,
        not_after: Timestamp,
    ) -> Registered {
        let mut register = self.lock();
        register.next += 1;
        let number = register.next;
        let poke = Arc::new(Notify::new());
        let (cut, receiver) = watch::channel(None);
        let live = Live { number, site, transport, poke: Arc::clone(&poke), cut, not_after, stands: None };
        if let Some(older) = register.insert(install, live) {
            older.cut.send_replace(Some(RefusalCode::Replaced));
        }
        register.measure();
        Registered { links: self.clone(), install, number, poke, cut: receiver }
    }

    /// Notes where an installation stands in its feed at `now`, none when it has read all of it; for how many milliseconds
    /// it has stood there while there was more to read.
    pub(super) fn note_place(&self, install: InstallId, behind: Option<FeedNumber>, now: Timestamp) -> i64 {
        let mut register = self.lock();
        let Some(live) = register.live.get_mut(&install) else { return 0 };
        live.stands = behind.map(|place| match live.stands {
            Some((before, since)) if before == place => (place, since),
            Some(_) | None => (place, now),
        });
        live.stands.map_or(0, |(_, since)| now.ms_since(since))
    }

    /// Since when an installation has not moved in its feed though there is more to read; none while it moves.
    pub fn behind_since(&self, install: InstallId) -> Option<Timestamp> {
        self.lock().live.get(&install).and_then(|live| live.stands).map(|(_, since)| since)
    }

    /// Tells the links of these sites that something has changed for them.
    pub fn poke(&self, sites: &BTreeSet<SiteId>) {
        let register = self.lock();
        let installs = sites.iter().filter_map(|site| register.of_site.get(site)).flatten();
        for live in installs.filter_map(|install| register.live.get(install)) {
            live.poke.notify_one();
        }
    }

    /// Tells every link that something may have changed for it.
    pub fn poke_all(&self) {
        for live in self.lock().live.values() {
            live.poke.notify_one();
        }
    }

    /// Cuts the link of an installation; false when there is none.
    pub fn cut(&self, install: InstallId, code: RefusalCode) -> bool {
        let register = self.lock();
        let live = register.live.get(&install);
        if let Some(live) = live {
            live.cut.send_replace(Some(code));
        }
        live.is_some()
    }

    /// Cuts the links whose certificate has ended.
    pub(super) fn cut_outlived(&self, now: Timestamp) {
        for live in self.lock().live.values().filter(|live| now > live.not_after) {
            live.cut.send_replace(Some(RefusalCode::Certificate));
        }
    }

    /// What carries the link of an installation; none when it has none.
    pub fn transport(&self, install: InstallId) -> Option<Transport> {
        self.lock().live.get(&install).map(|live| live.transport)
    }

    /// Cuts every link.
    pub fn cut_all(&self, code: RefusalCode) {
        for live in self.lock().live.values() {
            live.cut.send_replace(Some(code));
        }
    }

    /// The installations that are on the line.
    pub fn installs(&self) -> BTreeSet<InstallId> {
        self.lock().live.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut register = self.links.lock();
        if register.live.get(&self.install).is_some_and(|live| live.number == self.number) {
            register.remove(self.install);
        }
        register.measure();
    }
}

impl Register {
    /// Puts a link in; the older one of the installation comes out.
    fn insert(&mut self, install: InstallId, live: Live) -> Option<Live> {
        let older = self.remove(install);
        self.of_site.entry(live.site).or_default().insert(install);
        self.over_tcp += usize::from(live.transport == Transport::Tcp);
        self.live.insert(install, live);
        older
    }

    fn remove(&mut self, install: InstallId) -> Option<Live> {
        let live = self.live.remove(&install)?;
        self.over_tcp -= usize::from(live.transport == Transport::Tcp);
        if let Some(installs) = self.of_site.get_mut(&live.site) {
            installs.remove(&install);
            if installs.is_empty() {
                self.of_site.remove(&live.site);
            }
        }
        Some(live)
    }

    fn measure(&self) {
        metrics::gauge!("hearth_hub_links").set(to_f64(self.live.len()));
        metrics::gauge!("hearth_hub_links_tcp").set(to_f64(self.over_tcp));
    }
}

fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_notice_reaches_every_live_link_of_its_site_and_no_other() {
        let links = Links::default();
        let (here, there) = ("VL1AB".parse().unwrap(), "VL2AB".parse().unwrap());
        let register =
            |install, site| links.register(InstallId(install), site, Transport::Quic, Timestamp(9));
        let replaced = register(1, here);
        let (first, second, other) = (register(1, here), register(2, here), register(3, there));
        drop(replaced);
        links.poke(&BTreeSet::from([here]));
        first.poke.notified().await;
        second.poke.notified().await;
        assert!(futures_util::FutureExt::now_or_never(other.poke.notified()).is_none());
        drop((first, second));
        assert_eq!(links.installs(), BTreeSet::from([InstallId(3)]));
        links.cut_outlived(Timestamp(9));
        assert_eq!(*other.cut.borrow(), None);
        links.cut_outlived(Timestamp(10));
        assert_eq!(*other.cut.borrow(), Some(RefusalCode::Certificate));
    }

    #[test]
    fn an_installation_that_is_behind_and_does_not_move_is_seen() {
        let links = Links::default();
        let install = InstallId(1);
        let at = |minute: i64| Timestamp(minute * 60_000);
        assert_eq!(links.note_place(install, Some(FeedNumber(3)), at(0)), 0);
        assert_eq!(links.behind_since(install), None, "who is not connected is away, not stuck");
        let _registered = links.register(install, "VL1AB".parse().unwrap(), Transport::Quic, at(100));
        assert_eq!(links.note_place(install, Some(FeedNumber(3)), at(1)), 0);
        assert_eq!(links.note_place(install, Some(FeedNumber(3)), at(3)), 120_000);
        assert_eq!(links.behind_since(install), Some(at(1)));
        assert_eq!(links.note_place(install, Some(FeedNumber(4)), at(4)), 0);
        assert_eq!(links.behind_since(install), Some(at(4)));
        links.note_place(install, None, at(5));
        assert_eq!(links.behind_since(install), None);
    }
}
