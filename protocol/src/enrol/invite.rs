//! The invite as text that people copy, scan or type.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_VISUAL};
use minicbor::{Decode, Encode};

use super::proof::{InviteSecret, TokenId};
use crate::id::SiteId;
use crate::time::Timestamp;
use crate::wire::limits;

/// What every invite of this form begins with.
pub const INVITE_PREFIX: &str = "hearth-invite-1-";

/// What every invite of any form begins with.
const FAMILY: &str = "hearth-invite-";

/// Bytes of the checksum that tells a slip of the finger from a wrong invite.
const CHECKSUM_BYTES: usize = 4;

/// Everything that a fresh node needs to find its region and prove that it was asked for.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Invite {
    /// Where the hub listens, as `host:port`, the best first.
    #[n(0)]
    pub addresses: Vec<String>,
    /// The DNS name in the hub's identity certificate.
    #[n(1)]
    pub server_name: String,
    /// The region's name, for people.
    #[n(2)]
    pub region_name: String,
    /// SHA-256 of the identity root's DER.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub root_fingerprint: [u8; 32],
    /// Which invite this is, as the hub lists it.
    #[n(4)]
    pub token: TokenId,
    /// What only the hub and the holder of the invite know.
    #[n(5)]
    pub secret: InviteSecret,
    /// The site that the node will be.
    #[n(6)]
    pub site: SiteId,
    /// The invite is void after this moment.
    #[n(7)]
    pub not_after: Timestamp,
}

/// Never the secret: what is printed for debugging may reach a log.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite").field("token", &self.token).field("site", &self.site).finish_non_exhaustive()
    }
}

/// Why a text is not an invite that can be used, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// The text is something else.
    #[error("this is not an invite: an invite begins with {INVITE_PREFIX}")]
    NotAnInvite,
    /// The text is an invite of a later form.
    #[error("this invite is of a newer form than this software knows: update hearth-node and try again")]
    TooNew,
    /// A character that no invite has.
    #[error("character {0} of the invite is none that an invite has: copy the invite again")]
    Character(usize),
    /// The checksum does not fit.
    #[error("the invite was mistyped or is not complete: copy all of it again, or scan its code")]
    Mistyped,
    /// The text is far longer than an invite.
    #[error("this is longer than any invite: copy the invite alone")]
    TooLong,
    /// The checksum fits and the content does not.
    #[error("the invite is whole but makes no sense to this software: ask the hub for a new one")]
    Malformed,
}

impl Invite {
    /// The invite in capitals, in which it makes the smallest QR code; it reads back the same.
    pub fn to_qr_text(&self) -> String {
        self.to_string().to_ascii_uppercase()
    }

