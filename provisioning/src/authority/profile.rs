//! What every certificate has in common.

use hearth_protocol::time::Timestamp;
use rand::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, SerialNumber,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{AuthorityError, BACKDATE_MS};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// When a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl Validity {
    /// From a little before `now`, for a number of days.
    pub(super) fn days(now: Timestamp, days: i64) -> Self {
        Self { not_before: now.plus_ms(-BACKDATE_MS), not_after: now.plus_ms(days * DAY_MS) }
    }

    /// As it stands in a certificate.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let moment = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp().saturating_mul(1000));
        let validity = certificate.validity();
        Self { not_before: moment(validity.not_before), not_after: moment(validity.not_after) }
    }

    /// Whether `now` lies in it.
    pub(super) fn contains(self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The part of it that its issuer's certificate covers too: no certificate outlives its issuer.
    pub(super) fn within(self, issuer: Self) -> Self {
        Self {
            not_before: self.not_before.max(issuer.not_before),
            not_after: self.not_after.min(issuer.not_after),
        }
    }
}

/// The parameters of a certificate with this name and a fresh serial number, and no rights yet.
pub(super) fn certificate(
    common_name: &str,
    validity: Validity,
    rng: &mut impl CryptoRng,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = moment(validity.not_before)?;
    params.not_after = moment(validity.not_after)?;
    params.serial_number = Some(serial_number(rng));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Makes the certificate an authority's, with at most this many authorities below it.
pub(super) fn authority(params: &mut CertificateParams, below: u8) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
}

/// Makes the certificate that of one end of a connection.
pub(super) fn end_entity(params: &mut CertificateParams, usage: rcgen::ExtendedKeyUsagePurpose) {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
}

/// The certificate in this DER, whole.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, AuthorityError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(AuthorityError::Foreign("not an X.509 certificate")),
    }
}

fn moment(at: Timestamp) -> Result<time::OffsetDateTime, AuthorityError> {
    time::OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000)).map_err(|_| AuthorityError::NotValidNow)
}

/// 126 random bits, positive and never zero, as RFC 5280 asks.
fn serial_number(rng: &mut impl CryptoRng) -> SerialNumber {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}
