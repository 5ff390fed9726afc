use proptest::prelude::*;

use super::*;
use crate::wire::limits;

const CHANNELS: [Channel; 5] =
    [Channel::Control, Channel::Push, Channel::Feed, Channel::Backfill(0), Channel::Blob];

/// Moves what one end has to send to the other; how many bytes that were.
fn carry(from: &mut Mux, to: &mut Mux, cut: usize) -> usize {
    let mut moved = 0;
    loop {
        let mut out = Vec::new();
        from.poll_transmit(64 * 1024, &mut out);
        if out.is_empty() {
            return moved;
        }
        moved += out.len();
        for part in out.chunks(cut) {
            to.handle_bytes(part).unwrap();
        }
    }
}

/// All that can be read on a channel now.
fn drain(mux: &mut Mux, channel: Channel) -> Vec<u8> {
    let mut all = Vec::new();
    while let Read::Bytes(bytes) = mux.read(channel) {
        all.extend(bytes);
    }
    all
}

/// Writes until there is no room or no credit, without the other end reading; how many bytes went.
fn fill(from: &mut Mux, to: &mut Mux, channel: Channel) -> usize {
    let mut all = 0;
    loop {
        let wrote = from.write(channel, &vec![7; QUEUE_BYTES]).unwrap();
        carry(from, to, 100_000);
        all += wrote;
        if wrote == 0 {
            return all;
        }
    }
}

proptest! {
    #[test]
    fn every_channel_arrives_whole_and_in_order_however_it_is_cut(
        writes in prop::collection::vec((0..CHANNELS.len(), 1..60_000usize, any::<u8>()), 1..24),
        cut in 1..5_000usize,
    ) {
        let (mut a, mut b) = (Mux::default(), Mux::default());
        let (mut sent, mut got) = (vec![Vec::new(); CHANNELS.len()], vec![Vec::new(); CHANNELS.len()]);
        for (place, length, byte) in writes {
            let bytes: Vec<u8> = (0..length).map(|i| byte.wrapping_add(u8::try_from(i % 251).unwrap())).collect();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let count = a.write(CHANNELS[place], rest).unwrap();
                rest = &rest[count..];
                carry(&mut a, &mut b, cut);
                for (place, channel) in CHANNELS.into_iter().enumerate() {
                    got[place].extend(drain(&mut b, channel));
                }
                carry(&mut b, &mut a, cut);
            }
            sent[place].extend(bytes);
        }
        prop_assert_eq!(sent, got);
    }

    #[test]
    fn no_bytes_make_it_panic_or_hold_more_than_its_windows(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        let mut mux = Mux::default();
        // Whether it is understood does not matter here.
        mux.handle_bytes(&bytes).ok();
        let held: usize = mux.incoming.values().flat_map(|incoming| &incoming.pieces).map(Vec::len).sum();
        prop_assert!(held <= WINDOW_BYTES * mux.incoming.len());
    }
}

#[test]
fn a_channel_that_is_not_read_stops_and_the_others_go_on() {
    let (mut a, mut b) = (Mux::default(), Mux::default());
    let all = fill(&mut a, &mut b, Channel::Feed);
    assert_eq!(all, WINDOW_BYTES + QUEUE_BYTES, "what is on the way is bounded");
    a.write(Channel::Control, b"still here").unwrap();
    carry(&mut a, &mut b, 1000);
    assert_eq!(drain(&mut b, Channel::Control), b"still here");
    assert_eq!(drain(&mut b, Channel::Feed).len(), WINDOW_BYTES);
    carry(&mut b, &mut a, 1000);
    carry(&mut a, &mut b, 1000);
    assert_eq!(drain(&mut b, Channel::Feed).len(), QUEUE_BYTES, "reading gives new credit");
}

#[test]
fn the_control_channel_does_not_wait_behind_a_document() {
    let mut a = Mux::default();
    a.write(Channel::Backfill(1), &vec![1; QUEUE_BYTES]).unwrap();
    a.write(Channel::Control, b"now").unwrap();
    let mut out = Vec::new();
    a.poll_transmit(1, &mut out);
    let mut b = Mux::default();
    b.handle_bytes(&out).unwrap();
    assert_eq!(b.poll_opened(), Some(Channel::Control));
}

#[test]
fn two_long_channels_take_turns() {
    let (mut a, mut b) = (Mux::default(), Mux::default());
    for channel in [Channel::Feed, Channel::Blob] {
        a.write(channel, &vec![1; 4 * PIECE_BYTES]).unwrap();
    }
    let mut out = Vec::new();
    a.poll_transmit(2 * PIECE_BYTES, &mut out);
    b.handle_bytes(&out).unwrap();
    assert_eq!(drain(&mut b, Channel::Feed).len(), PIECE_BYTES);
    assert_eq!(drain(&mut b, Channel::Blob).len(), PIECE_BYTES);
}

#[test]
fn more_than_the_credit_is_refused() {
    let mut out = Vec::new();
    let pieces = WINDOW_BYTES / PIECE_BYTES + 1;
    for _ in 0..pieces {
        Record::Piece(Channel::Push, vec![0; PIECE_BYTES]).encode(&mut out);
    }
    assert_eq!(Mux::default().handle_bytes(&out), Err(MuxError::Flood));
}

#[test]
fn what_was_sent_before_the_end_or_the_close_is_read_before_it() {
    let (mut a, mut b) = (Mux::default(), Mux::default());
    a.write(Channel::Push, b"last").unwrap();
    a.finish(Channel::Push);
    assert!(!a.is_finished(Channel::Push));
    a.write(Channel::Control, b"bye").unwrap();
    carry(&mut a, &mut b, 3);
    assert!(a.is_finished(Channel::Push));
    assert_eq!(a.write(Channel::Push, b"more"), None);
    assert_eq!(b.read(Channel::Push), Read::Bytes(b"last".to_vec()));
    assert_eq!(b.read(Channel::Push), Read::Ended);
    a.close(3);
    carry(&mut a, &mut b, 3);
    assert_eq!((b.closed_by_peer(), b.is_over()), (Some(3), true));
    assert_eq!(b.read(Channel::Control), Read::Bytes(b"bye".to_vec()));
    assert_eq!(b.read(Channel::Control), Read::Ended);
    assert_eq!(b.write(Channel::Feed, b"late"), None);
}

#[test]
fn a_channel_of_a_later_version_is_left_alone() {
    let mut out = Vec::new();
    put_unknown(&mut out);
    Record::Piece(Channel::Control, b"known".to_vec()).encode(&mut out);
    let mut mux = Mux::default();
    mux.handle_bytes(&out).unwrap();
    assert_eq!(mux.poll_opened(), Some(Channel::Control));
    assert_eq!(mux.poll_opened(), None);
}

fn put_unknown(out: &mut Vec<u8>) {
    Record::Piece(Channel::Backfill(limits::BACKFILL_STREAMS_MAX), b"later".to_vec()).encode(out);
}

#[test]
fn an_idle_end_shows_that_it_lives_and_a_silent_peer_is_given_up() {
    let (mut a, mut b) = (Mux::default(), Mux::default());
    for _ in 0..20 {
        assert!(a.handle_tick() && b.handle_tick());
        assert!(carry(&mut a, &mut b, 100) > 0 && carry(&mut b, &mut a, 100) > 0);
    }
    for _ in 0..SILENT_TICKS_MAX {
        assert!(a.handle_tick());
    }
    assert!(!a.handle_tick());
}
