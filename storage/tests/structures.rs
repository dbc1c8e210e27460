//! Promise: structures, updates and batches answer like plain Rust collections, whatever is in memory and however the
//! store was stopped.
//!
//! Seeded commands of every family, counters, puts over structures and batches that are done or given up, beside a
//! model of vectors; with checkpoints, dropped caches, clean stops, kills, and power cuts after everything was synced.
//! Every answer is read twice: from memory where it is there, and from L2 after all that is clean was dropped.
//!
//! `STRUCTURES_SEEDS` (default 24) and `STRUCTURES_STEPS` (default 500) lengthen it; `STRUCTURES_SEED` replays one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use mpreg_storage::disk::{CrashSpec, SimClock, SimDisk, SimRng};
use mpreg_storage::json;
use mpreg_storage::record::{Cause, EntryFields};
use mpreg_storage::store::{
    BatchError, Creation, Error, Found, Level, NewVersion, Operation, Update, Verdict,
};
use mpreg_storage::structure::{Command, End, Family, FieldChange};
use support::{Life, Replay, WALL_US, key, number, seeds};

const KEYS: u64 = 8;

/// What a key holds.
#[derive(Debug, Clone, PartialEq)]
enum Held {
    Number(i64),
    List(Vec<String>),
    Set(Vec<String>),
    Map(Vec<(String, String)>),
    /// Score and member, by score, then by member.
    Sorted(Vec<(i64, String)>),
}

