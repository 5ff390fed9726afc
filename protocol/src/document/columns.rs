//! The columns in which automerge saves changes and operations: runs of one value, of different values, of none.
//!
//! Reading takes any bytes; what is no column ends early and the caller gives up. Writing writes what automerge writes.

/// Takes so many bytes off the front.
pub(super) fn take<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(taken)
}

/// An unsigned LEB128 number of up to 63 bits.
pub(super) fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A signed LEB128 number of up to 56 bits.
pub(super) fn signed(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_i64;
    for shift in (0..56).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= i64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let is_negative = byte & 0x40 != 0;
            return Some(if is_negative { value - (1 << (shift + 7)) } else { value });
        }
    }
    None
}

/// A string with its length before it.
pub(super) fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = number(rest)?;
    std::str::from_utf8(take(rest, length)?).ok()
}

/// The values of a column, one after the other. An empty column has none in every row.
pub(super) struct Values<'a, T> {
    rest: &'a [u8],
    read: fn(&mut &'a [u8]) -> Option<T>,
    /// Rows of the run that are still to come.
    left: u64,
    /// What each of them has; nothing while they differ.
    value: Option<T>,
    differ: bool,
    is_empty: bool,
}

impl<'a, T: Copy> Values<'a, T> {
    pub(super) fn new(column: &'a [u8], read: fn(&mut &'a [u8]) -> Option<T>) -> Self {
        let is_empty = column.is_empty();
        Self {
            rest: column,
            read,
            left: if is_empty { u64::MAX } else { 0 },
            value: None,
            differ: false,
            is_empty,
        }
    }

    /// Whether no row is left; an empty column has as many as are asked for.
    pub(super) fn is_over(&self) -> bool {
        self.is_empty || (self.left == 0 && self.rest.is_empty())
    }

    /// The next row's value; nothing at the end and where the bytes are no column.
    #[expect(clippy::option_option, reason = "a row without a value is not the end")]
    #[inline]
    pub(super) fn next(&mut self) -> Option<Option<T>> {
        while self.left == 0 {
            self.begin()?;
        }
        self.left -= 1;
        if self.differ { (self.read)(&mut self.rest).map(Some) } else { Some(self.value) }
    }

    fn begin(&mut self) -> Option<()> {
        let count = signed(&mut self.rest)?;
        self.differ = count < 0;
        self.left = count.unsigned_abs();
        self.value = None;
        match count {
            0 => self.left = number(&mut self.rest)?,
            1.. => self.value = Some((self.read)(&mut self.rest)?),
            _ => {}
        }
        Some(())
    }
}

/// The values of a column that holds by how much each differs from the one before.
pub(super) struct Deltas<'a> {
    values: Values<'a, i64>,
    last: i64,
}

impl<'a> Deltas<'a> {
    pub(super) fn new(column: &'a [u8]) -> Self {
        Self { values: Values::new(column, signed), last: 0 }
    }

    pub(super) fn is_over(&self) -> bool {
        self.values.is_over()
    }

    #[expect(clippy::option_option, reason = "a row without a value is not the end")]
    #[inline]
    pub(super) fn next(&mut self) -> Option<Option<u64>> {
        let Some(delta) = self.values.next()? else { return Some(None) };
        self.last = self.last.checked_add(delta)?;
        u64::try_from(self.last).ok().map(Some)
    }
}

/// The values of a column of truths: how often no, how often yes, in turns. An empty column says no in every row.
pub(super) struct Truths<'a> {
    rest: &'a [u8],
    left: u64,
    value: bool,
}

