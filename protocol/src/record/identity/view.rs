//! Who the person is, as every copy agrees on it, with what people changed apart.

use super::{Demographics, Placement, Security};
use crate::record::version::{all_standing, sorted, things};
use crate::record::{Entry, Thing, Version};
use crate::scope::Section;

/// A resident's particulars.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityView<'a> {
    /// Standing particulars, newest recorded first: the first is current, others mean that people changed them apart.
    pub demographics: Vec<Version<'a, Demographics>>,
    /// The particulars in which the standing versions differ.
    pub contested: Vec<Field>,
    /// Standing placements, newest recorded first: the first is current.
    pub placements: Vec<Version<'a, Placement>>,
    /// Every version of the particulars, as history.
    pub all_demographics: Vec<Thing<'a, Demographics>>,
    /// Every placement, as history.
    pub all_placements: Vec<Thing<'a, Placement>>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

/// A particular that can be contested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Name.
    Name,
    /// NHS number.
    NhsNumber,
    /// How sure the number is.
    NhsNumberStatus,
    /// Date of birth.
    BirthDate,
    /// Gender.
    Gender,
    /// Date of death.
    Died,
    /// Address.
    Address,
    /// Telephone.
    Phone,
    /// Practice.
    Practice,
    /// People to call.
    Contacts,
    /// Security code.
    Security,
    /// Photo.
    Photo,
    /// Communication needs.
    Communication,
}

type IsSame = fn(&Demographics, &Demographics) -> bool;

const FIELDS: [(Field, IsSame); 13] = [
    (Field::Name, |a, b| a.name == b.name),
    (Field::NhsNumber, |a, b| a.nhs_number == b.nhs_number),
    (Field::NhsNumberStatus, |a, b| a.nhs_number_status == b.nhs_number_status),
    (Field::BirthDate, |a, b| a.birth_date == b.birth_date),
    (Field::Gender, |a, b| a.gender == b.gender),
    (Field::Died, |a, b| a.died == b.died),
    (Field::Address, |a, b| a.address == b.address),
    (Field::Phone, |a, b| a.phone == b.phone),
    (Field::Practice, |a, b| a.practice == b.practice),
    (Field::Contacts, |a, b| a.contacts == b.contacts),
    (Field::Security, |a, b| a.security == b.security),
    (Field::Photo, |a, b| a.photo == b.photo),
    (Field::Communication, |a, b| a.communication == b.communication),
];

impl<'a> IdentityView<'a> {
    /// The view of all entries of a resident's identity section, in any order.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (threads, unread) = sorted(entries, Section::Identity);
        let (all_demographics, all_placements) = (things(&threads), things(&threads));
        let demographics: Vec<Version<'a, Demographics>> = all_standing(&all_demographics);
        let differs = |(_, is_same): &&(Field, IsSame)| {
            let pairs = demographics.iter().zip(demographics.iter().skip(1));
            pairs.into_iter().any(|(a, b)| !is_same(a.body, b.body))
        };
        let contested = FIELDS.iter().filter(differs).map(|(field, _)| *field).collect();
        let placements = all_standing(&all_placements);
        Self { demographics, contested, placements, all_demographics, all_placements, unread }
    }

    /// The newest particulars.
    pub fn current(&self) -> Option<&'a Demographics> {
        self.demographics.first().map(|v| v.body)
    }

    /// The newest placement.
    pub fn placement(&self) -> Option<&'a Placement> {
        self.placements.first().map(|v| v.body)
    }

    /// Whether standing placements differ.
    pub fn is_placement_contested(&self) -> bool {
        self.placements.iter().zip(self.placements.iter().skip(1)).any(|(a, b)| a.body != b.body)
    }

    /// The strictest security code that any standing version states: a restriction is never lost by a merge.
    pub fn security(&self) -> Security {
        self.demographics.iter().map(|v| v.body.security).max_by_key(|s| strictness(*s)).unwrap_or_default()
    }
}

fn strictness(security: Security) -> u8 {
    match security {
        Security::Unrestricted => 0,
        Security::Restricted => 1,
        Security::VeryRestricted => 2,
        Security::Redacted => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, ids, reordered, version};
    use crate::record::identity::{Gender, PersonName};

    fn person(family: &str, phone: Option<&str>, security: Security) -> Body {
        Body::Demographics(Demographics {
            name: PersonName { family: family.into(), ..PersonName::default() },
            nhs_number: None,
            nhs_number_status: None,
            birth_date: None,
            gender: Gender::Female,
            died: None,
            address: None,
            phone: phone.map(Into::into),
            practice: None,
            contacts: Vec::new(),
            security,
            photo: None,
            communication: None,
        })
    }

    fn placed(room: &str) -> Body {
        Body::Placement(Placement { room: Some(room.into()), arrived: None, left: None, away: None })
    }

    #[test]
    fn only_what_differs_is_contested() {
        let first = entry(1, 0, person("Smith", None, Security::Unrestricted));
        let one = version(2, 1, &first, &[&first], person("Smith", Some("1"), Security::Unrestricted));
        let other = version(3, 2, &first, &[&first], person("Smith", Some("2"), Security::Unrestricted));
        let entries = [first, one, other];
        let view = IdentityView::of(&entries);
        assert_eq!(view.contested, [Field::Phone]);
        assert_eq!(view.current().unwrap().phone.as_deref(), Some("2"));
    }

    #[test]
    fn a_restriction_is_never_lost_by_a_merge() {
        let first = entry(1, 0, person("Smith", None, Security::Unrestricted));
        let secret = version(2, 1, &first, &[&first], person("Smith", None, Security::Restricted));
        let other = version(3, 2, &first, &[&first], person("Smyth", None, Security::Unrestricted));
        let entries = [first, secret, other];
        let view = IdentityView::of(&entries);
        assert_eq!(view.security(), Security::Restricted);
        assert_eq!(view.contested, [Field::Name, Field::Security]);
    }

    #[test]
    fn two_rooms_are_contested() {
        let entries = [entry(1, 0, placed("4")), entry(2, 1, placed("5"))];
        let view = IdentityView::of(&entries);
        assert!(view.is_placement_contested());
        assert_eq!(view.placement().unwrap().room.as_deref(), Some("5"));
    }

    proptest! {
        #[test]
        fn the_view_is_the_same_for_any_order_and_nothing_is_lost(
            (entries, again) in history(prop_oneof![
                ("[A-C]", any::<bool>()).prop_map(|(family, secret)| {
                    person(&family, None, if secret { Security::Restricted } else { Security::Unrestricted })
                }),
                "[1-3]".prop_map(|room| placed(&room)),
            ]).prop_flat_map(reordered)
        ) {
            let view = IdentityView::of(&entries);
            prop_assert_eq!(&view, &IdentityView::of(&again));
            let persons = view.all_demographics.iter().flat_map(|t| &t.thread.entries);
            let places = view.all_placements.iter().flat_map(|t| &t.thread.entries);
            let listed = ids(persons.chain(places).copied());
            let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
            prop_assert!(ids(said).iter().all(|id| listed.contains(id)));
        }
    }
}
