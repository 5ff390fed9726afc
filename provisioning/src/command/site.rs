//! `hearth site`: the care homes and pharmacies of the region.

use std::path::PathBuf;

use hearth_protocol::access::SiteKind;
use hearth_protocol::enrol::Invite;
use hearth_protocol::id::{InstallId, SiteId};
use hearth_provisioning::api::{
    AddSite, INVITE_HOURS, InviteAgain, IssuedInvite, Path, RevokeSite, Site as SiteRow, SiteDetail,
    SiteInvited, SiteList, SiteRevoked,
};
use hearth_provisioning::file::{self, Readers};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use reqwest::Method;

use super::Session;
use crate::failure::{Exit, Failure};
use crate::{input, output};

/// Add, list, show, invite and revoke sites
#[derive(clap::Subcommand)]
pub(crate) enum Site {
    /// Add a site and print its invite, which works once
    #[command(after_help = "\
Examples:
  hearth site add VL1AB --kind care-home --name 'Rose Court' --qr
  hearth site add FQ123 --kind pharmacy --name 'High Street Pharmacy' --out invite.txt")]
    Add(Add),
    /// List the sites
    #[command(after_help = "Examples:\n  hearth site list\n  hearth site list --json | jq -r '.sites[].ods'")]
    List,
    /// Show a site, its installations and its invites
    #[command(after_help = "Examples:\n  hearth site show VL1AB")]
    Show {
        /// The site's ODS code
        ods: SiteId,
    },
    /// Print another invite for a site: for a new computer, or when the first one's time is over
    #[command(after_help = "Examples:\n  hearth site invite VL1AB --hours 4 --qr")]
    Invite(InviteSite),
    /// End a site's part in the region, at once and for ever
    ///
    /// Live connections are cut, and no certificate of the site is accepted again. What it wrote stays.
    #[command(after_help = "\
Examples:
  hearth site revoke VL1AB --reason 'computer stolen' --dry-run
  hearth site revoke VL1AB --reason 'computer stolen' --confirm VL1AB
  hearth site revoke VL1AB --install 0a1b2c3d --reason 'disk was copied' --confirm VL1AB")]
    Revoke(Revoke),
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// The site's ODS code, such as VL1AB
    ods: SiteId,
    /// care-home or pharmacy
    #[arg(long)]
    kind: SiteKind,
    /// The site's name, for people
    #[arg(long)]
    name: String,
    #[command(flatten)]
    invite: InviteOptions,
}

#[derive(clap::Args)]
pub(crate) struct InviteSite {
    /// The site's ODS code
    ods: SiteId,
    #[command(flatten)]
    invite: InviteOptions,
}

/// How an invite is made and handed over.
#[derive(clap::Args)]
struct InviteOptions {
    /// How long the invite can be used, in hours, 1 to 72 [default: 24]
    #[arg(long, value_parser = clap::value_parser!(u32).range(i64::from(*INVITE_HOURS.start())..=i64::from(*INVITE_HOURS.end())))]
    hours: Option<u32>,
    /// Show the invite as a QR code too
    #[arg(long)]
    qr: bool,
    /// Write the invite to this file, which only you can read, and not to the terminal
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Revoke {
    /// The site's ODS code
    ods: SiteId,
    /// Why, for the audit
    #[arg(long)]
    reason: String,
    /// One installation, instead of the whole site
    #[arg(long)]
    install: Option<InstallId>,
    /// The ODS code once more
    #[arg(long, value_name = "ODS")]
    confirm: Option<SiteId>,
    /// Show what would be revoked, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(session: &Session, command: Site) -> Result<(), Failure> {
    match command {
        Site::Add(add) => self::add(session, &add).await,
        Site::List => list(session).await,
        Site::Show { ods } => show(session, ods).await,
        Site::Invite(command) => invite(session, &command).await,
        Site::Revoke(command) => revoke(session, &command).await,
    }
}

async fn add(session: &Session, command: &Add) -> Result<(), Failure> {
    let body = AddSite {
        ods: command.ods,
        kind: command.kind,
        name: command.name.clone(),
        invite_hours: command.invite.hours,
    };
    let added: SiteInvited = session.client()?.send(Method::POST, &Path::plain(Path::SITES), &body).await?;
    output::words(format!("{} is added: {}.", added.site.ods, added.site.name))?;
    hand_over(session, &added, &command.invite)
}

async fn invite(session: &Session, command: &InviteSite) -> Result<(), Failure> {
    let path = Path::of_site(Path::SITE_INVITES, command.ods);
    let body = InviteAgain { hours: command.invite.hours };
    let invited: SiteInvited = session.client()?.send(Method::POST, &path, &body).await?;
    hand_over(session, &invited, &command.invite)
}

fn hand_over(session: &Session, invited: &SiteInvited, options: &InviteOptions) -> Result<(), Failure> {
    let IssuedInvite { text, not_after, .. } = &invited.invite;
    // An invite that the node could not read is better found here than at the site.
    let invite: Invite = text.parse()?;
    let site = invited.site.ods;
    if let Some(file) = &options.out {
        file::write(file, format!("{text}\n").as_bytes(), Readers::Owner)?;
        output::words(format!("The invite is in {}.", file.display()))?;
    } else {
        session.output.data(invited, |_| text.clone())?;
    }
    if options.qr {
        output::words(qr(&invite)?)?;
    }
    output::words(format!(
        "\nAt {site}, run `hearth-node enrol` and paste it. It works once, until {}. Whoever has it can be {site}:\n\
         hand it over as you would a key.",
        output::moment(*not_after)
    ))
}

/// The code in half blocks, black on white whatever the terminal's colours: scanners refuse the reverse.
fn qr(invite: &Invite) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(invite.to_qr_text(), qrcode::EcLevel::L)?;
    let mut picture = code.render::<Dense1x2>();
    picture.dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).quiet_zone(true);
    let lines = picture.build();
    let black_on_white = lines.lines().map(|line| format!("\u{1b}[38;5;16;48;5;231m{line}\u{1b}[0m"));
    Ok(black_on_white.collect::<Vec<String>>().join("\n"))
}

