//! Sites: add, list, show, invite again, revoke.

use hearth_protocol::access::SiteKind;
use hearth_protocol::enrol::TokenId;
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// A new site, which is invited at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddSite {
    /// Its ODS code.
    pub ods: SiteId,
    /// What it is.
    pub kind: SiteKind,
    /// Its name, for people.
    pub name: String,
    /// Life of the invite in hours; [`super::INVITE_HOURS_DEFAULT`] when absent.
    #[serde(default)]
    pub invite_hours: Option<u32>,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its ODS code.
    pub ods: SiteId,
    /// What it is.
    pub kind: SiteKind,
    /// Its name.
    pub name: String,
    /// When it was added.
    #[serde(with = "rfc3339")]
    pub added: Timestamp,
    /// When it was revoked; null while it may take part.
    #[serde(with = "rfc3339::option", default)]
    pub revoked: Option<Timestamp>,
    /// Its installation, if one is enrolled and not revoked.
    pub install: Option<InstallId>,
    /// How many residents it is granted.
    pub residents: u64,
}

/// Every site of the region, by ODS code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteList {
    /// The sites.
    pub sites: Vec<Site>,
}

/// A site and an invite for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteInvited {
    /// The site.
    pub site: Site,
    /// The invite, shown this once.
    pub invite: IssuedInvite,
}

/// An invite with its secret, as it is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedInvite {
    /// Which invite it is in lists.
    pub token: TokenId,
    /// The text to give to `hearth-node enrol`.
    pub text: String,
    /// The invite is void after this.
    #[serde(with = "rfc3339")]
    pub not_after: Timestamp,
}

/// Never the text, which holds the secret.
impl std::fmt::Debug for IssuedInvite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedInvite").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Asks for another invite. Invites that are still open stay open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InviteAgain {
    /// Its life in hours; [`super::INVITE_HOURS_DEFAULT`] when absent.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// A site with its installations and invites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteDetail {
    /// The site.
    pub site: Site,
    /// Every installation that it ever had, newest first.
    pub installs: Vec<Install>,
    /// Its invites of the last 30 days, newest first.
    pub invites: Vec<InviteSummary>,
    /// How many staff it has that may sign in.
    pub staff: u64,
}

/// An installation of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// Its number.
    pub install: InstallId,
    /// Whether it may take part.
    pub state: InstallState,
    /// When it enrolled.
    #[serde(with = "rfc3339")]
    pub enrolled: Timestamp,
    /// When its certificate ends.
    #[serde(with = "rfc3339")]
    pub certificate_ends: Timestamp,
    /// SHA-256 of its certificate, as hexadecimal digits.
    pub certificate_fingerprint: String,
    /// Its software and version.
    pub software: Option<String>,
    /// When it was last heard.
    #[serde(with = "rfc3339::option", default)]
    pub last_contact: Option<Timestamp>,
    /// Why it was revoked or is held.
    pub reason: Option<String>,
}

/// Whether an installation may take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallState {
    /// It may.
    Active,
    /// A newer installation of the site took its place.
    Replaced,
    /// Its changes do not fit together, as those of a copied disk do; held for a person.
    Quarantined,
    /// It may not, for ever.
    Revoked,
}

/// An invite without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteSummary {
    /// Which invite.
    pub token: TokenId,
    /// What became of it.
    pub state: InviteState,
    /// When it was made.
    #[serde(with = "rfc3339")]
    pub made: Timestamp,
    /// It is void after this.
    #[serde(with = "rfc3339")]
    pub not_after: Timestamp,
    /// The installation that used it.
    pub install: Option<InstallId>,
}

/// What became of an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InviteState {
    /// It can be used.
    Open,
    /// It was used.
    Used,
    /// Its time is over.
    Over,
    /// It was taken back.
    Revoked,
    /// Its secret was guessed wrong too often.
    Burnt,
}

/// Ends a site's part in the region, or that of one of its installations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeSite {
    /// The site's ODS code once more, typed by the person who revokes.
    pub confirm: SiteId,
    /// Why, for the audit.
    pub reason: String,
    /// One installation; the whole site with its open invites when absent.
    #[serde(default)]
    pub install: Option<InstallId>,
}

/// What a revocation did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRevoked {
    /// The site.
    pub ods: SiteId,
    /// The installations that may no longer take part.
    pub installs: Vec<InstallId>,
    /// How many live connections were cut.
    pub connections_cut: u64,
    /// How many open invites were taken back.
    pub invites_revoked: u64,
}
