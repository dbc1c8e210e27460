//! Operation ids: UUID text without a random number or an allocation per reply.
//!
//! ```text
//! rrrrrrrr-rrcc-8ccc-9ccc-nnnnnnnnnnnn
//! r  40 random bits of this start of the process
//! c  32 bits: number of the connection
//! n  48 bits: counter of the connection's replies
//! ```
//!
//! The `8` marks a UUID of private layout, `9` its variant.

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Where the hexadecimal digits stand that are not fixed, most significant first.
const RANDOM: [usize; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10];
const CONNECTION: [usize; 8] = [11, 12, 15, 16, 17, 20, 21, 22];
const COUNTER: std::ops::Range<usize> = 24..36;

/// The ids of one connection, ascending.
#[derive(Debug, Clone)]
pub struct OperationIds {
    text: [u8; 36],
}

impl OperationIds {
    /// Ids that differ from those of other connections (by `connection`) and, with 40 random bits,
    /// from those of other processes (by `process`, drawn once at the start).
    #[must_use]
    pub fn new(process: u64, connection: u32) -> OperationIds {
        let mut text = *b"00000000-0000-8000-9000-000000000000";
        let mut put = |places: &[usize], number: u64| {
            for (digit, &place) in places.iter().rev().enumerate() {
                text[place] = HEX[(number >> (4 * digit)) as usize & 15];
            }
        };
        put(&RANDOM, process);
        put(&CONNECTION, u64::from(connection));
        OperationIds { text }
    }

    /// The next id, as the 36 characters of a UUID. Starts again after 2^48 of them.
    #[inline]
    pub fn next_id(&mut self) -> &[u8; 36] {
        for place in COUNTER.rev() {
            let digit = &mut self.text[place];
            *digit = match *digit {
                b'9' => b'a',
                b'f' => b'0',
                other => other + 1,
            };
            if *digit != b'0' {
                break;
            }
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_look_like_uuids_and_count_up() {
        let mut ids = OperationIds::new(0x12_3456_789a, 0xbcde_f012);
        assert_eq!(ids.next_id(), b"12345678-9abc-8def-9012-000000000001");
        for _ in 0..14 {
            ids.next_id();
        }
        assert_eq!(ids.next_id(), b"12345678-9abc-8def-9012-000000000010");
    }

    #[test]
    fn ids_ascend_without_repeats_and_differ_between_connections() {
        let mut seen = HashSet::new();
        for connection in [0, 1, u32::MAX] {
            let mut ids = OperationIds::new(7, connection);
            let mut last = *ids.next_id();
            for _ in 0..70_000 {
                assert!(seen.insert(last));
                let next = *ids.next_id();
                assert!(next > last);
                last = next;
            }
        }
    }
}
