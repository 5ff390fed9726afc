//! Compression of frames. Its contexts are kept by thread: for a frame of a few hundred bytes, making them takes longer
//! than compressing.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

/// Fastest level that still finds the repeats of names and directions in a tail of changes.
const ZSTD_LEVEL: i32 = 3;

thread_local! {
    static PACKING: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKING: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// These bytes, compressed; the same whatever was compressed before them.
pub(super) fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    PACKING.with_borrow_mut(|kept| match kept {
        Some(context) => context.compress(plain),
        none => none.insert(Compressor::new(ZSTD_LEVEL)?).compress(plain),
    })
}

/// What was compressed, unless it is longer than this.
pub(super) fn decompress(packed: &[u8], bytes_max: usize) -> io::Result<Vec<u8>> {
    UNPACKING.with_borrow_mut(|kept| match kept {
        Some(context) => context.decompress(packed, bytes_max),
        none => none.insert(Decompressor::new()?).decompress(packed, bytes_max),
    })
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
                let packed = compress(&plain).unwrap();
                prop_assert_eq!(&packed, &zstd::bulk::compress(&plain, ZSTD_LEVEL).unwrap());
                drop(decompress(&damaged, 100));
                prop_assert!(plain.is_empty() || decompress(&packed, plain.len() - 1).is_err());
                prop_assert_eq!(decompress(&packed, plain.len()).unwrap(), plain);
            }
        }
    }
}
