//! Which commands of a request run when.
//!
//! A command depends on those its `args` and `kwargs` refer to. Level 0 is what depends on nothing, level n + 1 what
//! depends only on levels up to n; a level starts when the one before has finished, and its commands run together.
//!
//! ```
//! use mpreg::rpc::graph::{Node, Plan};
//!
//! let plan = Plan::new(&[
//!     Node { name: "sum", args: r#"["left", "right.total"]"#, kwargs: "{}" },
//!     Node { name: "left", args: "[1]", kwargs: "{}" },
//!     Node { name: "right", args: "[2]", kwargs: "{}" },
//! ])?;
//! assert_eq!(plan.levels().collect::<Vec<_>>(), [&[1, 2][..], &[0]]);
//! # Ok::<(), mpreg::rpc::graph::Error>(())
//! ```

use super::names::{Names, Strings};
use crate::protocol::limits::RPC_COMMANDS_MAX;

/// Names an error lists at most.
const SHOWN_NAMES_MAX: usize = 8;

/// A command as the planner sees it. `args` and `kwargs` are validated JSON texts.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Label of the command inside its request.
    pub name: &'a str,
    /// JSON array.
    pub args: &'a str,
    /// JSON object.
    pub kwargs: &'a str,
}

/// Why there is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to run.
    #[error("cmds is empty")]
    Empty,
    /// More commands than a request may have.
    #[error("a request has {count} commands, the limit is {count_max}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// Commands that wait for each other; carries some of their names.
    #[error("the commands depend on each other in a circle: {0}")]
    Cycle(String),
}

/// The commands of a request by level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Indexes of commands, level after level.
    order: Vec<usize>,
    /// Where each level ends in `order`.
    ends: Vec<usize>,
}

impl Plan {
    /// Orders the commands. Of two with one name the last counts, at the place of the first.
    ///
    /// Cost: one pass over all arguments; memory is bounded by the number of commands squared, two bytes each.
    pub fn new(commands: &[Node<'_>]) -> Result<Plan, Error> {
        let count = commands.len();
        match commands {
            [] => return Err(Error::Empty),
            // One command refers at most to itself, which is no dependency.
            [_] => return Ok(Plan { order: vec![0], ends: vec![1] }),
            _ if count > RPC_COMMANDS_MAX => {
                return Err(Error::TooMany { count, count_max: RPC_COMMANDS_MAX });
            }
            _ => {}
        }
        let names = Names::new(commands.iter().map(|command| command.name).collect());
        let edges = edges(commands, &names);
        sort(commands, &names, &edges)
    }

    /// The levels, first to last; each holds indexes into the commands.
    pub fn levels(&self) -> impl Iterator<Item = &[usize]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.ends.iter().zip(starts).map(|(&end, start)| &self.order[start..end])
    }

    /// How many levels there are, at least one.
    #[must_use]
    pub fn level_count(&self) -> usize {
        self.ends.len()
    }

    /// How many commands run.
    #[must_use]
    pub fn command_count(&self) -> usize {
        self.order.len()
    }
}

/// `(dependency, dependent)` by place of the name, sorted, each once.
fn edges(commands: &[Node<'_>], names: &Names<'_>) -> Vec<(u16, u16)> {
    let mut edges = Vec::new();
    // Who was the last to depend on each, so that a name repeated a million times is one edge.
    let mut last = vec![usize::MAX; commands.len()];
    for (index, command) in winners(commands, names) {
        for text in [command.args, command.kwargs] {
            for found in Strings::of(text) {
                if let Some(reference) = names.reference(index, &found.text)
                    && last[reference.place] != index
                {
                    last[reference.place] = index;
                    edges.push((small(reference.place), small(index)));
                }
            }
        }
    }
    edges.sort_unstable();
    edges
}

/// The commands that count: under the place of their name, the last one of that name.
fn winners<'c, 'a>(
    commands: &'c [Node<'a>],
    names: &Names<'_>,
) -> impl Iterator<Item = (usize, &'c Node<'a>)> {
    let mut last: Vec<Option<&Node<'a>>> = vec![None; commands.len()];
    for command in commands {
        last[names.place(command.name).expect("every command's name is known")] = Some(command);
    }
    last.into_iter().enumerate().filter_map(|(place, command)| Some((place, command?)))
}