impl<'a> Truths<'a> {
    pub(super) fn new(column: &'a [u8]) -> Self {
        let is_empty = column.is_empty();
        Self { rest: column, left: if is_empty { u64::MAX } else { 0 }, value: !is_empty }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<bool> {
        while self.left == 0 {
            self.left = number(&mut self.rest)?;
            self.value = !self.value;
        }
        self.left -= 1;
        Some(self.value)
    }
}

/// Writes an unsigned LEB128 number.
pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Writes a signed LEB128 number.
pub(super) fn put_signed(out: &mut Vec<u8>, mut value: i64) {
    while !(-0x40..0x40).contains(&value) {
        out.push((value.cast_unsigned() & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value.cast_unsigned() & 0x7f) as u8);
}

/// Writes bytes with their length before them.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a column; nothing where no row has a value.
pub(super) fn put_values<T: Copy + PartialEq>(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = Option<T>>,
    put: impl Fn(&mut Vec<u8>, T),
) {
    let begin = out.len();
    let mut differing: Vec<T> = Vec::new();
    let flush = |out: &mut Vec<u8>, differing: &mut Vec<T>| {
        if !differing.is_empty() {
            put_signed(out, -(differing.len() as u64).cast_signed());
            differing.drain(..).for_each(|value| put(out, value));
        }
    };
    let mut values = values.peekable();
    while let Some(value) = values.next() {
        let mut count = 1_u64;
        while values.next_if(|next| *next == value).is_some() {
            count += 1;
        }
        match value {
            None if out.len() == begin && differing.is_empty() && values.peek().is_none() => {}
            None => {
                flush(out, &mut differing);
                put_signed(out, 0);
                put_number(out, count);
            }
            Some(value) if count == 1 => differing.push(value),
            Some(value) => {
                flush(out, &mut differing);
                put_signed(out, count.cast_signed());
                put(out, value);
            }
        }
    }
    flush(out, &mut differing);
}

/// Writes a column of numbers by how much each differs from the one before.
pub(super) fn put_deltas(out: &mut Vec<u8>, values: impl Iterator<Item = Option<u64>>) {
    let mut last = 0_u64;
    let deltas = values.map(|value| {
        value.map(|value| {
            let delta = value.wrapping_sub(last).cast_signed();
            last = value;
            delta
        })
    });
    put_values(out, deltas, put_signed);
}

/// Writes a column of truths.
pub(super) fn put_truths(out: &mut Vec<u8>, values: impl Iterator<Item = bool>) {
    let (mut last, mut count) = (false, 0);
    for value in values {
        if value != last {
            put_number(out, count);
            (last, count) = (value, 0);
        }
        count += 1;
    }
    if count > 0 {
        put_number(out, count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = Vec<Option<u64>>> {
        let value = prop::option::of(prop_oneof![0..3_u64, 0..1_u64 << 54]);
        let runs = prop::collection::vec((value, 1..5_usize), 1..8);
        runs.prop_map(|runs| runs.into_iter().flat_map(|(value, count)| vec![value; count]).collect())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in rows(), truths in prop::collection::vec(any::<bool>(), 1..40)) {
            let mut column = Vec::new();
            put_values(&mut column, rows.iter().copied(), put_number);
            let mut values = Values::new(&column, number);
            prop_assert!(rows.iter().all(|row| values.next() == Some(*row)));
            prop_assert!(values.is_over());
            column.clear();
            put_deltas(&mut column, rows.iter().copied());
            let mut deltas = Deltas::new(&column);
            prop_assert!(rows.iter().all(|row| deltas.next() == Some(*row)));
            prop_assert!(deltas.is_over());
            column.clear();
            put_truths(&mut column, truths.iter().copied());
            let mut read = Truths::new(&column);
            prop_assert!(truths.iter().all(|truth| read.next() == Some(*truth)));
            column.clear();
            for row in rows.iter().flatten() {
                let value = row.cast_signed() - (1 << 30);
                put_signed(&mut column, value);
                prop_assert_eq!(signed(&mut &*column), Some(value));
                column.clear();
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let (mut numbers, mut deltas) = (Values::new(&bytes, number), Deltas::new(&bytes));
            let (mut strings, mut truths) = (Values::new(&bytes, string), Truths::new(&bytes));
            for _ in 0..100 {
                let _ = (numbers.next(), deltas.next(), strings.next(), truths.next());
            }
        }
    }
}
