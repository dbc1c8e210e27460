//! The scanner's verdict equals serde_json's, apart from our extra limits, and what it returns is
//! the trimmed text itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg_storage::json::{Fault, validate};

fuzz_target!(|text: &[u8]| {
    let reference = serde_json::from_slice::<serde_json::Value>(text).is_ok();
    match validate(text) {
        Ok(value) => {
            assert!(reference);
            assert_eq!(validate(value.as_bytes()), Ok(value));
            assert_eq!(value.as_bytes(), text.trim_ascii());
        }
        Err(error) => {
            let extra = matches!(error.fault(), Fault::Depth | Fault::Nodes | Fault::IntegerRange);
            assert!(!reference || extra, "{error}");
            assert!(error.offset() <= text.len());
        }
    }
});
