//! The messages of a session, ALPN `hearth/1`.

use minicbor::{Decode, Encode};
use uuid::Uuid;

use super::frame::FrameError;
use crate::audit::SignedCheckpoint;
use crate::document::StoredChange;
use crate::head::{ProvenRun, SignedHead, Signer, Voucher};
use crate::id::{BlobId, ChangeHash, InstallId, ResidentId, SiteId};
use crate::scope::{Scope, Section};
use crate::sync::digest::Digest;
use crate::sync::repair::ScopeRange;
use crate::time::Timestamp;

/// Which stream of a session a message goes on. Within one the order holds, between two it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Both ways: greetings, acknowledgements, receipts, audit.
    Control,
    /// Node to hub: changes.
    Push,
    /// Hub to node: what changed, in feed order.
    Feed,
    /// Hub to node: first copies of documents, by priority.
    Backfill(u8),
    /// Hub to node: files.
    Blob,
}

/// How far a site has read its feed, or the feed's head: a number that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct FeedNumber(#[n(0)] pub u64);

/// Place of a change in the hub's order of one scope, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Sequence(#[n(0)] pub u64);

/// Lists every message once: its number on the wire, its variant, its struct. The numbers are for ever.
macro_rules! messages {
    ($($(#[doc = $doc:literal])+ $number:literal $variant:ident($type:ty),)+) => {
        /// A message of a session.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Message {
            $($(#[doc = $doc])+ $variant($type),)+
        }

        impl Message {
            /// The names of all messages, for figures about traces.
            pub const NAMES: &[&'static str] = &[$(stringify!($variant),)+];

            /// The number on the wire.
            pub fn kind(&self) -> u8 {
                match self { $(Self::$variant(_) => $number,)+ }
            }

            /// The name, for logs and traces.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant),)+ }
            }

            pub(super) fn to_cbor(&self) -> Vec<u8> {
                let mut bytes = Vec::new();
                // Writing to memory cannot fail, and no encoder of ours refuses a value.
                let written = match self { $(Self::$variant(body) => minicbor::encode(body, &mut bytes),)+ };
                debug_assert!(written.is_ok(), "a message always encodes");
                bytes
            }

            pub(super) fn from_cbor(kind: u8, bytes: &[u8]) -> Result<Option<Self>, FrameError> {
                match kind {
                    $($number => minicbor::decode(bytes).map(|body| Some(Self::$variant(body))).map_err(|_| FrameError::Malformed),)+
                    _ => Ok(None),
                }
            }
        }
    };
}

messages! {
    /// Node to hub, first on the control stream.
    1 Hello(Hello),
    /// Hub to node: admitted.
    2 Welcome(Welcome),
    /// Hub to node: not admitted, or no longer.
    3 Refused(Refused),
    /// Node to hub: changes that it made.
    10 Changes(Changes),
    /// Hub to node: what became of them, after the hub's commit.
    11 Ack(Ack),
    /// Hub to node: a resident's record is granted.
    20 Grant(Grant),
    /// Hub to node: changes of a scope.
    21 Feed(Feed),
    /// Hub to node: a part of a document.
    22 Snapshot(SnapshotPart),
    /// Hub to node: all up to here has been sent.
    23 CaughtUp(CaughtUp),
    /// Hub to node: stop showing, or forget, a resident's record.
    24 Revoke(Revoke),
    /// Node to hub: on disk.
    25 Stored(Stored),
    /// Node to hub: an order to freeze or forget has been carried out.
    26 Receipt(Receipt),
    /// Both ways: digests of what the sender holds, to find where the two differ.
    27 Compare(Compare),
    /// Node to hub: all that it holds where the two differ.
    28 Held(HeldScopes),
    /// Hub to node: what the hub lacks of it.
    29 Lacks(Lacks),
    /// Node to hub: a file is wanted.
    30 BlobWant(BlobWant),
    /// Hub to node: a part of a file.
    31 BlobPart(BlobPart),
    /// Node to hub: a month that it does not keep is wanted.
    32 MonthWant(MonthWant),
    /// Hub to node: what must be known of a month that the node does not keep.
    33 Outline(Outline),
    /// Node to hub: audit events.
    40 Audit(AuditBatch),
    /// Hub to node: audit events are on disk.
    41 AuditAck(AuditAck),
    /// Node to hub: how the node is.
    42 Health(Health),
    /// Node to hub: a new certificate is asked for.
    50 Renew(Renew),
    /// Hub to node: the new certificate.
    51 Renewed(Renewed),
    /// Hub to node: how entries fared at the main care record.
    60 Delivery(Delivery),
}

/// The node's greeting.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Hello {
    /// Protocol versions that the node speaks, best first.
    #[n(0)]
    pub versions: Vec<u16>,
    /// The site, as in the certificate.
    #[n(1)]
    pub site: SiteId,
    /// The installation, as in the certificate.
    #[n(2)]
    pub install: InstallId,
    /// The region epoch that the node last saw; none before its first welcome.
    #[n(3)]
    pub epoch: Option<u64>,
    /// How far it has read its feed.
    #[n(4)]
    pub cursor: FeedNumber,
    /// How many scopes it holds.
    #[n(5)]
    pub scopes: u64,
    /// Digest over all changes that it knows to be at the hub.
    #[n(6)]
    pub digest: Digest,
    /// Shard of the region that the node was told to use.
    #[n(7)]
    pub shard: u16,
    /// Version of the software.
    #[n(8)]
    pub software: String,
    /// How many months before the present one it keeps; of older ones it is sent outlines. None for all.
    #[n(9)]
    pub months_kept: Option<u16>,
    /// Installations whose keys the node holds: their certificates need not be sent.
    #[n(10)]
    pub signers: Vec<InstallId>,
}

/// The hub's answer: admission.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Welcome {
    /// Protocol version that is spoken from here on.
    #[n(0)]
    pub version: u16,
    /// The region.
    #[n(1)]
    pub region: RegionId,
    /// The region epoch: changes when the hub lost something.
    #[n(2)]
    pub epoch: u64,
    /// Head of the site's feed.
    #[n(3)]
    pub feed_head: FeedNumber,
    /// Whether node and hub hold the same; none when the node is behind and cannot be compared yet.
    #[n(4)]
    pub digest_ok: Option<bool>,
    /// The hub's time.
    #[n(5)]
    pub time: Timestamp,
    /// Over how many milliseconds the node is to spread its next reconnect.
    #[n(6)]
    pub reconnect_spread_ms: u32,
    /// Until when the node's certificate holds.
    #[n(7)]
    pub certificate_until: Timestamp,
}

/// A region's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegionId(pub Uuid);

impl<C> Encode<C> for RegionId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.as_bytes())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for RegionId {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("length of an id"))?;
        Ok(Self(Uuid::from_bytes(bytes)))
    }
}

