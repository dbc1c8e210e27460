//! Masking of client frames: every payload byte is xored with one of four key bytes in turn.

/// Masks or unmasks `payload` in place, eight bytes at a time.
pub(crate) fn apply(key: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    // Whole words keep the phase: the rest begins with the first key byte again.
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_byte_by_byte_rule_at_every_length() {
        let key = [0x12, 0xff, 0x00, 0x9a];
        for length in 0..70_usize {
            let clear: Vec<u8> = (0..length as u8).collect();
            let mut masked = clear.clone();
            apply(key, &mut masked);
            let expected: Vec<u8> = clear.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            assert_eq!(masked, expected, "length {length}");
            apply(key, &mut masked);
            assert_eq!(masked, clear);
        }
    }
}
