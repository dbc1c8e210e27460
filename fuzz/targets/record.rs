//! Records of a frame's body, from any bytes: no panic; whatever decodes encodes to the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg_storage::record::{Records, op};

fuzz_target!(|body: &[u8]| {
    for record in Records::new(body) {
        let Ok(record) = record else { break };
        let mut again = Vec::new();
        op::encode_into(record.origin, &record.op, &mut again);
        let decoded = Records::new(&again).next().expect("one record").expect("just encoded");
        assert_eq!(decoded, record);
    }
});
