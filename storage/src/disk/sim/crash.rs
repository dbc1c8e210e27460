//! Which pending changes a power cut lets through.
//!
//! What was written since the last sync may be on the disk or not, each 4 KiB page for itself and in
//! any order; the same holds for each name changed since its directory was synced. A [`CrashSpec`]
//! is one such outcome. The model is harsher than most hardware: two pending writes into the same
//! sector are independent as well. Names keep one order that every file system keeps: a change of a
//! name is never there without the earlier pending changes of the same name.

use crate::disk::Rng;

use super::chance::SimRng;

/// Which of the pending changes, numbered from 0 in the order they were made, survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// None.
    None,
    /// All.
    All,
    /// The first so many: what a disk that writes in order would leave.
    First(usize),
    /// All except this one.
    AllBut(usize),
    /// This one alone: the later page without the earlier ones.
    Only(usize),
    /// Each by the toss of a coin.
    Subset(u64),
    /// Like `Subset`, but each 512-byte sector of a page for itself. For names the same as `Subset`.
    Sectors(u64),
}

impl Keep {
    /// Answers, change by change, whether it survives.
    pub(super) fn chooser(self) -> Chooser {
        let coin = match self {
            Keep::Subset(seed) | Keep::Sectors(seed) => Some(SimRng::new(seed)),
            _ => None,
        };
        Chooser { keep: self, coin }
    }
}

#[derive(Debug)]
pub(super) struct Chooser {
    keep: Keep,
    coin: Option<SimRng>,
}

impl Chooser {
    /// To be asked once for each change, in order (for `Sectors`: each sector).
    pub(super) fn keeps(&self, index: usize) -> bool {
        match self.keep {
            Keep::None => false,
            Keep::All => true,
            Keep::First(count) => index < count,
            Keep::AllBut(missing) => index != missing,
            Keep::Only(one) => index == one,
            Keep::Subset(_) | Keep::Sectors(_) => {
                self.coin.as_ref().is_some_and(|coin| coin.next_u64() & 1 == 1)
            }
        }
    }

    /// The piece in which content survives.
    pub(super) fn unit_bytes(&self) -> usize {
        if matches!(self.keep, Keep::Sectors(_)) { 512 } else { super::pages::PAGE_BYTES }
    }
}

/// One outcome of a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashSpec {
    /// Which pending pages and length changes survive, over all files.
    pub content: Keep,
    /// Which pending names survive, over all directories.
    pub names: Keep,
    /// Cuts the last pending write: only its first so many bytes can survive.
    pub torn_at_bytes: Option<u64>,
}

impl CrashSpec {
    /// Only what was synced.
    pub const NOTHING: Self = Self { content: Keep::None, names: Keep::None, torn_at_bytes: None };
    /// Everything that was ever written: what a killed process leaves.
    pub const EVERYTHING: Self = Self { content: Keep::All, names: Keep::All, torn_at_bytes: None };

    /// Everything, but the last pending write stops after `bytes` bytes.
    pub fn torn(bytes: u64) -> Self {
        Self { torn_at_bytes: Some(bytes), ..Self::EVERYTHING }
    }

    /// Everything under its newest names, but of the content only `content`.
    pub fn content(content: Keep) -> Self {
        Self { content, ..Self::EVERYTHING }
    }

    /// All content, but of the names only `names`.
    pub fn names(names: Keep) -> Self {
        Self { names, ..Self::EVERYTHING }
    }

    /// Outcomes worth trying for what is pending: none, all, each change missing, each alone, tears
    /// at 1 B, 512 B and 4 KiB, and random subsets. At most about `8 * each_max + 30` of them: where
    /// more than `each_max` changes are pending, that many are drawn by the seed.
    pub fn spread(pending: Pending, seed: u64, each_max: usize) -> Vec<Self> {
        let rng = SimRng::new(seed);
        let mut specs = vec![Self::NOTHING];
        if pending.content_units > 0 {
            specs.extend([Self::content(Keep::None), Self::names(Keep::None)]);
            for unit in drawn(&rng, pending.content_units, each_max) {
                specs.extend([Keep::AllBut(unit), Keep::Only(unit), Keep::First(unit)].map(Self::content));
            }
            specs.extend(tears(&rng, pending.last_write_bytes, each_max).map(Self::torn));
            for _ in 0..each_max {
                specs.push(Self::content(Keep::Subset(rng.next_u64())));
                specs.push(Self::content(Keep::Sectors(rng.next_u64())));
            }
        }
        for unit in drawn(&rng, pending.name_units, each_max) {
            specs.extend([Keep::AllBut(unit), Keep::First(unit)].map(Self::names));
        }
        if pending.content_units + pending.name_units > 0 {
            specs.push(Self::EVERYTHING);
            let (content, names) = (Keep::Subset(rng.next_u64()), Keep::Subset(rng.next_u64()));
            specs.push(Self { content, names, torn_at_bytes: None });
        }
        specs
    }
}