/// Why a node is not admitted or its link is cut. The number is also the close code of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusalCode {
    /// No version in common.
    #[n(1)]
    Version,
    /// The certificate is not of this region, has expired, or does not fit the greeting.
    #[n(2)]
    Certificate,
    /// The installation has been revoked.
    #[n(3)]
    Revoked,
    /// The installation was seen in two places, or came back from a backup: it is in quarantine until re-enrolled.
    #[n(4)]
    Cloned,
    /// The peer broke the protocol.
    #[n(5)]
    Violation,
    /// The hub cannot write now (its disk is full, its database is locked).
    #[n(6)]
    Unavailable,
    /// Another link of the same installation has taken over.
    #[n(7)]
    Replaced,
    /// The hub is stopping.
    #[n(8)]
    Stopping,
}

impl RefusalCode {
    /// The code with which a connection is closed for this reason: its number in a frame.
    pub fn close_code(self) -> u32 {
        match self {
            Self::Version => 1,
            Self::Certificate => 2,
            Self::Revoked => 3,
            Self::Cloned => 4,
            Self::Violation => 5,
            Self::Unavailable => 6,
            Self::Replaced => 7,
            Self::Stopping => 8,
        }
    }

    /// The reason that a close code of the hub says; none for one that says nothing, or that a newer hub has.
    pub fn from_close_code(code: u64) -> Option<Self> {
        minicbor::decode(&minicbor::to_vec(code).ok()?).ok()
    }
}

/// Not admitted, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Refused {
    /// Why.
    #[n(0)]
    pub code: RefusalCode,
    /// A sentence that says what to do.
    #[n(1)]
    pub message: String,
    /// Not before so many milliseconds is another attempt of use.
    #[n(2)]
    pub retry_after_ms: u32,
}

/// Changes of one action, of several scopes; they commit together.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ChangeGroup {
    /// The changes, in the order in which they were made.
    #[n(0)]
    pub changes: Vec<ScopedChange>,
}

