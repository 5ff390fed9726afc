//! The first stores of a process, opened at once. A process of its own: whatever opened a database before would have
//! made SQLCipher ready.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::sync::Barrier;

use hearth_node::clock::Clock;
use hearth_node::keys::DataKey;
use hearth_node::random::Random;
use hearth_node::store::Store;

const STORES: u8 = 16;

#[test]
fn the_first_stores_of_a_process_open_side_by_side_and_are_encrypted() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Barrier::new(usize::from(STORES)));
    let open = &|number: u8| {
        let (path, key) = (folder.path().join(format!("{number}.db")), DataKey::generate(&Random::seeded(1)));
        gate.wait();
        Store::open(&path, &key, &Clock::system()).map(|_| std::fs::read(&path).unwrap())
    };
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..STORES).map(|number| scope.spawn(move || open(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for store in opened {
        assert!(!store.unwrap().starts_with(b"SQLite format 3"));
    }
}
