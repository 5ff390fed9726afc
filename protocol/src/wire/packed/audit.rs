//! Audit events as they stand in a message: column by column.
//!
//! An event says again who, whose record and which page, and counts up what follows from the event before it. By columns,
//! with what repeats said once and numbers as their difference, they take less than half of the room. The receiver puts
//! each event together again and so holds the bytes that were hashed; where that would not give the same bytes, they go
//! as they are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::length;
use crate::audit::{Action, Event, What, Who};
use crate::id::{EntryId, InstallId};
use crate::time::Timestamp;
use crate::wire::limits::AUDIT_EVENTS_MAX;
use crate::wire::message::AuditBytes;

/// Items of the array of events that go as they are: their list.
const AS_THEY_ARE: u64 = 1;
/// Items of the array of events that go by columns: installation, number of the first, how many, and ten columns.
const BY_COLUMNS: u64 = 13;

pub(in super::super) fn encode<C, W: Write>(
    events: &[AuditBytes],
    e: &mut Encoder<W>,
    context: &mut C,
) -> Result<(), EncodeError<W::Error>> {
    let Some(events) = in_sequence(events) else {
        e.array(AS_THEY_ARE)?.encode_with(events, context)?;
        return Ok(());
    };
    let (install, first) = events.first().map_or((InstallId(0), 0), |event| (event.install, event.n));
    e.array(BY_COLUMNS)?.encode(install)?.u64(first)?.u64(events.len() as u64)?;
    let whats = || events.iter().map(|event| &event.what);
    put_numbers(e, events.iter().map(|event| Some(event.at.0)))?;
    put_named(e, whats().map(|what| Some(&what.who)))?;
    put(e, whats().map(|what| what.action))?;
    put(e, whats().map(|what| what.outcome))?;
    put_named(e, whats().map(|what| what.subject))?;
    put(e, whats().map(|what| what.section))?;
    put_named(e, whats().map(|what| Some(what.entry?.install)))?;
    put_numbers(e, whats().map(|what| Some(what.entry?.counter.cast_signed())))?;
    put_named(e, whats().map(|what| what.detail.as_ref()))?;
    put_named(e, whats().map(|what| Some((what.device, what.session))))
}

pub(in super::super) fn decode<C>(
    d: &mut Decoder<'_>,
    context: &mut C,
) -> Result<Vec<AuditBytes>, DecodeError> {
    match length(d)? {
        AS_THEY_ARE => d.decode_with(context),
        BY_COLUMNS => Ok(by_columns(d)?.iter().map(|event| AuditBytes(event.to_bytes())).collect()),
        _ => Err(DecodeError::message("form of audit events")),
    }
}

fn by_columns(d: &mut Decoder<'_>) -> Result<Vec<Event>, DecodeError> {
    let (install, first, count) = (d.decode()?, d.u64()?, d.u64()?);
    let last = first.checked_add(count).filter(|_| count <= AUDIT_EVENTS_MAX as u64);
    let last = last.ok_or_else(|| DecodeError::message("number of audit events"))?;
    let blank = || What::done(Who::System, Action::View);
    let mut events: Vec<_> =
        (first..last).map(|n| Event { n, at: Timestamp(0), install, what: blank() }).collect();
    let all = &mut events[..];
    take_numbers(d, all, |event, at| event.at = Timestamp(at.unwrap_or(0)))?;
    take_named(d, all, |event, who: Option<Who>| event.what.who = who.unwrap_or(Who::Stranger))?;
    take(d, all, |event, action| event.what.action = action)?;
    take(d, all, |event, outcome| event.what.outcome = outcome)?;
    take_named(d, all, |event, subject| event.what.subject = subject)?;
    take(d, all, |event, section| event.what.section = section)?;
    let entry = |install| EntryId { install, counter: 0 };
    take_named(d, all, |event, install: Option<InstallId>| event.what.entry = install.map(entry))?;
    take_numbers(d, all, |event, counter| {
        if let (Some(entry), Some(counter)) = (&mut event.what.entry, counter) {
            entry.counter = counter.cast_unsigned();
        }
    })?;
    take_named(d, all, |event, detail| event.what.detail = detail)?;
    take_named(d, all, |event, device: Option<(Option<u64>, Option<u64>)>| {
        (event.what.device, event.what.session) = device.unwrap_or_default();
    })?;
    Ok(events)
}

/// The events, if each follows the one before it in one chain and is written as this software writes it.
fn in_sequence(events: &[AuditBytes]) -> Option<Vec<Event>> {
    let mut read: Vec<Event> = Vec::with_capacity(events.len());
    for AuditBytes(bytes) in events {
        let event = Event::from_bytes(bytes).ok().filter(|event| event.to_bytes() == *bytes)?;
        let follows = |last: &Event| last.install == event.install && last.n.checked_add(1) == Some(event.n);
        if event.n == u64::MAX || !read.last().is_none_or(follows) {
            return None;
        }
        read.push(event);
    }
    (read.len() <= AUDIT_EVENTS_MAX).then_some(read)
}

fn put<W: Write, T: Encode<()>>(
    e: &mut Encoder<W>,
    values: impl Iterator<Item = T>,
) -> Result<(), EncodeError<W::Error>> {
    for value in values {
        e.encode(value)?;
    }
    Ok(())
}

fn take<'b, T: Decode<'b, ()>>(
    d: &mut Decoder<'b>,
    events: &mut [Event],
    set: impl Fn(&mut Event, T),
) -> Result<(), DecodeError> {
    for event in events {
        set(event, d.decode()?);
    }
    Ok(())
}

