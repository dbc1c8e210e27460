//! `first NUL second`: conditions and constraints are refused or checked, never a panic; edits of validated
//! texts make texts that validate again; canonical bytes exist for exactly what the scanner takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg_storage::json::{
    Conditions, Constraints, EventConditions, Facts, Fault, NoPatterns, add, append, canonical, depth, equal,
    member, members_of, prepend, remove_path, set_path, subtract, validate,
};

fuzz_target!(|input: &str| {
    let Some((first, second)) = input.split_once('\0') else { return };
    judge(first, second);
    for text in [first, second] {
        let mut bytes = Vec::new();
        match validate(text.as_bytes()) {
            Ok(_) => assert!(canonical(text, &mut bytes).is_ok() && equal(text, text)),
            Err(error) => assert!(canonical(text, &mut bytes).is_err() || error.fault() == Fault::Nodes),
        }
    }
    match (validate(first.as_bytes()), validate(second.as_bytes())) {
        (Ok(first), Ok(second)) => edit(first, second),
        _ => {
            let out = &mut Vec::new();
            let _ = (append(Some(first), second, out), prepend(Some(first), second, out));
            let _ = set_path(first, second, second, out);
        }
    }
    if validate(second.as_bytes()).is_ok() {
        edit_path(second, first);
    }
});

/// `first` as a demand on `second`.
fn judge(first: &str, second: &str) {
    let value = validate(second.as_bytes()).ok();
    let facts = Facts { exists: true, ttl_remaining_us: Some(1), value, ..Facts::ABSENT };
    if let Ok(conditions) = Conditions::parse(first) {
        assert!(
            conditions.is_empty()
                || conditions.check(&facts).is_err()
                || conditions.check(&Facts::ABSENT).is_err()
        );
    }
    if let Ok(conditions) = EventConditions::parse(first) {
        let _ = conditions.hold(&|name| if name == "new_value" { value } else { None });
    }
    if let (Ok(constraints), Some(value)) = (Constraints::<NoPatterns>::parse(first), value) {
        assert!(!constraints.is_empty() || constraints.violations(value).is_empty());
    }
}

fn edit(first: &str, second: &str) {
    for change in [append, prepend] {
        let mut out = Vec::new();
        if change(Some(first), second, &mut out).is_ok() {
            assert!(validate(&out).is_ok());
        }
    }
    for change in [add, subtract] {
        let mut out = Vec::new();
        if change(first, second, &mut out).is_ok() {
            assert!(validate(&out).is_ok());
        }
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    assert!(canonical(first, &mut left).is_ok() && canonical(second, &mut right).is_ok());
    assert_eq!(equal(first, second), left == right);
    assert!(left == right || !left.starts_with(&right) && !right.starts_with(&left));
}

fn edit_path(text: &str, path: &str) {
    let mut out = Vec::new();
    if set_path(text, path, "9", &mut out).is_ok() {
        let made = std::str::from_utf8(&out).expect("texts stay UTF-8");
        assert_eq!(member(made, path), Some("9"));
        assert!(validate(&out).is_ok() && depth(made) <= 64);
    }
    for (name, value) in members_of(text).into_iter().flatten() {
        assert!(member(text, &name.decode()).is_some() && validate(value.as_bytes()) == Ok(value));
    }
    let mut out = Vec::new();
    let removed = remove_path(text, path, &mut out);
    assert_eq!(removed, member(text, path).is_some());
    assert!(!removed || validate(&out).is_ok());
}