fn small(place: usize) -> u16 {
    u16::try_from(place).expect("a request has fewer commands than that")
}

/// Takes off level after level what waits for nothing any more.
fn sort(commands: &[Node<'_>], names: &Names<'_>, edges: &[(u16, u16)]) -> Result<Plan, Error> {
    let mut waits = vec![0_u32; commands.len()];
    edges.iter().for_each(|&(_, dependent)| waits[usize::from(dependent)] += 1);
    let winners: Vec<usize> = winners(commands, names).map(|(place, _)| place).collect();
    let mut level: Vec<usize> = winners.iter().copied().filter(|&place| waits[place] == 0).collect();
    let mut plan = Plan { order: Vec::with_capacity(winners.len()), ends: Vec::new() };
    while !level.is_empty() {
        let mut next = Vec::new();
        for &place in &level {
            let first = edges.partition_point(|&(dependency, _)| usize::from(dependency) < place);
            let own = edges[first..].iter().take_while(|&&(dependency, _)| usize::from(dependency) == place);
            for &(_, dependent) in own {
                let dependent = usize::from(dependent);
                waits[dependent] -= 1;
                if waits[dependent] == 0 {
                    next.push(dependent);
                }
            }
        }
        plan.order.append(&mut level);
        plan.ends.push(plan.order.len());
        next.sort_unstable();
        level = next;
    }
    if plan.order.len() < winners.len() {
        return Err(cycle(commands, winners.iter().copied().filter(|&place| waits[place] > 0)));
    }
    last_of_each_name(commands, names, &mut plan);
    Ok(plan)
}

/// Replaces places of names by the commands that count.
fn last_of_each_name(commands: &[Node<'_>], names: &Names<'_>, plan: &mut Plan) {
    if plan.order.len() == commands.len() {
        return;
    }
    let mut last = vec![0; commands.len()];
    for (index, command) in commands.iter().enumerate() {
        last[names.place(command.name).expect("every command's name is known")] = index;
    }
    plan.order.iter_mut().for_each(|place| *place = last[*place]);
}

#[cold]
fn cycle(commands: &[Node<'_>], stuck: impl Iterator<Item = usize>) -> Error {
    let shown = |place: usize| &commands[place].name[..commands[place].name.floor_char_boundary(64)];
    let names: Vec<&str> = stuck.take(SHOWN_NAMES_MAX).map(shown).collect();
    Error::Cycle(names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn plan(commands: &[(&str, &str, &str)]) -> Result<Vec<Vec<usize>>, Error> {
        let nodes: Vec<Node<'_>> =
            commands.iter().map(|&(name, args, kwargs)| Node { name, args, kwargs }).collect();
        Plan::new(&nodes).map(|plan| plan.levels().map(<[usize]>::to_vec).collect())
    }

    #[test]
    fn the_chain_of_the_guide() {
        let chain =
            [("step1", "[{}]", "{}"), ("step2", r#"["step1"]"#, "{}"), ("final", r#"["step2"]"#, "{}")];
        assert_eq!(plan(&chain), Ok(vec![vec![0], vec![1], vec![2]]));
    }

    #[test]
    fn levels_follow_references_in_args_and_kwargs_at_any_depth() {
        let commands = [
            ("d", r#"[{"x": ["c.y.z"]}]"#, "{}"),
            ("c", "[]", r#"{"k": [["a"]]}"#),
            ("b", r#"[{"a": 1}]"#, "{}"),
            ("a", "[]", "{}"),
        ];
        assert_eq!(plan(&commands), Ok(vec![vec![2, 3], vec![1], vec![0]]));
    }

    #[test]
    fn itself_is_a_word() {
        assert_eq!(plan(&[("echo", r#"["echo", "echo.x"]"#, "{}")]), Ok(vec![vec![0]]));
        assert_eq!(plan(&[("a", r#"["a"]"#, "{}"), ("b", r#"["a"]"#, "{}")]), Ok(vec![vec![0], vec![1]]));
    }

    #[test]
    fn a_name_with_a_dot_is_tried_whole_first() {
        let commands = [("a.b", "[]", "{}"), ("a", r#"["a.b"]"#, "{}"), ("c", r#"["a.b"]"#, "{}")];
        assert_eq!(plan(&commands), Ok(vec![vec![0], vec![1, 2]]));
    }

    #[test]
    fn the_last_of_one_name_counts_at_the_first_place() {
        let commands = [("a", r#"["b"]"#, "{}"), ("b", "[]", "{}"), ("a", "[1]", "{}")];
        assert_eq!(plan(&commands), Ok(vec![vec![2, 1]]), "the first a, which needed b, is gone");
        let commands = [("a", "[1]", "{}"), ("b", "[]", "{}"), ("a", r#"["b"]"#, "{}")];
        assert_eq!(plan(&commands), Ok(vec![vec![1], vec![2]]));
        let both = [("a", "[1]", "{}"), ("a", r#"["a"]"#, "{}")];
        assert_eq!(plan(&both), Ok(vec![vec![1]]), "the other a is itself");
    }

    #[test]
    fn circles_and_sizes_are_errors() {
        let circle = [("a", r#"["b"]"#, "{}"), ("b", "[]", r#"{"x": "a.y"}"#), ("c", "[]", "{}")];
        assert_eq!(plan(&circle), Err(Error::Cycle("a, b".to_owned())));
        assert_eq!(plan(&[]), Err(Error::Empty));
        let many = vec![("x", "[]", "{}"); RPC_COMMANDS_MAX + 1];
        assert!(matches!(plan(&many), Err(Error::TooMany { .. })));
    }

    #[test]
    fn a_thousand_commands_in_a_row_and_all_with_all() {
        let names: Vec<String> = (0..1000).map(|number| format!("c{number}")).collect();
        let args: Vec<String> = (0..1000).map(|n| format!(r#"["c{}"]"#, n - 1)).collect();
        let row: Vec<Node<'_>> =
            names.iter().zip(&args).map(|(name, args)| Node { name, args, kwargs: "{}" }).collect();
        assert_eq!(Plan::new(&row).unwrap().level_count(), 1000);
        let args: Vec<String> = (0..1000).map(|n| format!("{:?}", &names[..n])).collect();
        let all: Vec<Node<'_>> =
            names.iter().zip(&args).map(|(name, args)| Node { name, args, kwargs: "{}" }).collect();
        let plan = Plan::new(&all).unwrap();
        assert_eq!((plan.level_count(), plan.command_count()), (1000, 1000));
    }

    /// What chapter 4.3 says, word for word and slowly: levels by repeated search.
    fn reference(commands: &[(String, Vec<String>)]) -> Option<Vec<Vec<String>>> {
        let mut last: HashMap<&str, &Vec<String>> = HashMap::new();
        let mut names: Vec<&str> = Vec::new();
        for (name, words) in commands {
            if last.insert(name, words).is_none() {
                names.push(name);
            }
        }
        let needs = |name: &str| -> Vec<&str> {
            let known = |word: &str| names.iter().copied().find(|known| *known == word);
            let words = last[name].iter();
            let targets = words.filter_map(|word| known(word).or_else(|| known(word.split_once('.')?.0)));
            targets.filter(|target| *target != name).collect()
        };
        let (mut done, mut levels): (Vec<&str>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
        while done.len() < names.len() {
            let ready =
                |name: &&&str| !done.contains(*name) && needs(name).iter().all(|need| done.contains(need));
            let level: Vec<&str> = names.iter().filter(ready).copied().collect();
            if level.is_empty() {
                return None;
            }
            levels.push(level.iter().map(|name| (*name).to_owned()).collect());
            done.extend(level);
        }
        Some(levels)
    }

    proptest! {
        #[test]
        fn plans_are_those_of_the_chapter(
            commands in prop::collection::vec(("[a-f](\\.[a-c])?", prop::collection::vec("[a-h](\\.[a-c]){0,2}", 0..3)), 1..24)
        ) {
            let args: Vec<String> = commands.iter().map(|(_, words)| format!("{words:?}")).collect();
            let nodes: Vec<Node<'_>> = commands.iter().zip(&args)
                .map(|((name, _), args)| Node { name, args, kwargs: "{}" }).collect();
            let ours = Plan::new(&nodes).ok().map(|plan| plan.levels()
                .map(|level| level.iter().map(|&index| nodes[index].name.to_owned()).collect::<Vec<_>>())
                .collect::<Vec<_>>());
            prop_assert_eq!(ours, reference(&commands));
        }
    }
}
