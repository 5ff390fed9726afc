//! Who signs heads: an installation as its certificate names it.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use uuid::Uuid;

use crate::id::{InstallId, SiteId};
use crate::wire::message::CertificateBytes;

/// The scheme and trust domain of every identity.
const URI_PREFIX: &str = "spiffe://hearth/";
/// Stands where a site's code would, in the name of the hub as a writer. No site's code has small letters.
const HUB: &str = "hub";

/// An installation and the certificates that say which key is its.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Signer {
    /// The installation.
    #[n(0)]
    pub install: InstallId,
    /// Its identity certificate and the issuers, DER, leaf first.
    #[n(1)]
    pub chain: Vec<CertificateBytes>,
}

/// The name of an installation in its certificate, as a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerName {
    /// The region.
    pub region: Uuid,
    /// The site; none for the hub.
    pub site: Option<SiteId>,
    /// The installation.
    pub install: InstallId,
}

/// The text is not the name of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an installation")]
pub struct SignerNameError;

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, site, install } = self;
        match site {
            Some(site) => write!(f, "{URI_PREFIX}{region}/{site}/{install}"),
            None => write!(f, "{URI_PREFIX}{region}/{HUB}/{install}"),
        }
    }
}

impl FromStr for SignerName {
    type Err = SignerNameError;

    /// Only the form that the authority writes is read, so that one installation has one name.
    fn from_str(text: &str) -> Result<Self, SignerNameError> {
        let mut parts = text.strip_prefix(URI_PREFIX).ok_or(SignerNameError)?.split('/');
        let mut next = || parts.next().ok_or(SignerNameError);
        let region = Uuid::parse_str(next()?).map_err(|_| SignerNameError)?;
        let site = match next()? {
            HUB => None,
            code => Some(code.parse().map_err(|_| SignerNameError)?),
        };
        let install = next()?.parse().map_err(|_| SignerNameError)?;
        let name = Self { region, site, install };
        (name.to_string() == text).then_some(name).ok_or(SignerNameError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_reads_back_in_its_one_form() {
        let region = Uuid::from_u128(5);
        for site in [Some("VL1AB".parse().unwrap()), None] {
            let name = SignerName { region, site, install: InstallId(0xab) };
            assert_eq!(name.to_string().parse(), Ok(name));
            assert_eq!(
                name.to_string().replace("000000ab", "000000AB").parse(),
                Err::<SignerName, _>(SignerNameError)
            );
            assert_eq!(format!("{name}/x").parse(), Err::<SignerName, _>(SignerNameError));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_an_error(text in "(spiffe://hearth/)?[0-9a-fA-F/hub-]{0,60}") {
            if let Ok(name) = text.parse::<SignerName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
