//! A push is judged with what is read once; a push of one change reads everything anew. Both give the same.

use std::collections::BTreeMap;

use hearth_protocol::document::check;
use hearth_protocol::id::ChangeHash;
use proptest::prelude::*;

use super::*;

/// What somebody does before the home pushes.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The home writes of a resident; the third is not its own.
    Write { person: u128, section: Section },
    /// The home dates an entry into another month than that of the document in which it stands.
    WriteElsewhere { person: u128, section: Section },
    /// The home has seen what the pharmacy wrote, and the hub has not.
    See { person: u128 },
    /// What is sent next is sent again later, too.
    Repeat,
    /// What was written last goes before what was written before it.
    Swap,
}

fn step() -> impl Strategy<Value = Step> {
    let section = || prop::sample::select(vec![Section::Safety, Section::Notes, Section::Mar]);
    let write = (1..=3_u128, section()).prop_map(|(person, section)| Step::Write { person, section });
    let elsewhere =
        (1..=2_u128, section()).prop_map(|(person, section)| Step::WriteElsewhere { person, section });
    let see = (1..=2_u128).prop_map(|person| Step::See { person });
    prop_oneof![8 => write, 1 => elsewhere, 1 => see, 1 => Just(Step::Repeat), 1 => Just(Step::Swap)]
}

/// What the home pushes, and what the pharmacy pushes after it.
fn pushed(steps: &[Step]) -> (Vec<ScopedChange>, Vec<ScopedChange>) {
    let (mut home, mut pharmacy) = (Pen::new(1), Pen::new(2));
    let (mut sent, mut theirs): (Vec<ScopedChange>, Vec<ScopedChange>) = (Vec::new(), Vec::new());
    let mut refused = std::collections::BTreeSet::new();
    for step in steps {
        match *step {
            Step::Write { person, section } => sent.extend(home.write(scope(person, section))),
            Step::WriteElsewhere { person, section } => {
                let dated = entry(home.next_id(), NOW.plus_ms(-100 * 24 * 60 * 60 * 1000));
                sent.extend(home.add(scope(person, section), vec![dated]));
                refused.extend(sent.last().map(|change| change.change.hash));
            }
            Step::See { person } => {
                let written = pharmacy.write(scope(person, Section::Safety));
                home.see(&written);
                theirs.extend(written);
            }
            Step::Repeat => sent.extend(sent.first().cloned()),
            Step::Swap => {
                // Of a head that reaches over a change which is not there yet, nothing is kept with what is refused.
                let is_sound = |change: &ScopedChange| {
                    change.scope.resident() != Some(resident(3)) && !refused.contains(&change.change.hash)
                };
                if let [.., before, last] = &mut *sent
                    && is_sound(before)
                    && is_sound(last)
                {
                    std::mem::swap(before, last);
                }
            }
        }
    }
    (sent, theirs)
}

/// The head that the home signs for each of its changes: it knows all that it has written.
fn signed(all: &[ScopedChange]) -> BTreeMap<(Scope, ChangeHash), SignedHead> {
    let checked = all.iter().map(|c| (c.scope, check(c.scope.section(), c.change.hash, &c.change.bytes)));
    let own: BTreeMap<(Scope, u64), ChangeHash> = checked
        .filter_map(|(scope, change)| change.ok().map(|change| (scope, change)))
        .filter(|(_, change)| change.install == InstallId(1))
        .map(|(scope, change)| ((scope, change.seq), change.hash))
        .collect();
    let (mut runs, install): (BTreeMap<Scope, Run>, _) = (BTreeMap::new(), InstallId(1));
    let heads = own.into_iter().map(|((scope, _), hash)| {
        let run = runs.entry(scope).or_default();
        *run = run.then(hash);
        let writer = Writer { region: RegionId(crate::testing::REGION), scope, install };
        let signature = writer.sign(*run, &signing_key(1));
        let head = SignedHead { scope, install, seq: run.seq, hash: run.hash, signature, after: Vec::new() };
        ((scope, hash), head)
    });
    heads.collect()
}

