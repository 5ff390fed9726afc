//! The medicines section as it is shown: what is given now, what is held, what has ended, and what is in stock.

use std::collections::BTreeMap;

use super::{CovertDecision, Decimal, Order, OrderStatus, Reconciliation, StockMovement};
use crate::id::EntryId;
use crate::record::Entry;
use crate::record::version::{Thing, Version, newest_first, sorted, things};
use crate::scope::Section;
use crate::time::Date;

/// A resident's medicines.
#[derive(Clone, Debug, PartialEq)]
pub struct MedicinesView<'a> {
    /// Every order, by the name of the medicine.
    pub orders: Vec<OrderItem<'a>>,
    /// Reconciliations, newest first.
    pub reconciliations: Vec<Thing<'a, Reconciliation>>,
    /// Stock movements and covert decisions whose order is not here.
    pub without_order: Vec<&'a Entry>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

/// An order with where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderItem<'a> {
    /// The order; every standing version is shown, with who and when.
    pub thing: Thing<'a, Order>,
    /// Where it stands.
    pub state: OrderState,
    /// What is in stock.
    pub stock: Stock<'a>,
    /// Whether it may be given covertly.
    pub covert: Covert,
    /// Decisions about covert giving, newest first.
    pub covert_decisions: Vec<Thing<'a, CovertDecision>>,
}

/// Where an order stands once all copies are together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderState {
    /// People changed it apart: no dose is given until one version replaces all that stand.
    HeldForReview,
    /// To be given.
    Active,
    /// To be given from a day to come.
    ToCome,
    /// Not to be given for now.
    OnHold,
    /// Its last day is over.
    Ended,
    /// No longer to be given.
    Stopped,
    /// Entered in error.
    TakenBack,
}

/// What is in stock of one order's medicine.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Stock<'a> {
    /// The sum of all movements; none where it has more digits than can be held.
    pub units: Option<Decimal>,
    /// Movements, newest first, with those that were taken back.
    pub movements: Vec<Thing<'a, StockMovement>>,
}

/// Whether a medicine may be given covertly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covert {
    /// No decision allows it.
    No,
    /// A decision allows it.
    Allowed,
    /// Decisions were changed apart: it is not allowed until somebody settles it.
    ForReview,
}

impl<'a> MedicinesView<'a> {
    /// The view of all entries of a resident's medicines section, in any order, on the day `today`.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>, today: Date) -> Self {
        let (threads, unread) = sorted(entries, Section::Medicines);
        let mut movements = by_order(things(&threads), |m: &StockMovement| m.order);
        let mut decisions = by_order(things(&threads), |d: &CovertDecision| d.order);
        let mut orders: Vec<OrderItem<'a>> = things(&threads)
            .into_iter()
            .map(|thing: Thing<'a, Order>| {
                let movements = movements.remove(&thing.id()).unwrap_or_default();
                let decisions = decisions.remove(&thing.id()).unwrap_or_default();
                item(thing, movements, decisions, today)
            })
            .collect();
        orders.sort_by_cached_key(|order| (order.name().to_lowercase(), order.thing.id()));
        let mut reconciliations = things(&threads);
        newest_first(&mut reconciliations);
        let movements = movements.into_values().flatten().flat_map(|t| t.thread.entries);
        let decisions = decisions.into_values().flatten().flat_map(|t| t.thread.entries);
        let mut without_order: Vec<&Entry> = movements.chain(decisions).collect();
        without_order.sort_by_key(|entry| entry.id);
        Self { orders, reconciliations, without_order, unread }
    }

    /// The orders that stand like this, by the name of the medicine.
    pub fn in_state(&self, state: OrderState) -> impl Iterator<Item = &OrderItem<'a>> {
        self.orders.iter().filter(move |order| order.state == state)
    }

    /// Orders that may be given from, or would be if nobody had to settle them: active and held for review.
    pub fn current(&self) -> impl Iterator<Item = &OrderItem<'a>> {
        self.orders.iter().filter(|o| matches!(o.state, OrderState::Active | OrderState::HeldForReview))
    }

    /// The order with this id.
    pub fn order(&self, id: EntryId) -> Option<&OrderItem<'a>> {
        self.orders.iter().find(|order| order.thing.id() == id)
    }
}

impl<'a> OrderItem<'a> {
    /// The version to show first: the newest that stands, or the last one of an order that was taken back.
    pub fn shown(&self) -> Option<Version<'a, Order>> {
        self.thing.newest().or_else(|| self.thing.versions().last())
    }

    /// The generic name; empty for an order of which no version has arrived.
    pub fn name(&self) -> &'a str {
        self.shown().map_or("", |v| v.body.medicine.display.as_str())
    }
}

impl<'a> Stock<'a> {
    fn of(mut movements: Vec<Thing<'a, StockMovement>>) -> Self {
        newest_first(&mut movements);
        let standing = movements.iter().filter_map(Thing::newest);
        let units = standing.map(|v| v.body.change).try_fold(Decimal::ZERO, Decimal::checked_add);
        Self { units, movements }
    }
}

fn item<'a>(
    thing: Thing<'a, Order>,
    movements: Vec<Thing<'a, StockMovement>>,
    mut decisions: Vec<Thing<'a, CovertDecision>>,
    today: Date,
) -> OrderItem<'a> {
    newest_first(&mut decisions);
    let (state, covert) = (state_of(&thing, today), covert_of(&decisions));
    OrderItem { thing, state, stock: Stock::of(movements), covert, covert_decisions: decisions }
}

/// Where an order stands on a day.
pub fn state_of(thing: &Thing<'_, Order>, today: Date) -> OrderState {
    let Some(newest) = thing.newest() else {
        return OrderState::TakenBack;
    };
    if thing.is_contested() {
        return OrderState::HeldForReview;
    }
    match &newest.body.status {
        OrderStatus::Stopped(_) => OrderState::Stopped,
        OrderStatus::Active | OrderStatus::OnHold(_) if newest.body.end.is_some_and(|end| end < today) => {
            OrderState::Ended
        }
        OrderStatus::OnHold(_) => OrderState::OnHold,
        OrderStatus::Active if newest.body.start.is_some_and(|start| start > today) => OrderState::ToCome,
        OrderStatus::Active => OrderState::Active,
    }
}

/// A decision holds when it is settled and nobody has ended it; two decisions of which one ended are a review, unless
/// the one that holds was taken later.
fn covert_of(decisions: &[Thing<'_, CovertDecision>]) -> Covert {
    let open: Vec<_> = decisions.iter().filter(|d| !d.is_taken_back()).collect();
    if open.iter().any(|d| d.is_contested() && d.standing.iter().any(|v| v.body.active)) {
        return Covert::ForReview;
    }
    match open.first().and_then(|d| d.newest()) {
        Some(newest) if newest.body.active => Covert::Allowed,
        _ => Covert::No,
    }
}

fn by_order<'a, T: crate::record::version::Kind>(
    things: Vec<Thing<'a, T>>,
    order: impl Fn(&T) -> EntryId,
) -> BTreeMap<EntryId, Vec<Thing<'a, T>>> {
    let mut by_order: BTreeMap<EntryId, Vec<Thing<'a, T>>> = BTreeMap::new();
    for thing in things {
        // The first version names the order; a correction never moves a movement to another.
        let Some(id) = thing.versions().next().map(|v| order(v.body)) else { continue };
        by_order.entry(id).or_default().push(thing);
    }
    by_order
}

#[cfg(test)]
mod tests;
