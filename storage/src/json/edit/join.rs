//! Append and prepend: string to string, to a list a list or one element.

use super::{EditFault, check_depth, checked, trimmed};
use crate::json::Kind;

/// Appends to `out` the value `current` with `data` behind it.
///
/// | `current` | `data` | result |
/// |---|---|---|
/// | string | string | both strings as one |
/// | list | list | the elements of `current`, then those of `data` |
/// | list | anything else | `data` as one more element |
/// | none | string | as if `current` were `""` |
/// | none | anything else | as if `current` were `[]` |
///
/// Everything else is [`EditFault::Incompatible`].
pub fn append(current: Option<&str>, data: &str, out: &mut Vec<u8>) -> Result<(), EditFault> {
    join(current, data, false, out)
}

/// The mirror image of [`append`]: `data` stands in front, a list in its own order.
pub fn prepend(current: Option<&str>, data: &str, out: &mut Vec<u8>) -> Result<(), EditFault> {
    join(current, data, true, out)
}

fn join(current: Option<&str>, data: &str, in_front: bool, out: &mut Vec<u8>) -> Result<(), EditFault> {
    let data = trimmed(data);
    let data_kind = Kind::of(data).ok_or(EditFault::Incompatible)?;
    let start = if data_kind == Kind::String { "\"\"" } else { "[]" };
    let current = current.map_or(start, trimmed);
    let order = |current, data| if in_front { [data, current] } else { [current, data] };
    match (Kind::of(current), data_kind) {
        (Some(Kind::String), Kind::String) => {
            let [first, second] = order(inside(current)?, inside(data)?);
            for piece in ["\"", first, second, "\""] {
                out.extend_from_slice(piece.as_bytes());
            }
            Ok(())
        }
        (Some(Kind::Array), Kind::Array) => join_lists(order(inside(current)?, inside(data)?), out),
        (Some(Kind::Array), _) => {
            check_depth(data, 1)?;
            join_lists(order(inside(current)?, data), out)
        }
        _ => Err(EditFault::Incompatible),
    }
}

/// What stands between the quotes or brackets of `text`.
fn inside(text: &str) -> Result<&str, EditFault> {
    text.get(1..text.len().saturating_sub(1)).ok_or(EditFault::Incompatible)
}

/// Writes one list of two runs of elements.
fn join_lists(runs: [&str; 2], out: &mut Vec<u8>) -> Result<(), EditFault> {
    let [first, second] = runs.map(trimmed);
    let comma = if first.is_empty() || second.is_empty() { "" } else { "," };
    checked(out, |out| {
        for piece in ["[", first, comma, second, "]"] {
            out.extend_from_slice(piece.as_bytes());
        }
    })
}
