//! Little-endian fields at fixed places, the alphabet of every structure the log writes.
//!
//! Callers hold arrays of the structure's exact size, so a place outside is a mistake in this room
//! and never something a disk can cause.

/// Reads the `u16` at byte `at`.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

/// Reads the `u32` at byte `at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// Reads the `u64` at byte `at`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// Copies `field` to byte `at`.
pub(super) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// The fixed-size array at byte `at`.
pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

/// `bytes` rounded up to a multiple of `step`, or `None` past the end of `u64`.
pub(super) fn round_up(bytes: u64, step: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(step)
}

/// True when every byte is zero. Reads eight bytes at a time; recovery runs it over whole segments.
pub(super) fn all_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_little_endian_and_land_where_told() {
        let mut bytes = [0u8; 16];
        put(&mut bytes, 2, &0x0102_0304u32.to_le_bytes());
        assert_eq!(bytes[2..6], [4, 3, 2, 1]);
        assert_eq!(u32_at(&bytes, 2), 0x0102_0304);
        assert_eq!(u16_at(&bytes, 2), 0x0304);
        assert_eq!(u64_at(&bytes, 0), 0x0102_0304 << 16);
    }

    #[test]
    fn zeros_are_seen_at_every_place() {
        let mut bytes = [0u8; 200];
        assert!(all_zero(&bytes));
        for at in 0..bytes.len() {
            bytes[at] = 1;
            assert!(!all_zero(&bytes), "byte {at}");
            bytes[at] = 0;
        }
    }

    #[test]
    fn rounding_never_wraps() {
        assert_eq!(round_up(1, 8), Some(8));
        assert_eq!(round_up(16, 8), Some(16));
        assert_eq!(round_up(u64::MAX, 8), None);
    }
}