/// How much is not durable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// Pages written and length changes, over all files: the numbering of [`CrashSpec::content`].
    pub content_units: usize,
    /// Changed names, over all directories: the numbering of [`CrashSpec::names`].
    pub name_units: usize,
    /// Size of the newest pending write, 0 when no write is pending.
    pub last_write_bytes: u64,
}

/// All numbers below `count`, or `most` of them by chance.
fn drawn(rng: &SimRng, count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    (0..most).map(|_| rng.below(count as u64) as usize).collect()
}

/// Lengths at which a write of `bytes` may be cut: its first and last byte, some bytes in between,
/// and multiples of the sector and of the page.
fn tears(rng: &SimRng, bytes: u64, most: usize) -> impl Iterator<Item = u64> + use<> {
    let mut cuts = vec![];
    if bytes > 1 {
        cuts.extend([1, bytes - 1]);
        cuts.extend((0..most).map(|_| 1 + rng.below(bytes - 1)));
        for unit_bytes in [512, 4096] {
            let whole_units = ((bytes - 1) / unit_bytes) as usize;
            cuts.extend(drawn(rng, whole_units, most).into_iter().map(|unit| (unit as u64 + 1) * unit_bytes));
        }
        cuts.sort_unstable();
        cuts.dedup();
    }
    cuts.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(keep: Keep, count: usize) -> Vec<usize> {
        let chooser = keep.chooser();
        (0..count).filter(|index| chooser.keeps(*index)).collect()
    }

    #[test]
    fn each_choice_keeps_what_it_says() {
        assert_eq!(kept(Keep::None, 4), [0; 0]);
        assert_eq!(kept(Keep::All, 4), [0, 1, 2, 3]);
        assert_eq!(kept(Keep::First(2), 4), [0, 1]);
        assert_eq!(kept(Keep::AllBut(2), 4), [0, 1, 3]);
        assert_eq!(kept(Keep::Only(2), 4), [2]);
        let subset = kept(Keep::Subset(7), 1_000);
        assert!((400..600).contains(&subset.len()), "{}", subset.len());
        assert_eq!(subset, kept(Keep::Subset(7), 1_000));
        assert_ne!(subset, kept(Keep::Subset(8), 1_000));
    }

    #[test]
    fn a_spread_has_every_sort_and_is_bounded() {
        let few = Pending { content_units: 3, name_units: 2, last_write_bytes: 9_000 };
        let specs = CrashSpec::spread(few, 1, 20);
        for content in
            [Keep::None, Keep::All, Keep::AllBut(0), Keep::AllBut(2), Keep::Only(2), Keep::First(1)]
        {
            assert!(specs.contains(&CrashSpec::content(content)), "{content:?}");
        }
        for torn in [1, 512, 4096, 8192, 8_999] {
            assert!(specs.contains(&CrashSpec::torn(torn)), "{torn}");
        }
        for names in [Keep::None, Keep::AllBut(0), Keep::AllBut(1), Keep::First(1)] {
            assert!(specs.contains(&CrashSpec::names(names)), "{names:?}");
        }
        assert!(specs.contains(&CrashSpec::NOTHING) && specs.contains(&CrashSpec::EVERYTHING));
        let many = Pending { content_units: 10_000, name_units: 900, last_write_bytes: 1 << 24 };
        assert!(CrashSpec::spread(many, 1, 8).len() <= 8 * 10 + 30);
        assert_eq!(CrashSpec::spread(Pending::default(), 1, 8), [CrashSpec::NOTHING]);
    }
}
