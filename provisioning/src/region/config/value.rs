//! The values of a configuration that are more than text: each is checked where it is read.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A name for people.
pub(super) struct Name(pub(super) String);

impl Name {
    pub(super) const FORM: &str = "a text of 1 to 200 characters";
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let sound = !text.trim().is_empty() && text.len() <= 200 && !text.chars().any(char::is_control);
        sound.then(|| Self(text.to_owned())).ok_or(())
    }
}

/// A name that stands in paths.
pub(super) struct Label(pub(super) String);

impl FromStr for Label {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let sound = (1..=40).contains(&text.len()) && text.bytes().all(letter);
        sound.then(|| Self(text.to_owned())).ok_or(())
    }
}

/// A DNS name.
pub(super) struct HostName(pub(super) String);

impl FromStr for HostName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        is_host_name(text).then(|| Self(text.to_owned())).ok_or(())
    }
}

/// A SHA-256.
pub(super) struct Digest(pub(super) [u8; 32]);

impl FromStr for Digest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(drop)?;
        bytes.try_into().map(Self).map_err(drop)
    }
}

/// The base URL of a FHIR server.
pub(super) struct BaseUrl(pub(super) String);

impl BaseUrl {
    pub(super) fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether what is sent there is encrypted, or stays on this computer.
    pub(super) fn keeps_a_secret(&self) -> bool {
        let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
        self.is_https() || local.iter().any(|start| self.0.starts_with(start))
    }
}

impl FromStr for BaseUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = reqwest::Url::parse(text).map_err(drop)?;
        let sound = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        sound.then(|| Self(text.trim_end_matches('/').to_owned())).ok_or(())
    }
}

/// Whether a text is a DNS name or an IP address.
pub(in crate::region) fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_host_name(text)
}

/// Whether a text is `host:port`, with IPv6 addresses in brackets.
pub(in crate::region) fn is_host_and_port(text: &str) -> bool {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.port() != 0;
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    is_host_name(host) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// Whether a text is a DNS name.
pub(in crate::region) fn is_host_name(text: &str) -> bool {
    let sound = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(sound) && text.parse::<IpAddr>().is_err()
}