/// A change and where it belongs.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ScopedChange {
    /// Its document.
    #[n(0)]
    pub scope: Scope,
    /// The change.
    #[n(1)]
    pub change: StoredChange,
}

/// A push.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Changes {
    /// Number of the batch in this session, from 1.
    #[n(0)]
    pub batch: u64,
    /// The changes.
    #[cbor(n(1), with = "super::packed::groups")]
    pub groups: Vec<ChangeGroup>,
    /// How far each writer of these changes goes in each of their documents, signed.
    #[n(2)]
    pub heads: Vec<SignedHead>,
}

/// What became of a pushed change.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ChangeResult {
    /// On the hub's disk, at this place in its scope.
    #[n(0)]
    Accepted(#[n(0)] Sequence),
    /// Was there already, at this place.
    #[n(1)]
    Duplicate(#[n(0)] Sequence),
    /// Kept until this change, on which it depends, arrives.
    #[n(2)]
    Pending(#[n(0)] ChangeHash),
    /// Breaks a rule; kept in quarantine under this code and shown to a person.
    #[n(3)]
    Rejected(#[n(0)] String),
}

/// Answers to a push, one a change in the order of the batch.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Ack {
    /// Number of the batch.
    #[n(0)]
    pub batch: u64,
    /// Results.
    #[cbor(n(1), with = "super::packed::results")]
    pub results: Vec<ChangeResult>,
}

/// A resident's record is granted to the site. Sent before the record's documents.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Grant {
    /// Number of this item in the session, from 1.
    #[n(0)]
    pub item: u64,
    /// Its place in the feed.
    #[n(1)]
    pub feed: FeedNumber,
    /// The resident.
    #[n(2)]
    pub resident: ResidentId,
}

/// A change with its place in the hub's order.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct SequencedChange {
    /// Place.
    #[n(0)]
    pub sequence: Sequence,
    /// The change.
    #[n(1)]
    pub change: StoredChange,
}

/// Changes of a scope that the site does not have.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Feed {
    /// Number of this item in the session.
    #[n(0)]
    pub item: u64,
    /// The scope.
    #[n(1)]
    pub scope: Scope,
    /// The changes, in the hub's order, without the node's own.
    #[cbor(n(2), with = "super::packed::sequenced")]
    pub changes: Vec<SequencedChange>,
    /// What proves whose they are.
    #[n(3)]
    pub vouchers: Vec<Voucher>,
    /// Who signs, where the node may not know it yet.
    #[n(4)]
    pub signers: Vec<Signer>,
}

/// A part of a document. The parts of one document follow each other on one stream; all carry its head.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct SnapshotPart {
    /// Number of this item in the session; each part is an item.
    #[n(0)]
    pub item: u64,
    /// The scope.
    #[n(1)]
    pub scope: Scope,
    /// Place of the last change in it.
    #[n(2)]
    pub sequence: Sequence,
    /// Heads of the document, sorted.
    #[n(3)]
    pub heads: Vec<ChangeHash>,
    /// Number of changes in it.
    #[n(4)]
    pub changes: u64,
    /// BLAKE3 of the whole document.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub blake3: [u8; 32],
    /// Length of the whole document, in bytes.
    #[n(6)]
    pub length: u64,
    /// Where this part begins.
    #[n(7)]
    pub offset: u64,
    /// The part.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// What proves whose the document's changes are.
    #[n(9)]
    pub vouchers: Vec<Voucher>,
    /// Who signs, where the node may not know it yet.
    #[n(10)]
    pub signers: Vec<Signer>,
}

/// Everything up to this cursor is in the items up to this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CaughtUp {
    /// The cursor that the node may take once all of the items are on its disk.
    #[n(0)]
    pub cursor: FeedNumber,
    /// The last item that belongs to it; 0 for none.
    #[n(1)]
    pub items: u64,
    /// Digest over the site's scopes, if nothing was being changed when it was read.
    #[n(2)]
    pub digest: Option<Digest>,
}

/// What is to be done with a record that a site may no longer hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RevokeMode {
    /// Keep, show to nobody, add nothing.
    #[n(0)]
    Freeze,
    /// Erase.
    #[n(1)]
    Forget,
}

/// A site may no longer hold a resident's record. In feed order with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Revoke {
    /// Number of this item in the session.
    #[n(0)]
    pub item: u64,
    /// Its place in the feed.
    #[n(1)]
    pub feed: FeedNumber,
    /// The resident.
    #[n(2)]
    pub resident: ResidentId,
    /// What to do.
    #[n(3)]
    pub mode: RevokeMode,
}

