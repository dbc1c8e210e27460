//! The state of a simulated disk and what each operation does to it. No faults, no errors: this is
//! the part that a trace replays.

use std::collections::BTreeMap;
use std::path::Path;

use super::content::{Change, Content, Unit};
use super::crash::{CrashSpec, Pending};
use super::names::{Names, Node};
use super::op::{FileId, Op};
use super::pages::Pages;

/// Files and names, current and durable. Copies share their pages.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) names: Names,
    files: BTreeMap<FileId, Content>,
    op_count: u64,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { names: Names::new(), files: BTreeMap::new(), op_count: 0 }
    }

    /// Number of the next operation.
    pub(super) fn op_count(&self) -> u64 {
        self.op_count
    }

    pub(super) fn file(&self, file: FileId) -> Option<&Content> {
        self.files.get(&file)
    }

    /// The content behind a path, when it is a file.
    pub(super) fn file_at(&self, path: &Path) -> Option<(FileId, &Content)> {
        match self.names.find(path)? {
            Node::File(file) => Some((file, self.files.get(&file)?)),
            Node::Dir => None,
        }
    }

    /// How many files are kept, named or not.
    #[cfg(test)]
    pub(super) fn file_count(&self) -> usize {
        self.files.len()
    }

    /// The first file number that was never used.
    pub(super) fn next_file(&self) -> FileId {
        FileId(self.files.last_key_value().map_or(0, |(file, _)| file.0 + 1))
    }

    /// Room taken by all files that have a name.
    pub(super) fn used_bytes(&self) -> u64 {
        let contents = self.names.nodes().filter_map(|(path, _)| self.file_at(path));
        contents.map(|(_, content)| content.current.allocated_bytes()).sum()
    }

    /// Applies one operation. Operations on a forgotten file change nothing.
    pub(super) fn apply(&mut self, op: &Op) {
        let number = self.op_count;
        self.op_count += 1;
        match op {
            Op::CreateDir(path) => self.names.create_dir(path),
            Op::Create { path, file } => {
                self.files.insert(*file, Content::default());
                self.names.link(number, path, *file);
            }
            Op::Rename { file, from, to } => self.names.rename(number, from, to, *file),
            Op::Remove { file, path } => self.names.unlink(number, path, *file),
            Op::SyncDir { dir, before, end } => self.names.sync(dir, *before, *end),
            Op::Write { file, offset, bytes } => {
                self.change(*file, |content| content.write(number, *offset, bytes))
            }
            Op::SetLen { file, len } => self.change(*file, |content| content.set_len(number, *len)),
            Op::Sync { file, before, end } => self.change(*file, |content| content.sync(*before, *end)),
            Op::Damage { file, offset, bytes } => {
                self.change(*file, |content| content.damage(*offset, bytes))
            }
        }
    }

    fn change(&mut self, file: FileId, change: impl FnOnce(&mut Content)) {
        if let Some(content) = self.files.get_mut(&file) {
            change(content);
        }
    }

    /// Drops the content of files that no name can lead to and that `is_open` denies.
    pub(super) fn forget_unnamed(&mut self, is_open: impl Fn(FileId) -> bool) {
        let mentioned = self.names.mentioned_files();
        let newest = self.files.last_key_value().map(|(file, _)| *file);
        // The newest stays, so that its number is not given away again.
        self.files.retain(|file, _| mentioned.contains(file) || is_open(*file) || Some(*file) == newest);
    }

    /// What a power cut now could take away.
    pub(super) fn pending(&self) -> Pending {
        let changes = self.pending_changes();
        let last_op = last_write_op(&changes);
        let last_write_bytes =
            changes.iter().filter(|(_, change)| Some(change.op) == last_op).map(written_bytes).sum();
        Pending { content_units: changes.len(), name_units: self.names.pending_len(), last_write_bytes }
    }

    /// The disk as it is found after a power cut: everything on it is durable, nothing is pending.
    pub(super) fn after_crash(&self, spec: &CrashSpec) -> Self {
        let mut durable: BTreeMap<FileId, Pages> =
            self.files.iter().map(|(file, content)| (*file, content.durable().clone())).collect();
        let changes = self.pending_changes();
        let torn_op = spec.torn_at_bytes.and(last_write_op(&changes));
        let chooser = spec.content.chooser();
        for (index, (file, change)) in changes.iter().enumerate() {
            let torn_at = spec.torn_at_bytes.filter(|_| Some(change.op) == torn_op).unwrap_or(u64::MAX);
            if let Some(pages) = durable.get_mut(file) {
                change.unit.apply_chosen(pages, torn_at, &chooser, index);
            }
        }
        let names = Names::settled(self.names.after_crash(spec.names));
        let named = names.mentioned_files();
        let files = durable.into_iter().filter(|(file, _)| named.contains(file));
        let files = files.map(|(file, pages)| (file, Content::settled(pages))).collect();
        Self { names, files, op_count: 0 }
    }

    /// Pending changes in the order they were made, of all files that may be found after a crash.
    fn pending_changes(&self) -> Vec<(FileId, &Change)> {
        let mentioned = self.names.mentioned_files();
        let mut changes = Vec::new();
        for (file, content) in self.files.iter().filter(|(file, _)| mentioned.contains(file)) {
            changes.extend(content.pending().iter().map(|change| (*file, change)));
        }
        // Stable: the pages of one write stay in order.
        changes.sort_by_key(|(_, change)| change.op);
        changes
    }
}

fn last_write_op(changes: &[(FileId, &Change)]) -> Option<u64> {
    let is_write = |change: &Change| matches!(change.unit, Unit::Page { .. });
    changes.iter().rev().find(|(_, change)| is_write(change)).map(|(_, change)| change.op)
}

fn written_bytes((_, change): &(FileId, &Change)) -> u64 {
    match change.unit {
        Unit::Page { start, end, .. } => (end - start) as u64,
        Unit::Len(_) => 0,
    }
}
