//! Traces of real caches, read from a folder outside the repository, and zipf.
//!
//! A trace's format follows from its name: `cache2k*` and `cloud_physics_*` are big-endian u32, `scarab*` and `corda*`
//! big-endian u64, everything else is one decimal key a line, where a line `*` separates nothing that matters here.
//! `.xz` and `.gz` are unpacked by the programs `xz` and `gzip`: a bench needs no library for that.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Requests for keys that are numbered by first appearance.
pub struct Trace {
    pub name: String,
    pub requests: Vec<u32>,
    pub keys: usize,
}

/// The traces of `MPREG_TRACES`, by name; none, with a message, when the folder is absent.
#[allow(clippy::disallowed_methods)] // the traces are files outside the store
pub fn real() -> Vec<Trace> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let folder = std::env::var_os("MPREG_TRACES").map_or_else(default, PathBuf::from);
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("no traces: {} cannot be read; MPREG_TRACES names another folder", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt" || end == "xz" || end == "gz"));
    paths.sort();
    paths.iter().filter_map(|path| read(path)).collect()
}

/// `requests` for `keys` keys of popularity `1 / rank^exponent`.
pub fn zipf(exponent: f64, keys: usize, requests: usize) -> Trace {
    let requests = super::zipf(keys, exponent, requests, 1);
    Trace { name: format!("zipf {exponent}"), requests, keys }
}

fn read(path: &Path) -> Option<Trace> {
    let file = path.file_name()?.to_string_lossy().into_owned();
    let name = file.split('.').next()?.to_owned();
    let bytes = unpacked(path)?;
    let width = [("cache2k", 4), ("cloud_physics_", 4), ("scarab", 8), ("corda", 8)];
    let width = width.iter().find(|(start, _)| name.starts_with(start)).map(|(_, width)| *width);
    let keys: Vec<u64> = match width {
        Some(width) => bytes.chunks_exact(width).map(big_endian).collect(),
        None => {
            String::from_utf8_lossy(&bytes).split_whitespace().filter_map(|key| key.parse().ok()).collect()
        }
    };
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let mut number = |key| {
        let next = numbers.len() as u32;
        *numbers.entry(key).or_insert(next)
    };
    let requests = keys.into_iter().map(&mut number).collect();
    Some(Trace { name, requests, keys: numbers.len() })
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[allow(clippy::disallowed_methods)] // the traces are files outside the store
fn unpacked(path: &Path) -> Option<Vec<u8>> {
    let program = match path.extension()?.to_str()? {
        "xz" => "xz",
        "gz" => "gzip",
        _ => return std::fs::read(path).ok(),
    };
    let output = Command::new(program).arg("-dc").arg(path).output();
    match output {
        Ok(output) if output.status.success() => Some(output.stdout),
        _ => {
            println!("skipped: {program} could not unpack {}", path.display());
            None
        }
    }
}