/// All items up to this number are on the node's disk; with a cursor, that too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stored {
    /// Last of the items, without a gap.
    #[n(0)]
    pub items: u64,
    /// The node's cursor, when it has moved.
    #[n(1)]
    pub cursor: Option<FeedNumber>,
}

/// Digests of what the sender holds.
///
/// From the node of ranges that it asks about; from the hub, of those of their parts in which it holds something else,
/// and so of none where both hold the same.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub struct Compare {
    /// The ranges.
    #[n(0)]
    pub ranges: Vec<RangeDigests>,
}

/// Digests of a range's parts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RangeDigests {
    /// The range.
    #[n(0)]
    pub range: ScopeRange,
    /// The digest of each of its parts, in order.
    #[n(1)]
    pub digests: Vec<Digest>,
}

/// All that a node holds of some ranges.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub struct HeldScopes {
    /// The ranges. Of a scope that is in one of them and not named below the node holds nothing.
    #[n(0)]
    pub ranges: Vec<ScopeRange>,
    /// The scopes, whole: what waits to be sent is among it.
    #[n(1)]
    pub scopes: Vec<ScopeChanges>,
    /// Those of the scopes that are months of which the node keeps only an outline: what it lists is not all.
    #[n(2)]
    pub outlines: Vec<Scope>,
    /// Scopes, in the ranges or among those named, of records that the node was told to freeze: it keeps them, shows them
    /// to nobody, and gives back what the hub has lost of them.
    #[n(3)]
    pub frozen: Vec<Scope>,
}

/// Changes of a scope, by their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ScopeChanges {
    /// The scope.
    #[n(0)]
    pub scope: Scope,
    /// The changes.
    #[n(1)]
    pub hashes: Vec<ChangeHash>,
}

/// What came of a comparison at the hub.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub struct Lacks {
    /// What the node holds and the hub does not: the node sends it.
    #[n(0)]
    pub scopes: Vec<ScopeChanges>,
    /// Scopes that the node holds and, by what the hub knows, the site is not to hold. They stay where they are.
    #[n(1)]
    pub not_granted: Vec<Scope>,
    /// Of how many scopes the hub holds what the node does not: they come again in the feed.
    #[n(2)]
    pub sent_again: u64,
    /// Months of which the node keeps only an outline and the hub holds nothing: it has lost them.
    #[n(3)]
    pub lost: Vec<Scope>,
}

/// An order to freeze or forget has been carried out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// The resident.
    #[n(0)]
    pub resident: ResidentId,
    /// What was done.
    #[n(1)]
    pub mode: RevokeMode,
    /// When, by the node's clock.
    #[n(2)]
    pub at: Timestamp,
    /// Ed25519 signature of the installation over the three.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub signature: Vec<u8>,
}

/// A month that the node does not keep is wanted: somebody has opened it. It comes with the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MonthWant {
    /// Which.
    #[n(0)]
    pub scope: Scope,
}

/// A month that is too old for the node to keep: what must be known of its document to write to it and to compare
/// it, without its content.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Outline {
    /// Number of this item in the session.
    #[n(0)]
    pub item: u64,
    /// The scope.
    #[n(1)]
    pub scope: Scope,
    /// Place of its newest change; there are as many changes.
    #[n(2)]
    pub sequence: Sequence,
    /// Heads of the document, sorted.
    #[n(3)]
    pub heads: Vec<ChangeHash>,
    /// The largest operation counter in it.
    #[n(4)]
    pub max_op: u64,
    /// How many of its changes are the node's own.
    #[n(5)]
    pub own_changes: u64,
    /// Digest over its changes.
    #[n(6)]
    pub digest: Digest,
    /// How far each of its writers goes, signed: what comes later is proven from there on.
    #[n(7)]
    pub signed: Vec<ProvenRun>,
    /// Who signs, where the node may not know it yet.
    #[n(8)]
    pub signers: Vec<Signer>,
}

