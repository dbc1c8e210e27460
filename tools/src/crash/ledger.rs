//! What one connection wrote, and whether what a restarted server shows can be true.
//!
//! The operations of one connection take effect in order, so after a crash its keys must look as after
//! some *prefix* of them, and that prefix must hold everything acknowledged. Operations under way at
//! the kill may be in it or not.

use std::collections::HashMap;

/// Number of a key within its connection.
pub type KeyNumber = u64;

/// What a key holds: the number of the write that put it, or nothing.
pub type State = Option<u64>;

/// One connection's books.
#[derive(Debug, Default)]
pub struct Ledger {
    /// After everything acknowledged.
    acknowledged: HashMap<KeyNumber, State>,
    /// Sent and not acknowledged, in order.
    under_way: Vec<(KeyNumber, State)>,
    next_write: u64,
}

/// What a read-back says about the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Keys compared.
    pub keys: u64,
    /// Keys whose state is older than what was acknowledged, or was never written at all.
    pub lost: u64,
    /// Keys that look right one by one although no prefix explains all of them together.
    pub holes: u64,
    /// Operations without an acknowledgement that took effect all the same.
    pub survived_unacknowledged: u64,
}

impl Ledger {
    /// A number for the next write; no two writes share one.
    pub fn next_write(&mut self) -> u64 {
        self.next_write += 1;
        self.next_write
    }

    /// An operation leaves for the server.
    pub fn sent(&mut self, key: KeyNumber, state: State) {
        self.under_way.push((key, state));
    }

    /// The oldest operation under way was acknowledged.
    pub fn acknowledge_oldest(&mut self) {
        let (key, state) = self.under_way.remove(0);
        self.acknowledged.insert(key, state);
    }

    /// The oldest operation under way certainly did not happen.
    pub fn reject_oldest(&mut self) {
        self.under_way.remove(0);
    }

    /// Every key that was ever written.
    pub fn keys(&self) -> Vec<KeyNumber> {
        let mut keys: Vec<_> =
            self.acknowledged.keys().copied().chain(self.under_way.iter().map(|&(key, _)| key)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Judges what the restarted server shows, and goes on from there.
    pub fn judge(&mut self, seen: &HashMap<KeyNumber, State>) -> Verdict {
        let mut verdict = Verdict { keys: seen.len() as u64, ..Verdict::default() };
        match self.prefix_of(seen) {
            Some(length) => verdict.survived_unacknowledged = length as u64,
            None => self.count_faults(seen, &mut verdict),
        }
        self.acknowledged = seen.clone();
        self.under_way.clear();
        verdict
    }

    /// How many operations under way took effect, if one number explains every key.
    fn prefix_of(&self, seen: &HashMap<KeyNumber, State>) -> Option<usize> {
        let mut model: HashMap<KeyNumber, State> = self.acknowledged.clone();
        let shown = |key: &KeyNumber| seen.get(key).copied().flatten();
        let wrong = |model: &HashMap<KeyNumber, State>| {
            let missed = model.iter().filter(|&(key, state)| shown(key) != *state).count();
            missed + seen.iter().filter(|&(key, state)| state.is_some() && !model.contains_key(key)).count()
        };
        // Few operations are under way, so trying each prefix is cheap enough.
        if wrong(&model) == 0 {
            return Some(0);
        }
        self.under_way.iter().enumerate().find_map(|(number, &(key, state))| {
            model.insert(key, state);
            (wrong(&model) == 0).then_some(number + 1)
        })
    }

    /// No prefix fits: tells keys that are wrong by themselves from those wrong only together.
    fn count_faults(&self, seen: &HashMap<KeyNumber, State>, verdict: &mut Verdict) {
        for (key, state) in seen {
            let acknowledged = self.acknowledged.get(key).copied().flatten();
            let possible =
                acknowledged == *state || self.under_way.iter().any(|sent| sent == &(*key, *state));
            verdict.lost += u64::from(!possible);
        }
        if verdict.lost == 0 {
            verdict.holes = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys 1 and 2 acknowledged with writes 1 and 2, then three operations under way.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for key in [1, 2] {
            let write = ledger.next_write();
            ledger.sent(key, Some(write));
            ledger.acknowledge_oldest();
        }
        ledger.sent(1, Some(3));
        ledger.sent(2, None);
        ledger.sent(3, Some(5));
        ledger
    }

    fn seen(states: &[(KeyNumber, State)]) -> HashMap<KeyNumber, State> {
        states.iter().copied().collect()
    }

    #[test]
    fn every_prefix_is_fine() {
        let prefixes: [&[(KeyNumber, State)]; 4] = [
            &[(1, Some(1)), (2, Some(2)), (3, None)],
            &[(1, Some(3)), (2, Some(2)), (3, None)],
            &[(1, Some(3)), (2, None), (3, None)],
            &[(1, Some(3)), (2, None), (3, Some(5))],
        ];
        for (length, states) in prefixes.iter().enumerate() {
            let verdict = ledger().judge(&seen(states));
            let expected = Verdict { keys: 3, survived_unacknowledged: length as u64, ..Verdict::default() };
            assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn an_acknowledged_write_that_is_gone_is_lost() {
        let mut ledger = ledger();
        assert_eq!(ledger.judge(&seen(&[(1, None), (2, Some(2)), (3, None)])).lost, 1);
        assert_eq!(ledger.judge(&seen(&[(1, None), (2, Some(2)), (3, None)])).lost, 0, "counted once");
    }

    #[test]
    fn a_value_nobody_wrote_is_lost_too() {
        assert_eq!(ledger().judge(&seen(&[(1, Some(77)), (2, Some(2)), (3, None)])).lost, 1);
        assert_eq!(ledger().judge(&seen(&[(1, Some(1)), (2, Some(2)), (3, None), (9, Some(1))])).lost, 1);
    }

    #[test]
    fn a_hole_in_the_order_is_found() {
        // The third operation is there, the first is not.
        let verdict = ledger().judge(&seen(&[(1, Some(1)), (2, Some(2)), (3, Some(5))]));
        assert_eq!((verdict.lost, verdict.holes), (0, 1));
    }

    #[test]
    fn rejected_operations_leave_no_trace() {
        let mut ledger = ledger();
        ledger.reject_oldest();
        assert_eq!(ledger.judge(&seen(&[(1, Some(1)), (2, None), (3, None)])).survived_unacknowledged, 1);
        assert_eq!(ledger.keys(), [1, 2, 3]);
    }
}
