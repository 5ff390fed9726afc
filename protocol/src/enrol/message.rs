//! The two messages of an enrolment. Limits are checked on the way in, before anything is done with them.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use uuid::Uuid;

use super::proof::{Proof, TokenId};
use crate::access::SiteKind;
use crate::id::{InstallId, SiteId};
use crate::time::Timestamp;
use crate::wire::limits;

/// What a node asks to have signed: at its enrolment, and at each renewal over the session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SigningRequests {
    /// PKCS #10 request of the identity key, which is Ed25519. Only the public key is taken from it.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub csr: Vec<u8>,
    /// PKCS #10 request of the key of the LAN pages, which is ECDSA P-256.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub web_csr: Vec<u8>,
    /// Further names and addresses by which tablets reach the node. The hub grants those that the region's web
    /// authority may sign, and always adds the site's own name.
    #[n(2)]
    pub web_names: Vec<String>,
}

/// A node asks to belong to the region.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EnrolRequest {
    /// Which invite.
    #[n(0)]
    pub token: TokenId,
    /// Proof of its secret, over this connection and `requests`.
    #[n(1)]
    pub proof: Proof,
    /// What is to be signed.
    #[n(2)]
    pub requests: SigningRequests,
    /// Name and version of the node's software, such as `hearth-node 0.1.0`.
    #[n(3)]
    pub software: String,
}

/// The hub's answer to an [`EnrolRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EnrolReply {
    /// The node belongs to the region, and the invite is used up.
    #[n(0)]
    Granted(#[n(0)] Box<Granted>),
    /// It does not.
    #[n(1)]
    Refused(#[n(0)] Refused),
}

/// Who the node now is, and what it needs to be it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Granted {
    /// The installation: fresh at every enrolment.
    #[n(0)]
    pub install: InstallId,
    /// The site.
    #[n(1)]
    pub site: SiteId,
    /// What the site is.
    #[n(2)]
    pub kind: SiteKind,
    /// The site's name, for people.
    #[n(3)]
    pub site_name: String,
    /// The region, and the name space of the identifiers given outside.
    #[cbor(n(4), with = "uuid_bytes")]
    pub region: Uuid,
    /// The region's name, for people.
    #[n(5)]
    pub region_name: String,
    /// Where the region's hubs listen, as `host:port`.
    #[n(6)]
    pub addresses: Vec<String>,
    /// The DNS name in the hub's identity certificate.
    #[n(7)]
    pub server_name: String,
    /// The certificates.
    #[n(8)]
    pub certificates: Certificates,
    /// The hub's time when it answered.
    #[n(9)]
    pub time: Timestamp,
}

/// What the hub signed, as DER: at an enrolment and at each renewal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Certificates {
    /// The node's identity certificate, then its issuer.
    #[n(0)]
    pub identity_chain: Vec<ByteVec>,
    /// The identity roots to trust; two while one is replaced.
    #[n(1)]
    pub identity_roots: Vec<ByteVec>,
    /// The certificate of the LAN pages, without its root.
    #[n(2)]
    pub web_chain: Vec<ByteVec>,
    /// The roots of the web authority, for the site's tablets to install.
    #[n(3)]
    pub web_roots: Vec<ByteVec>,
}

/// Why the hub refuses.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Refused {
    /// The reason, for software.
    #[n(0)]
    pub code: RefusalCode,
    /// The reason and what to do, for the person at the node.
    #[n(1)]
    pub message: String,
}

/// The reasons for refusing an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusalCode {
    /// The hub has no such invite, or the proof of its secret does not hold: a stranger is not told which.
    #[n(0)]
    UnknownInvite,
    /// The invite was used.
    #[n(1)]
    Used,
    /// The invite is void: its time is over.
    #[n(2)]
    Over,
    /// The invite or its site was revoked.
    #[n(3)]
    Revoked,
    /// A signing request is not sound.
    #[n(4)]
    BadRequest,
    /// The hub cannot answer now: try again later with the same invite.
    #[n(5)]
    Busy,
}

/// Why the bytes of a message were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolMessageError {
    /// The bytes are not the message.
    #[error("the bytes are not a message of an enrolment")]
    Malformed,
    /// A part is longer than its limit.
    #[error("the message of an enrolment is over its limits")]
    TooLong,
}

impl EnrolRequest {
    /// The bytes of the request.
    pub fn to_bytes(&self) -> Vec<u8> {
        encoded(self)
    }

    /// The request of these bytes, within its limits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnrolMessageError> {
        let request: Self = decoded(bytes, limits::ENROL_REQUEST_BYTES_MAX)?;
        let sound = request.requests.is_within_limits() && is_name(&request.software);
        sound.then_some(request).ok_or(EnrolMessageError::TooLong)
    }
}

impl EnrolReply {
    /// The bytes of the reply.
    pub fn to_bytes(&self) -> Vec<u8> {
        encoded(self)
    }

    /// The reply of these bytes, within its limits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnrolMessageError> {
        let reply: Self = decoded(bytes, limits::ENROL_REPLY_BYTES_MAX)?;
        let sound = match &reply {
            Self::Granted(granted) => granted.is_within_limits(),
            Self::Refused(refused) => refused.message.len() <= limits::CERTIFICATE_BYTES_MAX,
        };
        sound.then_some(reply).ok_or(EnrolMessageError::TooLong)
    }
}

