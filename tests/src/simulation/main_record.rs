//! A main care record as the hub's gateway deals with it: what is owed to it is taken, refused, or to be tried again.

use std::time::Duration;

use hearth_hub::clock::Clock;
use hearth_hub::gateway::owed::{self, Refused};
use hearth_hub::store::{Store, StoreError};
use rusqlite::Transaction;
use tokio_util::sync::CancellationToken;

use super::coverage::Coverage;
use crate::generate::dice::Dice;

const SYSTEM: &str = "main";
/// How often what is owed is looked for.
const EVERY: Duration = Duration::from_millis(500);
/// Entries that are dealt with in one transaction.
const AT_ONCE: u32 = 20;
const AGAIN_AFTER_MS: i64 = 5_000;

/// Tells the hub that there is a main care record.
pub(super) fn configure(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let sql = "INSERT INTO main_record (system, configured) VALUES (?1, 1) ON CONFLICT DO NOTHING";
    transaction.execute(sql, [SYSTEM])?;
    Ok(())
}

/// Deals with what is owed until the hub's program stops. What the store fails is dealt with the next time.
pub(super) async fn run(
    store: Store,
    clock: Clock,
    mut dice: Dice,
    coverage: Coverage,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let (now, seed) = (clock.now(), dice.bits());
        let Ok(due) = store.read(move |c| owed::due(c, SYSTEM, now, AT_ONCE)).await else { continue };
        if due.is_empty() {
            continue;
        }
        let answers = store.write(move |t| {
            let mut dice = Dice::new(seed, "answers");
            due.iter()
                .map(|owed| match dice.below(10) {
                    0 => owed::reject(t, owed, &Refused::new("invalid", "It is not taken."), now)
                        .map(|()| "refused"),
                    1 => owed::not_supported(t, owed, "kind", now).map(|()| "of a kind that is not taken"),
                    2 => owed::postpone(t, owed, now.plus_ms(AGAIN_AFTER_MS), "busy").map(|()| "put off"),
                    _ => owed::accept(t, owed, Some("Communication/1"), now).map(|()| "taken"),
                })
                .collect::<Result<Vec<_>, StoreError>>()
        });
        for answer in answers.await.unwrap_or_default() {
            coverage.count("entries at the main care record", answer);
        }
    }
}
