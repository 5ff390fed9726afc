//! The first sync of a small home, and a reconnect with nothing changed.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use hearth_tests::bench::{Bench, Size};

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_node_catches_up_and_a_reconnect_opens_no_document_and_says_little() {
    let folder = tempfile::tempdir().unwrap();
    let size = Size { residents: 6, days: 3 };
    let mut bench = Bench::prepare(folder.path(), size, 1).await.unwrap();
    assert_eq!(bench.filled().entries, 6 * 3 * 19);
    let run = bench.run().await.unwrap().unwrap();
    assert!(run.first.frames_down_bytes > 10_000, "the records came over the line: {:?}", run.first);
    assert!(run.first.node_documents_opened > 0, "opened documents are counted");
    run.check().unwrap();
}
