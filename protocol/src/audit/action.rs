//! What can be done that the audit keeps.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use crate::id::IdError;

/// Lists every action once: its number in the bytes, its variant, its name in searches and reports.
macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $number:literal $variant:ident $name:literal,)+) => {
        /// What was done, or was tried. The numbers and names are for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[doc = $doc])+ $variant,)+
            /// An action that this software is too old to know, by its number.
            Other(u16),
        }

        impl Action {
            /// Every action that this software knows.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The number in the bytes.
            pub fn number(self) -> u16 {
                match self {
                    $(Self::$variant => $number,)+
                    Self::Other(number) => number,
                }
            }

            /// The action of this number.
            pub fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            /// The name in searches and reports; `other` for an action that is not known.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(_) => "other",
                }
            }
        }
    };
}

actions! {
    /// Saw a page of a record or of a site.
    1 View "view",
    /// Looked for a resident.
    2 Search "search",
    /// Added an entry.
    3 Add "add",
    /// Replaced an entry by a newer one.
    4 Change "change",
    /// Settled a disagreement.
    5 Settle "settle",
    /// Took an entry back as entered in error.
    6 TakeBack "take-back",
    /// Printed.
    7 Print "print",
    /// Exported, or showed as a code that is read elsewhere.
    8 Export "export",
    /// Opened a file: a letter, a photo.
    9 OpenFile "open-file",

    /// Signed in; refused when the PIN, passkey or account was not accepted.
    20 SignIn "sign-in",
    /// Signed out, or was by the clock.
    21 SignOut "sign-out",
    /// An account was locked after too many attempts.
    22 LockOut "lock-out",
    /// Looked beyond the own residents or role, with a reason.
    23 BreakGlass "break-glass",
    /// Reviewed what somebody saw by breaking the glass.
    24 Review "review",
    /// Set or changed a PIN or passkey.
    25 SetSecret "set-secret",

    /// Added a member of staff.
    40 StaffAdd "staff-add",
    /// Changed a member of staff.
    41 StaffChange "staff-change",
    /// Let a device in.
    42 DeviceAdd "device-add",
    /// Shut a device out.
    43 DeviceRemove "device-remove",
    /// Changed a setting.
    44 Setting "setting",

    /// The software started.
    60 Start "start",
    /// The software stopped.
    61 Stop "stop",
    /// The clock was found wrong and stepped.
    62 ClockStep "clock-step",
    /// A record was shut because the site may no longer hold it.
    63 Freeze "freeze",
    /// A record was erased.
    64 Forget "forget",
    /// The lease ended and records were locked, or it was renewed and they were opened.
    65 Lease "lease",
    /// A backup was made.
    66 Backup "backup",
    /// A backup was restored.
    67 Restore "restore",
    /// A change came for which no signature of its writer vouches.
    68 HeadFault "head-fault",
    /// An entry came whose times say that its node's clock is wrong.
    69 Misdated "misdated",
    /// The hub was found to have lost a month of which only an outline is kept here.
    70 MonthLost "month-lost",

    /// A site was added.
    80 SiteAdd "site-add",
    /// A site was invited.
    81 SiteInvite "site-invite",
    /// An invite was taken back.
    82 InviteRevoke "invite-revoke",
    /// A site or installation was revoked.
    83 SiteRevoke "site-revoke",
    /// An installation was enrolled.
    84 Enrol "enrol",
    /// An installation's certificates were renewed.
    85 Renew "renew",
    /// Residents were imported.
    86 ResidentImport "resident-import",
    /// Residents were assigned to a site.
    87 ResidentAssign "resident-assign",
    /// Residents were moved.
    88 ResidentMove "resident-move",
    /// The audit was searched.
    89 AuditSearch "audit-search",
    /// The audit was verified.
    90 AuditVerify "audit-verify",
    /// Items of a main care record were retried, parked or released.
    91 MainRecord "main-record",
    /// A request was refused before what it asks for was known.
    92 Request "request",
    /// A change in the quarantine was looked at, released or discarded.
    93 Quarantine "quarantine",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL.iter().copied().find(|a| a.name() == text).ok_or(IdError::Malformed("action"))
    }
}

impl<C> Encode<C> for Action {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u16(self.number())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Action {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.u16().map(Self::from_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_action_has_a_number_and_a_name_of_its_own() {
        let numbers: BTreeSet<u16> = Action::ALL.iter().map(|a| a.number()).collect();
        let names: BTreeSet<&str> = Action::ALL.iter().map(|a| a.name()).collect();
        assert_eq!((numbers.len(), names.len()), (Action::ALL.len(), Action::ALL.len()));
        for action in Action::ALL {
            assert_eq!(Action::from_number(action.number()), *action);
            assert_eq!(action.name().parse(), Ok(*action));
        }
    }
}
