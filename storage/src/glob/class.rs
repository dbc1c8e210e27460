//! Character classes, with the exact reading of Python's `fnmatch`.

/// One `[...]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    negated: bool,
    /// First and last character of each range, both inclusive; a single character is a range of one.
    ranges: Vec<(char, char)>,
}

impl Class {
    /// Reads the class behind an opening bracket: the class and how many characters it takes with its
    /// closing bracket. `None` when no bracket closes it; the opening one is then an ordinary character.
    ///
    /// A `]` right behind the opening (or behind its `!`) stands for itself. A `-` makes a range unless it
    /// is the first or last character or stands right behind the end of a range.
    pub(super) fn read(rest: &[char]) -> Option<(Class, usize)> {
        let marked = rest.first() == Some(&'!');
        let first = usize::from(marked);
        let closing = first + 1 + rest.get(first + 1..)?.iter().position(|&c| c == ']')?;
        let body = &rest[first..closing];
        let class =
            if marked { Class { negated: true, ranges: ranges(body) } } else { Class::unmarked(body) };
        Some((class, closing + 1))
    }

    /// Python drops backward ranges (`z-a`) with both their ends and only then looks for the `!`, so one
    /// that comes to stand in front by it negates the class.
    fn unmarked(body: &[char]) -> Class {
        let mut left = body;
        while let [first, '-', last, behind @ ..] = left
            && first > last
        {
            left = behind;
        }
        match left {
            // What was the range from `!` on is now a `-` and the character behind it.
            ['!', '-', last, behind @ ..] if left.len() < body.len() => {
                let mut ranges = ranges(behind);
                ranges.extend([('-', '-'), (*last, *last)]);
                Class { negated: true, ranges }
            }
            ['!', behind @ ..] if left.len() < body.len() => Class { negated: true, ranges: ranges(behind) },
            _ => Class { negated: false, ranges: ranges(left) },
        }
    }

    /// A class that lost all its ranges matches nothing, or everything when it is negated.
    pub(super) fn contains(&self, character: char) -> bool {
        self.negated != self.ranges.iter().any(|&(first, last)| (first..=last).contains(&character))
    }
}

/// The ranges of a class body, backward ones left out.
fn ranges(body: &[char]) -> Vec<(char, char)> {
    let (mut found, mut rest) = (Vec::new(), body);
    while let [first, behind @ ..] = rest {
        let (last, behind) = match behind {
            ['-', last, behind @ ..] => (last, behind),
            _ => (first, behind),
        };
        found.extend((first <= last).then_some((*first, *last)));
        rest = behind;
    }
    found
}