/// A file is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlobWant {
    /// Which.
    #[n(0)]
    pub blob: BlobId,
    /// From which byte on: a cut transfer goes on.
    #[n(1)]
    pub offset: u64,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlobPart {
    /// Which.
    #[n(0)]
    pub blob: BlobId,
    /// Length of the whole file; 0 when the hub does not have it or the site may not have it.
    #[n(1)]
    pub length: u64,
    /// Where this part begins.
    #[n(2)]
    pub offset: u64,
    /// The part.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// Audit events of an installation, in the order of their chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditBatch {
    /// Number of the first, from 1.
    #[n(0)]
    pub first: u64,
    /// The events, each as it was hashed.
    #[cbor(n(1), with = "super::packed::audit")]
    pub events: Vec<AuditBytes>,
    /// The head of the chain after the last of them, signed; none in the middle of a long catch-up.
    #[n(2)]
    pub checkpoint: Option<SignedCheckpoint>,
    /// The earlier installation of the site that wrote them, when it was not the sender: what it had not sent before
    /// another took over from it.
    #[n(3)]
    pub of: Option<InstallId>,
}

/// An audit event's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct AuditBytes(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// Audit events up to this number are on the hub's disk. A number below one that was told before: what came after it was
/// lost there, and is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditAck {
    /// Last of them.
    #[n(0)]
    pub upto: u64,
    /// The earlier installation that wrote them, as in the batch.
    #[n(1)]
    pub of: Option<InstallId>,
}

/// How a node is: what the fleet's page shows.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub struct Health {
    /// Changes that wait to be sent.
    #[n(0)]
    pub waiting: u64,
    /// Bytes free on the disk of the database.
    #[n(1)]
    pub disk_free: u64,
    /// Wall clock less hub time, in milliseconds.
    #[n(2)]
    pub clock_offset_ms: i64,
    /// Doses that are overdue and have nothing recorded.
    #[n(3)]
    pub doses_overdue: u64,
    /// Disagreements that nobody has settled.
    #[n(4)]
    pub conflicts: u64,
    /// Version of the software.
    #[n(5)]
    pub software: String,
    /// Number up to which what came in [`Delivery`] on this link is on the disk.
    #[n(6)]
    pub told: Option<u64>,
}

/// A new certificate is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Renew {
    /// Certificate signing request of the identity key, DER.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub request: Vec<u8>,
    /// Signing request of the pages' key, DER; empty when that certificate is not asked for.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub web_request: Vec<u8>,
}

/// The new certificates.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Renewed {
    /// Identity certificate and its issuers, DER, leaf first.
    #[n(0)]
    pub chain: Vec<CertificateBytes>,
    /// The pages' certificate and its issuers, DER, leaf first; empty when it was not asked for.
    #[n(1)]
    pub web_chain: Vec<CertificateBytes>,
}

/// A certificate, DER.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct CertificateBytes(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// Where an entry stands on its way to the main care record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DeliveryState {
    /// Waits at the hub.
    #[n(0)]
    Queued,
    /// The main care record has it.
    #[n(1)]
    Accepted,
    /// The main care record refused it, and why.
    #[n(2)]
    Rejected(#[n(0)] String),
    /// The main care record does not take entries of this kind.
    #[n(3)]
    NotSupported,
}

/// How entries fared at the main care record. A level: the newest state of an entry is the one that counts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Delivery {
    /// Entries and their states.
    #[n(0)]
    pub states: Vec<EntryDelivery>,
    /// Number of the newest of these changes. The node says it back in [`Health`] once they are on its disk.
    #[n(1)]
    pub upto: Option<u64>,
}

/// The state of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EntryDelivery {
    /// The entry.
    #[n(0)]
    pub entry: crate::id::EntryId,
    /// Its state.
    #[n(1)]
    pub state: DeliveryState,
}

impl<C> Encode<C> for Section {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u8(self.code())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Section {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_code(d.u8()?).ok_or_else(|| minicbor::decode::Error::message("a section"))
    }
}

impl<C> Encode<C> for StoredChange {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?.encode_with(self.hash, context)?.bytes(&self.bytes)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for StoredChange {
    fn decode(d: &mut minicbor::Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.array()? != Some(2) {
            return Err(minicbor::decode::Error::message("form of a change"));
        }
        Ok(Self { hash: d.decode_with(context)?, bytes: d.bytes()?.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_code_says_the_reason_with_which_a_link_was_closed() {
        let known: Vec<RefusalCode> = (0..=255).filter_map(RefusalCode::from_close_code).collect();
        assert_eq!(known.len(), 8);
        for code in known {
            assert_eq!(RefusalCode::from_close_code(u64::from(code.close_code())), Some(code));
        }
        assert_eq!(RefusalCode::from_close_code(u64::MAX), None);
    }
}