async fn list(session: &Session) -> Result<(), Failure> {
    let sites: SiteList = session.client()?.get(&Path::plain(Path::SITES), &()).await?;
    session.output.data(&sites, |sites| {
        let rows = sites.sites.iter().map(|site| {
            let (ods, kind, residents) =
                (site.ods.to_string(), site.kind.to_string(), site.residents.to_string());
            vec![
                ods,
                kind,
                state_of(site).to_owned(),
                residents,
                output::dash(site.install),
                site.name.clone(),
            ]
        });
        output::table(&["ods", "kind", "state", "residents", "install", "name"], rows)
    })?;
    if sites.sites.is_empty() {
        output::words("There is no site yet. `hearth site add` makes one.")?;
    }
    Ok(())
}

fn state_of(site: &SiteRow) -> &'static str {
    match (site.revoked, site.install) {
        (Some(_), _) => "revoked",
        (None, Some(_)) => "enrolled",
        (None, None) => "invited",
    }
}

async fn show(session: &Session, ods: SiteId) -> Result<(), Failure> {
    let detail: SiteDetail = session.client()?.get(&Path::of_site(Path::SITE, ods), &()).await?;
    session.output.data(&detail, describe)
}

fn describe(detail: &SiteDetail) -> String {
    let site = &detail.site;
    let fields = output::fields(&[
        ("site", format!("{} ({})", site.name, site.ods)),
        ("kind", site.kind.to_string()),
        ("state", state_of(site).to_owned()),
        ("added", output::moment(site.added)),
        ("residents", site.residents.to_string()),
        ("staff", detail.staff.to_string()),
    ]);
    let installs = detail.installs.iter().map(|install| {
        let (enrolled, ends) = (output::moment(install.enrolled), output::moment(install.certificate_ends));
        let (contact, software) =
            (output::maybe(install.last_contact), output::dash(install.software.clone()));
        vec![install.install.to_string(), word(&install.state), enrolled, contact, ends, software]
    });
    let header = ["install", "state", "enrolled", "last contact", "certificate ends", "software"];
    let invites = detail.invites.iter().map(|invite| {
        let (made, ends) = (output::moment(invite.made), output::moment(invite.not_after));
        vec![invite.token.to_string(), word(&invite.state), made, ends, output::dash(invite.install)]
    });
    let invites = output::table(&["invite", "state", "made", "until", "used by"], invites);
    format!("{fields}\n\n{}\n\n{invites}", output::table(&header, installs))
}

/// The name of a kind, as JSON writes it.
fn word(kind: &impl serde::Serialize) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => "-".to_owned(),
    }
}

async fn revoke(session: &Session, command: &Revoke) -> Result<(), Failure> {
    let client = session.client()?;
    if command.dry_run {
        let detail: SiteDetail = client.get(&Path::of_site(Path::SITE, command.ods), &()).await?;
        output::words("This is what would be revoked. Nothing was changed.")?;
        return session.output.data(&detail, describe);
    }
    let confirm = confirmed(session, command)?;
    let body = RevokeSite { confirm, reason: command.reason.clone(), install: command.install };
    let path = Path::of_site(Path::SITE_REVOKE, command.ods);
    let revoked: SiteRevoked = client.send(Method::POST, &path, &body).await?;
    session.output.data(&revoked, |revoked| {
        let installs: Vec<String> = revoked.installs.iter().map(InstallId::to_string).collect();
        output::fields(&[
            ("revoked", revoked.ods.to_string()),
            ("installs", installs.join(", ")),
            ("connections cut", revoked.connections_cut.to_string()),
            ("invites revoked", revoked.invites_revoked.to_string()),
        ])
    })
}

fn confirmed(session: &Session, command: &Revoke) -> Result<SiteId, Failure> {
    let ods = command.ods;
    let hint = format!("Add --confirm {ods} to revoke it, or --dry-run to see what would go.");
    let typed = match command.confirm {
        Some(confirm) => Some(confirm.to_string()),
        None => input::typed(
            &format!("Revoking {ods} cannot be undone. Type {ods} to go on:"),
            session.globals.no_input,
        )?,
    };
    match typed {
        Some(typed) if typed == ods.as_str() => Ok(ods),
        Some(_) => {
            Err(Failure::new(Exit::Refused, format!("What was confirmed is not {ods}. Nothing was changed."))
                .hint(hint))
        }
        None => Err(Failure::new(
            Exit::Refused,
            format!("Revoking {ods} needs confirmation. Nothing was changed."),
        )
        .hint(hint)),
    }
}
