//! What an installation that takes over from an earlier one finds, and what becomes of it.

use hearth_protocol::id::ResidentId;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::{Body, Role};
use hearth_protocol::scope::Section;
use hearth_protocol::wire::message::RevokeMode;
use uuid::Uuid;

use super::exchange_tests::{Order, revoke, write};
use super::sample::{NOON, Sample, dump, key, requester};
use super::*;

#[tokio::test]
async fn an_entry_whose_number_a_copy_gave_again_elsewhere_is_shown_once_that_was_written_anew_under_another()
{
    for is_saved in [false, true] {
        let (disk, copy) = (Sample::of_install(8).await, Sample::of_install(8).await);
        let mut order = Order::default();
        assert_eq!(copy.records.take_over().await, Ok(0));
        let sent = write(&disk, 2, 1, "after the disk was copied").await;
        order.pull(&disk.records).await;
        let dose = copy.dose(1, NOON, Outcome::Given);
        let given = copy.records.add(&requester(Role::Nurse, 2), key(1), vec![dose]).await.unwrap();
        assert_eq!(given.ids, [sent], "the copy gives the number again");
        copy.records.take_in(order.intake()).await.unwrap();
        let hidden = |sample: &Sample| sample.records.link().borrow().hidden;
        assert_eq!(hidden(&copy), 1, "until then every page says that an entry is on none");
        if is_saved {
            copy.time.pass(std::time::Duration::from_hours(24 * 33));
            assert_eq!(copy.records.compact().await, Ok(1));
        }
        let anew = copy.enrolled_anew(9);
        assert_eq!(anew.records.take_over().await, Ok(1));
        assert_eq!((hidden(&anew), dump(&anew.records, "hidden").await.len()), (0, 0));

        let entries = async |section| anew.records.entries(anew.subject(), &[section], None).await.unwrap();
        let (notes, doses) = (entries(Section::Notes).await, entries(Section::Mar).await);
        assert!(matches!(&notes[..], [note] if note.id == sent && matches!(note.body, Body::Note(_))));
        assert!(matches!(&doses[..], [dose] if dose.id.install == InstallId(9)));
        let kept = dump(&anew.records, "entry").await;
        anew.records.rebuild_read_model().await.unwrap();
        assert_eq!(dump(&anew.records, "entry").await, kept);
    }
}

#[tokio::test]
async fn an_entry_whose_number_was_given_twice_is_shown_once_the_record_that_hid_it_is_forgotten() {
    let (disk, mut copy) = (Sample::of_install(8).await, Sample::of_install(8).await);
    let mut order = Order::default();
    let sent = write(&disk, 2, 1, "after the disk was copied").await;
    order.pull(&disk.records).await;
    copy.records.take_in(order.intake()).await.unwrap();
    let first = copy.resident;
    copy.resident = ResidentId(Uuid::from_u128(2));
    copy.grant(copy.resident).await;
    assert_eq!(write(&copy, 2, 1, "of somebody else").await, sent, "the copy gives the number again");
    let shown = async || copy.records.entries(copy.subject(), &[Section::Notes], None).await.unwrap().len();
    assert_eq!((copy.records.link().borrow().hidden, shown().await), (1, 0));

    copy.records.take_in(revoke(first, RevokeMode::Forget)).await.unwrap();
    assert_eq!((copy.records.link().borrow().hidden, shown().await), (0, 1));
}

#[tokio::test]
async fn nothing_counts_as_hidden_once_what_was_hidden_is_written_anew_under_another_number() {
    let (disk, mut copy) = (Sample::of_install(8).await, Sample::of_install(8).await);
    let mut order = Order::default();
    assert_eq!(copy.records.take_over().await, Ok(0));
    write(&disk, 2, 1, "after the disk was copied").await;
    order.pull(&disk.records).await;
    copy.records.take_in(order.intake()).await.unwrap();
    copy.resident = ResidentId(Uuid::from_u128(2));
    copy.grant(copy.resident).await;
    write(&copy, 2, 1, "of somebody else").await;
    assert_eq!(dump(&copy.records, "hidden").await.len(), 1);

    let anew = copy.enrolled_anew(9);
    assert_eq!(anew.records.take_over().await, Ok(1));
    assert_eq!((dump(&anew.records, "hidden").await.len(), dump(&anew.records, "entry").await.len()), (0, 2));
}
