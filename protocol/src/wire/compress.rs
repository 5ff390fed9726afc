//! Compression of frames. Its contexts are kept by thread: for a frame of a few hundred bytes, making them takes longer
//! than compressing.
//!
//! Short frames are compressed with a dictionary of what all changes have in common, which a short one has no room to
//! repeat. It is a part of the protocol: another dictionary is another version of it. `cargo bench-tails --train` made
//! it, of made-up residents.

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe;

/// Fastest level that looks for a longer repeat than the first it finds: entries are short and much alike.
const ZSTD_LEVEL: i32 = 5;
const DICTIONARY: &[u8] = include_bytes!("short_frames.zdict");

static PACKING_SHORT: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, ZSTD_LEVEL));
static UNPACKING_SHORT: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// With what is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// zstd by itself.
    Alone,
    /// zstd with the dictionary of short frames.
    Dictionary,
}

#[derive(Default)]
struct Contexts {
    packing: Option<Compressor<'static>>,
    packing_short: Option<Compressor<'static>>,
    unpacking: Option<Decompressor<'static>>,
    unpacking_short: Option<Decompressor<'static>>,
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = RefCell::new(Contexts::default());
}

/// These bytes, compressed; the same whatever was compressed before them.
pub(super) fn compress(means: Means, plain: &[u8]) -> io::Result<Vec<u8>> {
    CONTEXTS.with_borrow_mut(|kept| {
        let context = match means {
            Means::Alone => kept_or(&mut kept.packing, || Compressor::new(ZSTD_LEVEL)),
            Means::Dictionary => {
                kept_or(&mut kept.packing_short, || Compressor::with_prepared_dictionary(&PACKING_SHORT))
            }
        };
        context?.compress(plain)
    })
}

/// What was compressed, unless it is longer than this.
pub(super) fn decompress(means: Means, packed: &[u8], bytes_max: usize) -> io::Result<Vec<u8>> {
    CONTEXTS.with_borrow_mut(|kept| {
        let context = match means {
            Means::Alone => kept_or(&mut kept.unpacking, Decompressor::new),
            Means::Dictionary => kept_or(&mut kept.unpacking_short, || {
                Decompressor::with_prepared_dictionary(&UNPACKING_SHORT)
            }),
        };
        // What it says of itself is believed as far as the limit: a buffer of that size for each short frame costs more than
        // the frame.
        let stated = zstd_safe::get_frame_content_size(packed).ok().flatten();
        let stated = stated.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(bytes_max);
        context?.decompress(packed, stated.min(bytes_max))
    })
}

fn kept_or<T>(kept: &mut Option<T>, make: impl FnOnce() -> io::Result<T>) -> io::Result<&mut T> {
    match kept {
        Some(context) => Ok(context),
        none => Ok(none.insert(make()?)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_kept_context_compresses_as_a_new_one_and_forgets_what_was_damaged(
            plains in prop::collection::vec((any::<u8>(), prop::collection::vec(0..9_u8, 0..3_000)), 1..12),
            damaged in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            for (repeat, part) in plains {
                let plain = part.repeat(usize::from(repeat));
                let anew = Compressor::with_dictionary(ZSTD_LEVEL, DICTIONARY).unwrap().compress(&plain).unwrap();
                for (means, anew) in
                    [(Means::Alone, zstd::bulk::compress(&plain, ZSTD_LEVEL).unwrap()), (Means::Dictionary, anew)]
                {
                    let packed = compress(means, &plain).unwrap();
                    prop_assert_eq!(decompress(means, &anew, plain.len()).unwrap(), plain.clone());
                    prop_assert_eq!(&packed, &compress(means, &plain).unwrap());
                    drop(decompress(means, &damaged, 100));
                    prop_assert!(plain.is_empty() || decompress(means, &packed, plain.len() - 1).is_err());
                    prop_assert_eq!(decompress(means, &packed, plain.len()).unwrap(), plain.clone());
                    if means == Means::Alone {
                        prop_assert_eq!(packed, anew);
                    }
                }
            }
        }
    }
}