async fn two_homes() -> TestHub {
    let hub = region().await;
    hub.assign(HOME, 2).await;
    hub.assign(PHARMACY, 2).await;
    hub.assign(PHARMACY, 3).await;
    hub
}

/// All that pushes leave in the database but the places in the sites' feeds, of which one push takes fewer.
async fn left(hub: &TestHub) -> Vec<String> {
    let tables = [
        "SELECT hex(scope), seq, hex(hash), install, actor_seq, max_op, hex(bytes) FROM change",
        "SELECT hex(key), head_seq, hex(heads), max_op, hex(digest) FROM scope",
        "SELECT install, hex(scope), confirmed_seq FROM holding",
        "SELECT hex(scope), hex(hash), code, settlement FROM quarantine",
        "SELECT hex(scope), hex(hash), hex(missing) FROM pending",
        "SELECT hex(scope), install, seq, hex(hash) FROM vouched",
        "SELECT hex(scope), install, seq, hex(hash) FROM signed_head",
        "SELECT hex(scope), install, counter FROM owed",
        "SELECT site, hex(digest), scopes FROM site_feed",
        "SELECT hex(scope), site FROM subscription",
    ];
    let read = hub.store.read(move |c| {
        let mut rows = Vec::new();
        for sql in tables {
            let mut select = c.prepare(sql)?;
            let columns = select.column_count();
            let found = select.query_map([], |row| {
                let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
                Ok(format!("{values:?}", values = values.collect::<Result<Vec<_>, _>>()?))
            })?;
            let mut found = found.collect::<Result<Vec<String>, _>>()?;
            found.sort();
            rows.extend(found);
        }
        Ok(rows)
    });
    read.await.unwrap()
}

fn results(pushed: Pushed) -> Vec<ChangeResult> {
    match pushed {
        Pushed::Judged(results) => results,
        Pushed::Refused(code) => panic!("refused: {code:?}"),
    }
}

async fn run(steps: Vec<Step>) {
    let (sent, theirs) = pushed(&steps);
    let heads = signed(&sent);
    let (together, alone) = (two_homes().await, two_homes().await);
    for hub in [&together, &alone] {
        hub.store
            .write(|t| Ok(t.execute("INSERT INTO main_record (system, configured) VALUES ('a', 1)", [])?))
            .await
            .unwrap();
    }
    let mut newest: BTreeMap<Scope, SignedHead> = BTreeMap::new();
    for head in heads.values() {
        let known = newest.entry(head.scope).or_insert_with(|| head.clone());
        if head.seq > known.seq {
            *known = head.clone();
        }
    }
    let at_once = together.push_with(1, sent.clone(), newest.into_values().collect()).await.unwrap();
    let mut one_by_one = Vec::new();
    for change in &sent {
        let head = heads.get(&(change.scope, change.change.hash)).cloned();
        let pushed = alone.push_with(1, vec![change.clone()], head.into_iter().collect()).await;
        one_by_one.extend(results(pushed.unwrap()));
    }
    // What waited for what came later in the same push is answered as stored.
    for (change, result) in sent.iter().zip(&mut one_by_one) {
        let (scope, hash) = (change.scope, change.change.hash);
        let place = move |c: &rusqlite::Connection| Documents::default().of(c, scope)?.find(c, hash);
        let place = alone.store.read(place).await.unwrap();
        if let (ChangeResult::Pending(_), Some(place)) = (&*result, place) {
            *result = ChangeResult::Accepted(place.sequence);
        }
    }
    assert_eq!(results(at_once), one_by_one);
    assert_eq!(left(&together).await, left(&alone).await);
    for hub in [&together, &alone] {
        hub.push(2, theirs.clone()).await;
    }
    assert_eq!(left(&together).await, left(&alone).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn changes_in_one_push_are_judged_and_stored_as_if_each_had_come_alone(
        steps in prop::collection::vec(step(), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