    /// Whether the invite is void at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now > self.not_after
    }

    fn is_sound(&self) -> bool {
        let named = |name: &str| !name.is_empty() && name.len() <= limits::NAME_BYTES_MAX;
        (1..=limits::HUB_ADDRESSES_MAX).contains(&self.addresses.len())
            && self.addresses.iter().all(|address| named(address))
            && named(&self.server_name)
            && named(&self.region_name)
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = minicbor::to_vec(self).map_err(|_| fmt::Error)?;
        bytes.extend(checksum(&bytes));
        f.write_str(INVITE_PREFIX)?;
        f.write_str(&BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    /// Capitals, white space and line breaks anywhere are let pass, and `0`, `1` and `8` stand for `O`, `I` and `B`.
    fn from_str(text: &str) -> Result<Self, InviteError> {
        let body = body_of(text)?;
        let bytes = BASE32_NOPAD_VISUAL.decode(body.as_bytes()).map_err(|fault| match fault.kind {
            data_encoding::DecodeKind::Symbol => {
                InviteError::Character(INVITE_PREFIX.len() + fault.position + 1)
            }
            data_encoding::DecodeKind::Length
            | data_encoding::DecodeKind::Trailing
            | data_encoding::DecodeKind::Padding => InviteError::Mistyped,
        })?;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(InviteError::Mistyped)?;
        if checksum(content) != *sum {
            return Err(InviteError::Mistyped);
        }
        let mut decoder = minicbor::Decoder::new(content);
        let invite: Self = decoder.decode().map_err(|_| InviteError::Malformed)?;
        let whole = decoder.position() == content.len();
        (whole && invite.is_sound()).then_some(invite).ok_or(InviteError::Malformed)
    }
}

/// The part after the prefix, in capitals and without white space.
fn body_of(text: &str) -> Result<String, InviteError> {
    if text.len() > limits::INVITE_CHARS_MAX {
        return Err(InviteError::TooLong);
    }
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
    if let Some(body) = plain.strip_prefix(&INVITE_PREFIX.to_ascii_uppercase()) {
        return Ok(body.to_owned());
    }
    let form = plain.strip_prefix(&FAMILY.to_ascii_uppercase()).and_then(|rest| rest.split_once('-'));
    match form {
        Some((version, _)) if version.parse::<u32>().is_ok() => Err(InviteError::TooNew),
        Some(_) | None => Err(InviteError::NotAnInvite),
    }
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::derive_key("hearth 2026-11 checksum of an invite", content);
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_invite() -> impl Strategy<Value = Invite> {
        let names =
            (prop::collection::vec("[a-z0-9.]{1,40}:[0-9]{1,5}", 1..4), "[a-z.]{1,60}", "[ -~é]{1,30}");
        let keys = (any::<[u8; 32]>(), any::<[u8; 16]>(), any::<[u8; 32]>());
        (names, keys, "[A-Z0-9]{1,12}", any::<i64>()).prop_map(|(names, keys, site, not_after)| Invite {
            addresses: names.0,
            server_name: names.1,
            region_name: names.2,
            root_fingerprint: keys.0,
            token: TokenId(keys.1),
            secret: InviteSecret::from_bytes(keys.2),
            site: site.parse().unwrap(),
            not_after: Timestamp(not_after),
        })
    }

    fn invite() -> Invite {
        Invite {
            addresses: vec!["hub.example.test:4433".to_owned()],
            server_name: "hub.hearth.internal".to_owned(),
            region_name: "North Vale".to_owned(),
            root_fingerprint: [7; 32],
            token: TokenId([9; 16]),
            secret: InviteSecret::from_bytes([3; 32]),
            site: "VL1AB".parse().unwrap(),
            not_after: Timestamp(1_700_000_000_000),
        }
    }

    proptest! {
        #[test]
        fn an_invite_reads_back_however_it_is_wrapped(invite in any_invite(), width in 1usize..80) {
            let text = invite.to_string();
            prop_assert_eq!(text.parse::<Invite>(), Ok(invite.clone()));
            prop_assert_eq!(invite.to_qr_text().parse::<Invite>(), Ok(invite.clone()));
            let wrapped: Vec<&str> = text.as_bytes().chunks(width).map(|c| std::str::from_utf8(c).unwrap()).collect();
            prop_assert_eq!(wrapped.join("\r\n  ").parse::<Invite>(), Ok(invite));
        }

        #[test]
        fn one_wrong_character_is_called_a_slip(invite in any_invite(), at: prop::sample::Index, to in "[a-z2-7]") {
            let text = invite.to_string();
            let at = INVITE_PREFIX.len() + at.index(text.len() - INVITE_PREFIX.len());
            prop_assume!(text[at..=at] != to);
            let mistyped = format!("{}{to}{}", &text[..at], &text[at + 1..]);
            prop_assert_eq!(mistyped.parse::<Invite>(), Err(InviteError::Mistyped));
        }

        #[test]
        fn a_cut_invite_is_called_incomplete(invite in any_invite(), keep: prop::sample::Index) {
            let text = invite.to_string();
            let keep = INVITE_PREFIX.len() + keep.index(text.len() - INVITE_PREFIX.len());
            prop_assert_eq!(text[..keep].parse::<Invite>(), Err(InviteError::Mistyped));
        }

        #[test]
        fn any_text_is_an_invite_or_an_error(text in "(hearth-invite-1-)?\\PC{0,200}") {
            if let Ok(invite) = text.parse::<Invite>() {
                prop_assert_eq!(invite.to_string().parse(), Ok(invite));
            }
        }
    }

    #[test]
    fn other_texts_are_told_apart() {
        assert_eq!("ghp_abcdef".parse::<Invite>(), Err(InviteError::NotAnInvite));
        assert_eq!("".parse::<Invite>(), Err(InviteError::NotAnInvite));
        assert_eq!("hearth-invite-2-abcdefgh".parse::<Invite>(), Err(InviteError::TooNew));
        assert_eq!("hearth-invite-1-ab!d".parse::<Invite>(), Err(InviteError::Character(19)));
        assert_eq!("x".repeat(5000).parse::<Invite>(), Err(InviteError::TooLong));
    }

    #[test]
    fn debugging_output_keeps_the_secret() {
        let shown = format!("{:?} {:?}", invite(), invite().secret);
        assert!(!shown.contains('3'), "{shown}");
    }

    #[test]
    fn an_invite_ends() {
        let end = invite().not_after;
        assert!(!invite().is_over(end));
        assert!(invite().is_over(end.plus_ms(1)));
    }
}
