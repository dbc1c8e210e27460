//! Taking entries from a server, part by part.

use std::io::Write;

use mpreg::client::{Error, FoundKey, Namespace, NamespaceOutcome};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::{Failure, Kind};
use crate::online::Session;

/// Entries of one part at most; the server ends it earlier when they are large.
const ENTRIES_AT_ONCE: u64 = 1000;

/// What was taken.
#[derive(Default)]
pub struct Taken {
    pub entries: u64,
    pub namespaces: u64,
    /// Keys of entries no message has room for.
    pub too_large: Vec<String>,
}

/// The data of a backup.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry {
    key: FoundKey,
}

/// Writes the entries of these namespaces, or of all, one a line.
pub fn everything(
    session: &Session,
    namespaces: &[String],
    pattern: Option<&str>,
    out: &mut impl Write,
) -> Result<Taken, Failure> {
    let all = if namespaces.is_empty() { session.wait(session.client.namespaces())? } else { Vec::new() };
    let mut taken = Taken::default();
    for namespace in namespaces.iter().chain(&all) {
        let before = taken.entries;
        Walk { session, namespace, pattern, after: None }.run(out, &mut taken)?;
        if taken.entries == before && !namespaces.is_empty() && taken.too_large.is_empty() {
            return Err(Failure::new(Kind::NotFound, format!("no entry in namespace {namespace}")));
        }
        taken.namespaces += 1;
    }
    Ok(taken)
}

/// The way through one namespace.
struct Walk<'a> {
    session: &'a Session,
    namespace: &'a str,
    pattern: Option<&'a str>,
    /// Everything through this key was taken.
    after: Option<FoundKey>,
}

impl Walk<'_> {
    fn run(&mut self, out: &mut impl Write, taken: &mut Taken) -> Result<(), Failure> {
        let mut limit = ENTRIES_AT_ONCE;
        loop {
            let part = match self.ask(Namespace::backup(self.namespace).limit(limit)) {
                Ok(part) => part,
                Err(error) if is_too_large(&error) && limit > 1 => {
                    // One of them is the culprit: go on one by one up to it.
                    limit = 1;
                    continue;
                }
                Err(error) if is_too_large(&error) => {
                    taken.too_large.push(self.pass_over()?);
                    limit = ENTRIES_AT_ONCE;
                    continue;
                }
                Err(error) => return Err(crate::online::failure(error)),
            };
            if !self.write(&part, out, taken)? {
                return Ok(());
            }
        }
    }

    fn ask(&self, operation: Namespace) -> Result<NamespaceOutcome, Error> {
        let mut operation = operation;
        if let Some(pattern) = self.pattern {
            operation = operation.pattern(pattern);
        }
        if let Some(after) = &self.after {
            operation = operation.after(after.clone());
        }
        self.session.try_wait(self.session.client.namespace(operation))
    }

    /// True when there is more.
    fn write(
        &mut self,
        part: &NamespaceOutcome,
        out: &mut impl Write,
        taken: &mut Taken,
    ) -> Result<bool, Failure> {
        let text = part.data.as_ref().map_or("{\"entries\":[]}", |data| data.get());
        let data: Data<'_> = serde_json::from_str(text).map_err(anyhow::Error::from)?;
        for entry in &data.entries {
            out.write_all(entry.get().as_bytes())?;
            out.write_all(b"\n")?;
        }
        taken.entries += data.entries.len() as u64;
        let Some(last) = data.entries.last() else { return Ok(false) };
        let last: Entry = serde_json::from_str(last.get()).map_err(anyhow::Error::from)?;
        self.after = Some(last.key);
        Ok(part.has_more)
    }

    /// The key of the next entry, which is left out.
    fn pass_over(&mut self) -> Result<String, Failure> {
        let page = self.ask(Namespace::keys(self.namespace).limit(1)).map_err(crate::online::failure)?;
        let key = page.keys.into_iter().next();
        let key = key.ok_or_else(|| anyhow::anyhow!("an entry that is too large is gone; try again"))?;
        let text = format!("{}:{}:{}", key.namespace, key.identifier, key.version);
        self.after = Some(key);
        Ok(text)
    }
}

fn is_too_large(error: &Error) -> bool {
    matches!(error, Error::Node { code, .. } if code == "CACHE_TOO_LARGE")
}