impl SigningRequests {
    /// Whether every part is within the limits of [`limits`].
    pub fn is_within_limits(&self) -> bool {
        self.csr.len() <= limits::CERTIFICATE_BYTES_MAX
            && self.web_csr.len() <= limits::CERTIFICATE_BYTES_MAX
            && self.web_names.len() <= limits::WEB_NAMES_MAX
            && self.web_names.iter().all(|name| is_name(name))
    }
}

impl Certificates {
    /// Whether every part is within the limits of [`limits`].
    pub fn is_within_limits(&self) -> bool {
        [&self.identity_chain, &self.identity_roots, &self.web_chain, &self.web_roots].into_iter().all(
            |list| {
                list.len() <= limits::CERTIFICATES_MAX
                    && list.iter().all(|der| der.len() <= limits::CERTIFICATE_BYTES_MAX)
            },
        )
    }
}

impl Granted {
    fn is_within_limits(&self) -> bool {
        let names = [&self.site_name, &self.region_name, &self.server_name];
        self.certificates.is_within_limits()
            && self.addresses.len() <= limits::HUB_ADDRESSES_MAX
            && self.addresses.iter().chain(names).all(|name| is_name(name))
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= limits::NAME_BYTES_MAX
}

/// Writing to memory cannot fail, and no encoder of ours refuses a value.
fn encoded<T: Encode<()>>(message: &T) -> Vec<u8> {
    minicbor::to_vec(message).unwrap_or_default()
}

fn decoded<T: for<'b> Decode<'b, ()>>(bytes: &[u8], bytes_max: usize) -> Result<T, EnrolMessageError> {
    if bytes.len() > bytes_max {
        return Err(EnrolMessageError::TooLong);
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().map_err(|_| EnrolMessageError::Malformed)?;
    (decoder.position() == bytes.len()).then_some(message).ok_or(EnrolMessageError::Malformed)
}

/// A UUID as 16 bytes.
mod uuid_bytes {
    use uuid::Uuid;

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        id: &Uuid,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(id.as_bytes())?;
        Ok(())
    }

    pub(super) fn decode<C>(
        d: &mut minicbor::Decoder<'_>,
        _: &mut C,
    ) -> Result<Uuid, minicbor::decode::Error> {
        Uuid::from_slice(d.bytes()?).map_err(|_| minicbor::decode::Error::message("length of a UUID"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> EnrolRequest {
        EnrolRequest {
            token: TokenId([1; 16]),
            proof: Proof([2; 64]),
            requests: SigningRequests {
                csr: vec![3; 200],
                web_csr: vec![4; 300],
                web_names: vec!["10.0.0.9".to_owned()],
            },
            software: "hearth-node 0.1.0".to_owned(),
        }
    }

    fn granted() -> Granted {
        let one = |byte| vec![ByteVec::from(vec![byte; 400])];
        Granted {
            install: InstallId(17),
            site: "VL1AB".parse().unwrap(),
            kind: SiteKind::Pharmacy,
            site_name: "Rose Court".to_owned(),
            region: Uuid::from_u128(5),
            region_name: "North Vale".to_owned(),
            addresses: vec!["hub.example.test:4433".to_owned()],
            server_name: "hub.hearth.internal".to_owned(),
            certificates: Certificates {
                identity_chain: one(1),
                identity_roots: one(2),
                web_chain: one(3),
                web_roots: one(4),
            },
            time: Timestamp(1_700_000_000_000),
        }
    }

    #[test]
    fn the_messages_read_back() {
        assert_eq!(EnrolRequest::from_bytes(&request().to_bytes()), Ok(request()));
        let refused = Refused { code: RefusalCode::Used, message: "Ask for a new invite.".to_owned() };
        for reply in [EnrolReply::Granted(Box::new(granted())), EnrolReply::Refused(refused)] {
            assert_eq!(EnrolReply::from_bytes(&reply.to_bytes()), Ok(reply));
        }
    }

    #[test]
    fn messages_over_their_limits_are_refused() {
        let changes: [fn(&mut EnrolRequest); 4] = [
            |r| r.requests.csr = vec![0; limits::CERTIFICATE_BYTES_MAX + 1],
            |r| r.requests.web_names = vec![String::new(); limits::WEB_NAMES_MAX + 1],
            |r| r.software = "x".repeat(limits::NAME_BYTES_MAX + 1),
            |r| r.requests.web_csr = vec![0; limits::ENROL_REQUEST_BYTES_MAX],
        ];
        for change in changes {
            let mut over = request();
            change(&mut over);
            assert_eq!(EnrolRequest::from_bytes(&over.to_bytes()), Err(EnrolMessageError::TooLong));
        }
        let mut over = granted();
        over.certificates.web_roots = vec![ByteVec::from(Vec::new()); limits::CERTIFICATES_MAX + 1];
        let bytes = EnrolReply::Granted(Box::new(over)).to_bytes();
        assert_eq!(EnrolReply::from_bytes(&bytes), Err(EnrolMessageError::TooLong));
    }

    #[test]
    fn bytes_after_a_message_are_refused() {
        let mut bytes = request().to_bytes();
        bytes.push(0);
        assert_eq!(EnrolRequest::from_bytes(&bytes), Err(EnrolMessageError::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(request) = EnrolRequest::from_bytes(&bytes) {
                prop_assert_eq!(EnrolRequest::from_bytes(&request.to_bytes()), Ok(request));
            }
            if let Ok(reply) = EnrolReply::from_bytes(&bytes) {
                prop_assert_eq!(EnrolReply::from_bytes(&reply.to_bytes()), Ok(reply));
            }
        }
    }
}