/// Numbers as they differ from the last that there was.
fn put_numbers<W: Write>(
    e: &mut Encoder<W>,
    values: impl Iterator<Item = Option<i64>>,
) -> Result<(), EncodeError<W::Error>> {
    let mut last = 0_i64;
    put(e, values.map(|value| value.map(|value| value.wrapping_sub(std::mem::replace(&mut last, value)))))
}

fn take_numbers(
    d: &mut Decoder<'_>,
    events: &mut [Event],
    set: impl Fn(&mut Event, Option<i64>),
) -> Result<(), DecodeError> {
    let mut last = 0_i64;
    for event in events {
        let value = d.decode::<Option<i64>>()?.map(|by| last.wrapping_add(by));
        last = value.unwrap_or(last);
        set(event, value);
    }
    Ok(())
}

/// Values that repeat, by their place in the list of those there were, from 1; a new one stands behind its place. 0 is none.
fn put_named<W: Write, T: Ord + Encode<()>>(
    e: &mut Encoder<W>,
    values: impl Iterator<Item = Option<T>>,
) -> Result<(), EncodeError<W::Error>> {
    let mut named = BTreeMap::new();
    for value in values {
        let new = named.len() as u64 + 1;
        let Some(value) = value else {
            e.u64(0)?;
            continue;
        };
        match named.entry(value) {
            Entry::Occupied(known) => {
                e.u64(*known.get())?;
            }
            Entry::Vacant(place) => {
                e.u64(new)?.encode(place.key())?;
                place.insert(new);
            }
        }
    }
    Ok(())
}

fn take_named<'b, T: Clone + Decode<'b, ()>>(
    d: &mut Decoder<'b>,
    events: &mut [Event],
    set: impl Fn(&mut Event, Option<T>),
) -> Result<(), DecodeError> {
    let mut named: Vec<T> = Vec::new();
    for event in events {
        let place = usize::try_from(d.u64()?).ok();
        if place == Some(named.len() + 1) {
            named.push(d.decode()?);
        }
        let value = match place {
            Some(0) => None,
            place => {
                let known = place.and_then(|place| named.get(place - 1));
                Some(known.ok_or_else(|| DecodeError::message("place of a value"))?.clone())
            }
        };
        set(event, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::any_what;

    const INSTALL: InstallId = InstallId(7);

    fn through(events: &[AuditBytes]) -> Vec<AuditBytes> {
        let mut bytes = Vec::new();
        encode(events, &mut Encoder::new(&mut bytes), &mut ()).unwrap();
        decode(&mut Decoder::new(&bytes), &mut ()).unwrap()
    }

    proptest! {
        #[test]
        fn events_come_out_byte_for_byte(
            first in prop_oneof![0..9_u64, Just(u64::MAX - 3)],
            whats in prop::collection::vec((any_what(), any::<i64>(), any::<bool>()), 0..20),
            odd in prop::option::of((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..90))),
        ) {
            let repeated = whats.into_iter().flat_map(|(what, at, twice)| vec![(what, at); 1 + usize::from(twice)]);
            let mut events: Vec<_> = (0..)
                .zip(repeated)
                .map(|(n, (what, at))| (first.wrapping_add(n), what, at))
                .map(|(n, what, at)| AuditBytes(Event { n, at: Timestamp(at), install: INSTALL, what }.to_bytes()))
                .collect();
            prop_assert_eq!(through(&events), events.clone());
            if let Some((at, bytes)) = odd.filter(|_| !events.is_empty()) {
                let at = at.index(events.len());
                events[at] = AuditBytes(bytes);
                prop_assert_eq!(through(&events), events);
            }
        }

        #[test]
        fn any_bytes_are_events_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut d = Decoder::new(&bytes);
            drop(decode(&mut d, &mut ()));
        }
    }

    #[test]
    fn a_batch_has_no_more_events_than_the_limit_however_few_bytes_say_them() {
        let said = |count: u64| {
            let mut bytes = Vec::new();
            let mut e = Encoder::new(&mut bytes);
            e.array(BY_COLUMNS).unwrap().encode(INSTALL).unwrap().u64(1).unwrap().u64(count).unwrap();
            let no_section = 0xf6;
            for none in [0, 0, 0, 0, 0, no_section, 0, 0, 0, 0] {
                bytes.extend(vec![none; usize::try_from(count).unwrap().min(AUDIT_EVENTS_MAX + 1)]);
            }
            decode(&mut Decoder::new(&bytes), &mut ()).map(|events| events.len())
        };
        let most = AUDIT_EVENTS_MAX as u64;
        assert_eq!(said(most).unwrap(), AUDIT_EVENTS_MAX);
        assert!(said(most + 1).is_err());
        assert!(said(u64::MAX).is_err());
    }

    #[test]
    fn what_staff_do_in_turn_takes_a_few_bytes_an_event() {
        let what = |n: u64| {
            let staff =
                Who::Staff(crate::id::StaffId(0x1234_5678_9abc_def0 + n % 3), crate::record::Role::Carer);
            let resident = crate::id::ResidentId(uuid::Uuid::from_u128(u128::from(n % 40) << 64));
            What::done(staff, Action::Add)
                .about(crate::scope::Subject::Resident(resident))
                .of_entry(EntryId { install: INSTALL, counter: 70_000 + n })
        };
        let event = |n: u64| Event {
            n,
            at: Timestamp(1_800_000_000_000 + n.cast_signed() * 40_000),
            install: INSTALL,
            what: what(n),
        };
        let events: Vec<_> = (1..=400).map(|n| AuditBytes(event(n).to_bytes())).collect();
        let mut bytes = Vec::new();
        encode(&events, &mut Encoder::new(&mut bytes), &mut ()).unwrap();
        assert!(bytes.len() < 400 * 16, "{}", bytes.len());
        assert_eq!(through(&events), events);
    }
}