impl Held {
    fn text(&self) -> String {
        match self {
            Held::Number(number) => number.to_string(),
            Held::List(items) | Held::Set(items) => format!("[{}]", items.join(",")),
            Held::Map(fields) => {
                let pairs = fields.iter().map(|(field, value)| format!("\"{field}\":{value}"));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            }
            Held::Sorted(members) => {
                let pairs = members.iter().map(|(score, member)| format!("[{score},{member}]"));
                format!("[{}]", pairs.collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Adds to a number.
struct Add(i64);

impl Update for Add {
    fn decide(&self, current: Option<&EntryFields<'_>>, _: u64) -> Verdict {
        let text = current.map_or("0", |fields| std::str::from_utf8(fields.value).unwrap());
        let mut value = Vec::new();
        if json::add(text, &self.0.to_string(), &mut value).is_err() {
            return Verdict::Keep;
        }
        let (extras, cause) = (Vec::new(), Cause::Increment);
        Verdict::Store(NewVersion { value, extras, created_us: None, expires_us: 0, cause })
    }

    fn grows_by(&self) -> usize {
        32
    }
}

struct Run {
    rng: SimRng,
    disk: SimDisk,
    clock: Arc<SimClock>,
    life: Option<Life>,
    lives: u64,
    held: BTreeMap<u64, Held>,
    stops: u64,
    changes: u64,
    given_up: u64,
}

impl Run {
    fn life(&self) -> &Life {
        self.life.as_ref().unwrap()
    }

    fn member(&self) -> String {
        match self.rng.below(4) {
            0 => format!("{}", self.rng.below(30)),
            _ => format!("\"m{:02}{}\"", self.rng.below(40), "x".repeat(self.rng.below(60) as usize)),
        }
    }

    fn members(&self) -> Vec<String> {
        (0..1 + self.rng.below(if self.rng.below(10) == 0 { 200 } else { 4 }))
            .map(|_| self.member())
            .collect()
    }

    /// Carries out a command and demands what the model says: whether it was accepted.
    fn command(&mut self, at: u64, family: Family, command: Command<'_>, accepted: bool) {
        let name = key(at);
        let create = Some(Creation::default());
        let operation = Operation::Structure { key: name.as_bytes(), family, command, create };
        let done = self.life().store.stage_blocking(&operation);
        match done {
            Ok(done) => {
                assert!(accepted, "key {at}: {command:?} should not fit {:?}", self.held.get(&at));
                self.life().store.hand_over(done.outcome.lsn).unwrap();
                self.changes += u64::from(done.outcome.changed);
            }
            Err(Error::Refused(_)) => assert!(!accepted, "key {at}: {command:?} on {:?}", self.held.get(&at)),
            Err(error) => panic!("{error}"),
        }
    }

    fn list(&mut self, at: u64) {
        let values = self.members();
        let texts: Vec<&str> = values.iter().map(|value| &**value).collect();
        let fits = matches!(self.held.get(&at), None | Some(Held::List(_)));
        if !fits {
            return;
        }
        let Held::List(mut items) = self.held.remove(&at).unwrap_or(Held::List(Vec::new())) else { return };
        let existed = !items.is_empty();
        match self.rng.below(6) {
            0 | 1 => {
                self.command(at, Family::List, Command::PushBack(&texts), true);
                items.extend(values);
            }
            2 => {
                self.command(at, Family::List, Command::PushFront(&texts), true);
                items.splice(0..0, values);
            }
            3 if existed => {
                let index = self.rng.below(items.len() as u64 + 1);
                self.command(at, Family::List, Command::Insert { index: index as i64, values: &texts }, true);
                items.splice(index as usize..index as usize, values);
            }
            4 if existed => {
                let count = 1 + self.rng.below(3);
                let back = self.rng.below(2) == 0;
                let end = if back { End::Back } else { End::Front };
                self.command(at, Family::List, Command::Pop { end, count }, true);
                for _ in 0..count.min(items.len() as u64) {
                    items.remove(if back { items.len() - 1 } else { 0 });
                }
            }
            _ if existed => {
                self.command(at, Family::List, Command::RemoveValues(&texts), true);
                for value in &values {
                    if let Some(found) = items.iter().position(|item| item == value) {
                        items.remove(found);
                    }
                }
            }
            _ => {
                self.command(at, Family::List, Command::PushBack(&texts), true);
                items.extend(values);
            }
        }
        self.held.insert(at, Held::List(items));
    }

    fn set(&mut self, at: u64) {
        if !matches!(self.held.get(&at), None | Some(Held::Set(_))) {
            return;
        }
        let values = self.members();
        let texts: Vec<&str> = values.iter().map(|value| &**value).collect();
        let Held::Set(mut items) = self.held.remove(&at).unwrap_or(Held::Set(Vec::new())) else { return };
        if items.is_empty() || self.rng.below(3) > 0 {
            self.command(at, Family::Set, Command::Add(&texts), true);
            for value in values {
                if !items.contains(&value) {
                    items.push(value);
                }
            }
        } else {
            self.command(at, Family::Set, Command::Discard(&texts), true);
            items.retain(|item| !values.contains(item));
        }
        self.held.insert(at, Held::Set(items));
    }

    fn map(&mut self, at: u64) {
        if !matches!(self.held.get(&at), None | Some(Held::Map(_))) {
            return;
        }
        let Held::Map(mut fields) = self.held.remove(&at).unwrap_or(Held::Map(Vec::new())) else { return };
        let names: Vec<String> =
            (0..1 + self.rng.below(4)).map(|_| format!("f{}", self.rng.below(30))).collect();
        if fields.is_empty() || self.rng.below(3) > 0 {
            let value = self.member();
            let changes: Vec<_> = names.iter().map(|name| (&**name, FieldChange::Set(&value))).collect();
            self.command(at, Family::Map, Command::SetFields(&changes), true);
            for name in names {
                match fields.iter_mut().find(|(field, _)| *field == name) {
                    Some((_, old)) => *old = value.clone(),
                    None => fields.push((name, value.clone())),
                }
            }
        } else {
            let texts: Vec<&str> = names.iter().map(|name| &**name).collect();
            self.command(at, Family::Map, Command::RemoveFields(&texts), true);
            fields.retain(|(field, _)| !names.contains(field));
        }
        self.held.insert(at, Held::Map(fields));
    }

    fn sorted(&mut self, at: u64) {
        if !matches!(self.held.get(&at), None | Some(Held::Sorted(_))) {
            return;
        }
        let Held::Sorted(mut members) = self.held.remove(&at).unwrap_or(Held::Sorted(Vec::new())) else {
            return;
        };
        if members.is_empty() || self.rng.below(3) > 0 {
            let scored: Vec<(String, String)> = self
                .members()
                .into_iter()
                .map(|member| ((self.rng.below(50) as i64 - 25).to_string(), member))
                .collect();
            let pairs: Vec<(&str, &str)> =
                scored.iter().map(|(score, member)| (&**score, &**member)).collect();
            self.command(at, Family::Sorted, Command::Score(&pairs), true);
            for (score, member) in scored {
                members.retain(|(_, other)| *other != member);
                members.push((score.parse().unwrap(), member));
            }
        } else {
            let count = 1 + self.rng.below(3);
            self.command(at, Family::Sorted, Command::PopScored { end: End::Front, count }, true);
            members.drain(..members.len().min(count as usize));
        }
        let form = |member: &str| {
            let mut out = Vec::new();
            json::canonical(member, &mut out).unwrap();
            out
        };
        members.sort_by_key(|(score, member)| (*score, form(member)));
        self.held.insert(at, Held::Sorted(members));
    }

    fn count(&mut self, at: u64) {
        let by = self.rng.below(100) as i64 - 50;
        let name = key(at);
        let add = Add(by);
        let done =
            self.life().store.stage_blocking(&Operation::Update { key: name.as_bytes(), update: &add });
        self.life().store.hand_over(done.unwrap().outcome.lsn).unwrap();
        match self.held.get_mut(&at) {
            None => drop(self.held.insert(at, Held::Number(by))),
            Some(Held::Number(number)) => *number += by,
            Some(_) => {}
        }
    }

    /// Two operations that happen together, or are given up.
    fn batch(&mut self) {
        let (first, second) = (self.rng.below(KEYS), self.rng.below(KEYS));
        let give_up = self.rng.below(2) == 0;
        let member = self.member();
        let texts = [&*member];
        let (one, two) = (key(first), key(second));
        let value = b"7";
        let put = Operation::Put { key: one.as_bytes(), value, ttl_us: None, extras: b"" };
        let command = Command::PushBack(&texts);
        let create = Some(Creation::default());
        let push = Operation::Structure { key: two.as_bytes(), family: Family::List, command, create };
        let judge = |_: &[mpreg_storage::store::Done]| match give_up {
            true => Err(BatchError { index: 0, error: Error::GivenUp }),
            false => Ok(()),
        };
        // The put comes first: onto one key it makes a number of whatever was there.
        let becomes_number = first == second;
        let fits = !becomes_number && !matches!(self.held.get(&second), Some(Held::Number(_) | Held::Map(_)));
        match self.life().store.stage_batch_blocking(&[put, push], &judge) {
            Ok(done) => {
                assert!(fits && !give_up, "{:?}", self.held.get(&second));
                self.life().store.hand_over(done.lsn).unwrap();
                self.held.insert(first, Held::Number(7));
                // Sets and sorted sets are arrays: pushing onto one makes a list of it.
                let mut items = match self.held.remove(&second) {
                    Some(Held::List(items) | Held::Set(items)) => items,
                    Some(Held::Sorted(members)) => {
                        members.iter().map(|(score, member)| format!("[{score},{member}]")).collect()
                    }
                    _ => Vec::new(),
                };
                items.push(member);
                self.held.insert(second, Held::List(items));
            }
            Err(BatchError { error: Error::GivenUp | Error::Refused(_), .. }) => self.given_up += 1,
            Err(error) => panic!("{error}"),
        }
    }

    fn step(&mut self) {
        let at = self.rng.below(KEYS);
        match self.rng.below(40) {
            0..8 => self.list(at),
            8..15 => self.set(at),
            15..22 => self.map(at),
            22..29 => self.sorted(at),
            29..31 => self.count(at),
            31 => {
                self.held.remove(&at);
                let name = key(at);
                let done = self.life().store.delete(name.as_bytes(), Level::Eventual).unwrap();
                self.changes += u64::from(done.changed);
            }
            32..34 => self.batch(),
            34..36 => drop(self.life().store.checkpoint().unwrap()),
            36 => self.life().store.step().unwrap(),
            37 => self.life().store.drop_clean(),
            38 => self.stop(),
            _ => self.compare(),
        }
    }

    /// Ends this life in one of three ways and begins the next; nothing that was acknowledged may be missing.
    fn stop(&mut self) {
        self.stops += 1;
        let life = self.life.take().unwrap();
        match self.rng.below(3) {
            0 => life.store.close().unwrap(),
            1 => {
                drop(life);
                self.disk = self.disk.crash_image(&CrashSpec::EVERYTHING);
            }
            _ => {
                life.store.step().unwrap();
                drop(life);
                self.disk = self.disk.crash_image(&CrashSpec::NOTHING);
            }
        }
        self.lives += 1;
        self.life = Some(Life::resume(&self.disk, &self.clock, self.lives).unwrap());
        self.compare();
    }

    fn compare(&self) {
        for round in 0..2 {
            for at in 0..KEYS {
                let found = self.read(at);
                let wanted = self.held.get(&at).map(Held::text);
                assert_eq!(found, wanted, "key {at}, round {round}");
            }
            self.life().store.drop_clean();
        }
    }

    fn read(&self, at: u64) -> Option<String> {
        let store = &self.life().store;
        match store.find(key(at).as_bytes()).unwrap() {
            Found::Absent(_) => None,
            Found::Value(entry) => Some(String::from_utf8(entry.value().to_vec()).unwrap()),
            Found::Structure(_, structure) => {
                let mut text = Vec::new();
                assert!(structure.write_text(&mut text, usize::MAX, &store.cells(structure.id())).unwrap());
                Some(String::from_utf8(text).unwrap())
            }
        }
    }
}

#[test]
fn structures_answer_like_collections() {
    for seed in seeds("STRUCTURES", 24) {
        let _replay = Replay(format!("STRUCTURES_SEED={seed} cargo test -p mpreg-storage --test structures"));
        let (disk, clock) = (SimDisk::new(), Arc::new(SimClock::new(WALL_US)));
        let life = Some(Life::resume(&disk, &clock, seed).unwrap());
        let mut run = Run {
            rng: SimRng::new(seed),
            disk,
            clock,
            life,
            lives: seed,
            held: BTreeMap::new(),
            stops: 0,
            changes: 0,
            given_up: 0,
        };
        for _ in 0..number("STRUCTURES_STEPS", 500) {
            run.clock.advance_us(1 + run.rng.below(3_000));
            run.step();
        }
        run.compare();
        assert!(run.stops > 0 && run.changes > 50, "stops {} changes {}", run.stops, run.changes);
        println!("structures seed={seed} changes={} stops={} violations=0", run.changes, run.stops);
    }
}
