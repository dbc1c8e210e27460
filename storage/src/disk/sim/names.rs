//! The names of a simulated disk: which exist, which are durable, and the changes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::crash::{Chooser, Keep};
use super::op::{FileId, SyncEnd};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File(FileId),
}

pub(super) type NodeByPath = BTreeMap<Arc<Path>, Node>;

/// All directories of one disk.
#[derive(Debug, Clone)]
pub(super) struct Names {
    current: NodeByPath,
    durable: NodeByPath,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
struct Change {
    op: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Link { path: Arc<Path>, file: FileId },
    Move { from: Arc<Path>, to: Arc<Path>, file: FileId },
    Unlink { path: Arc<Path>, file: FileId },
}

impl Kind {
    /// The names it touches, the one whose directory makes it durable first.
    fn paths(&self) -> (&Arc<Path>, Option<&Arc<Path>>) {
        match self {
            Kind::Link { path, .. } | Kind::Unlink { path, .. } => (path, None),
            Kind::Move { from, to, .. } => (to, Some(from)),
        }
    }

    fn file(&self) -> FileId {
        match self {
            Kind::Link { file, .. } | Kind::Move { file, .. } | Kind::Unlink { file, .. } => *file,
        }
    }

    fn apply(&self, nodes: &mut NodeByPath) {
        match self {
            Kind::Link { path, file } => _ = nodes.insert(path.clone(), Node::File(*file)),
            Kind::Unlink { path, file } => unlink(nodes, path, *file),
            Kind::Move { from, to, file } => {
                unlink(nodes, from, *file);
                nodes.insert(to.clone(), Node::File(*file));
            }
        }
    }
}

/// Removes a name only while it still leads to that file.
fn unlink(nodes: &mut NodeByPath, path: &Path, file: FileId) {
    if nodes.get(path) == Some(&Node::File(file)) {
        nodes.remove(path);
    }
}

impl Names {
    /// A disk with a root and the process's own directory, and nothing in them.
    pub(super) fn new() -> Self {
        let roots = ["/", "", "."].map(|root| (Arc::from(Path::new(root)), Node::Dir));
        Self::settled(NodeByPath::from(roots))
    }

    /// Names that are all durable.
    pub(super) fn settled(nodes: NodeByPath) -> Self {
        Self { current: nodes.clone(), durable: nodes, pending: Vec::new() }
    }

    pub(super) fn find(&self, path: &Path) -> Option<Node> {
        self.current.get(path).copied()
    }

    /// Everything there is, sorted by path.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&Arc<Path>, Node)> {
        self.current.iter().map(|(path, node)| (path, *node))
    }

    /// Files that have a name, or may have one after a crash.
    pub(super) fn mentioned_files(&self) -> BTreeSet<FileId> {
        let named = self.current.values().chain(self.durable.values());
        let files = named.filter_map(|node| if let Node::File(file) = node { Some(*file) } else { None });
        files.chain(self.pending.iter().map(|change| change.kind.file())).collect()
    }

    pub(super) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Makes a directory and its parents, durable at once.
    pub(super) fn create_dir(&mut self, path: &Path) {
        for dir in path.ancestors() {
            let dir: Arc<Path> = Arc::from(dir);
            self.current.insert(dir.clone(), Node::Dir);
            self.durable.insert(dir, Node::Dir);
        }
    }

    pub(super) fn link(&mut self, op: u64, path: &Arc<Path>, file: FileId) {
        self.change(op, Kind::Link { path: path.clone(), file });
    }

    pub(super) fn rename(&mut self, op: u64, from: &Arc<Path>, to: &Arc<Path>, file: FileId) {
        self.change(op, Kind::Move { from: from.clone(), to: to.clone(), file });
    }

    pub(super) fn unlink(&mut self, op: u64, path: &Arc<Path>, file: FileId) {
        self.change(op, Kind::Unlink { path: path.clone(), file });
    }

    fn change(&mut self, op: u64, kind: Kind) {
        kind.apply(&mut self.current);
        self.pending.push(Change { op, kind });
    }

    /// Ends a sync of `dir` that covers the operations below `before`. A rename belongs to the
    /// directory of its target.
    pub(super) fn sync(&mut self, dir: &Path, before: u64, end: SyncEnd) {
        let (covered, open) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change| change.op < before && change.kind.paths().0.parent() == Some(dir));
        self.pending = open;
        let keep = match end {
            SyncEnd::Done => Keep::All,
            SyncEnd::Failed(None) => Keep::None,
            SyncEnd::Failed(Some(seed)) => Keep::Subset(seed),
        };
        apply_chosen(&covered, &mut self.durable, &keep.chooser());
    }

    /// The names after a power cut.
    pub(super) fn after_crash(&self, keep: Keep) -> NodeByPath {
        let mut nodes = self.durable.clone();
        apply_chosen(&self.pending, &mut nodes, &keep.chooser());
        nodes
    }
}

/// Applies what is chosen, but nothing whose name has an earlier change that is not there: a second
/// file cannot have taken a name that the first has not given up.
fn apply_chosen(changes: &[Change], nodes: &mut NodeByPath, chooser: &Chooser) {
    let mut missing: BTreeSet<&Arc<Path>> = BTreeSet::new();
    for (index, change) in changes.iter().enumerate() {
        let (first, second) = change.kind.paths();
        let mut touched = std::iter::once(first).chain(second);
        if chooser.keeps(index) && !touched.any(|path| missing.contains(path)) {
            change.kind.apply(nodes);
        } else {
            missing.insert(first);
            missing.extend(second);
        }
    }
}
