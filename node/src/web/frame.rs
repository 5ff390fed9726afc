//! What stands around every page: bar, places, sync strip, the tokens that forms need.

use hearth_protocol::access::SiteKind;
use hearth_protocol::record::Role;

use super::assets::AssetUrls;
use super::strip::Strip;

/// The places of the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What has to be done and read now.
    Today,
    /// Residents at a glance, and what belongs to one of them.
    Residents,
    /// The medicines round.
    Round,
    /// The handover of a shift.
    Handover,
    /// What is not of one resident and not of every hour.
    More,
    /// None of them.
    Elsewhere,
}

/// A place of the bar or a part of a record, as a page links to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where.
    pub href: String,
    /// What it is called.
    pub words: &'static str,
    /// Whether the page belongs to it.
    pub is_here: bool,
}

/// What stands around a page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What the page is, for the window and its history: never a name or an NHS number.
    pub title: String,
    /// Where files are found.
    pub assets: AssetUrls,
    /// The site's name.
    pub site: String,
    /// Home or pharmacy.
    pub kind: SiteKind,
    /// Who is signed in.
    pub who: Option<Who>,
    /// Which place is marked.
    pub place: Place,
    /// The parts of the record of the resident whom the page is about, as far as the person may see them.
    pub parts: Vec<Link>,
    /// What forms must carry.
    pub csrf: String,
    /// The sync strip.
    pub strip: Strip,
    /// Seconds without a touch after which the screen locks.
    pub idle_seconds: u32,
    /// Something that was just done.
    pub said: Option<Said>,
}

/// The person who is signed in, as the bar shows them.
#[derive(Clone, Debug)]
pub struct Who {
    /// Name.
    pub name: String,
    /// Role in words.
    pub role: &'static str,
}

/// Tells that what was sent is kept, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// In a few words.
    pub heading: String,
    /// More of it.
    pub text: String,
    /// Whether it asks for something to be done at once, so that it must not look as if all were well.
    pub urgent: bool,
}

impl Frame {
    /// The same frame with another title and place.
    #[must_use]
    pub fn titled(self, title: impl Into<String>, place: Place) -> Self {
        Self { title: title.into(), place, ..self }
    }

    /// The same frame, with `Error:` before its title: the first thing a screen reader says.
    #[must_use]
    pub fn with_problem(self) -> Self {
        Self { title: format!("Error: {}", self.title), ..self }
    }

    /// The places of the bar.
    pub fn places(&self) -> Vec<Link> {
        let is_home = self.kind == SiteKind::CareHome;
        let places = [
            (is_home, Place::Today, "/today", "Today"),
            (is_home, Place::Round, "/round", "Round"),
            (true, Place::Residents, "/residents", "Residents"),
            (is_home, Place::Handover, "/handover", "Handover"),
            (true, Place::More, "/more", "More"),
        ];
        let link = |(_, place, href, words): (bool, Place, &str, &'static str)| Link {
            href: href.to_owned(),
            words,
            is_here: place == self.place,
        };
        places.into_iter().filter(|(has, ..)| *has).map(link).collect()
    }
}

/// What staff call a role.
pub fn role_words(role: Role) -> &'static str {
    match role {
        Role::Carer => "Carer",
        Role::Senior => "Senior carer",
        Role::Nurse => "Nurse",
        Role::Manager => "Manager",
        Role::Pharmacist => "Pharmacist",
        Role::Technician => "Pharmacy technician",
        Role::Locum => "Locum pharmacist",
        Role::Administrator => "Administrator",
        Role::System => "System",
    }
}
