//! Watches one connection for silence and for messages that do not get on. No clock of its own: somebody calls
//! [`Watch::tick`] every [`TICK_MS`], so reading costs no look at a clock.

use crate::limits::{PING_AFTER_MS, PROGRESS_AFTER_MS, PROGRESS_BYTES_PER_SECOND, SILENCE_MS_MAX, TICK_MS};
use crate::transport::codec::Fault;

/// What a tick asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// Ask the peer for a sign of life.
    Ping,
    Close(Fault),
}

/// Silence and progress of one peer, counted in ticks.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    heard: bool,
    silent_ms: u64,
    started: Option<Started>,
}

/// A message that has begun and not ended.
#[derive(Debug, Default)]
struct Started {
    bytes: u64,
    age_ms: u64,
}

impl Watch {
    /// Bytes came; all messages in them were whole.
    pub(crate) fn heard_whole(&mut self) {
        self.heard = true;
        self.started = None;
    }

    /// `bytes` bytes came and a message is begun. `renewed` when it is another one than before.
    pub(crate) fn heard_part(&mut self, bytes: usize, renewed: bool) {
        self.heard = true;
        if renewed {
            self.started = None;
        }
        self.started.get_or_insert_default().bytes += bytes as u64;
    }

    /// [`TICK_MS`] have passed. `pings` tells whether this peer can be asked for a sign of life; where it cannot,
    /// silence is legal.
    pub(crate) fn tick(&mut self, pings: bool) -> Verdict {
        if let Some(started) = &mut self.started {
            started.age_ms += TICK_MS;
            let due = started.age_ms / 1000 * PROGRESS_BYTES_PER_SECOND;
            if started.age_ms >= PROGRESS_AFTER_MS && started.bytes < due {
                return Verdict::Close(Fault::TooSlow(PROGRESS_BYTES_PER_SECOND));
            }
        }
        self.silent_ms = if std::mem::take(&mut self.heard) { 0 } else { self.silent_ms + TICK_MS };
        if !pings || self.silent_ms < PING_AFTER_MS {
            Verdict::Fine
        } else if self.silent_ms >= SILENCE_MS_MAX {
            Verdict::Close(Fault::Silent(self.silent_ms))
        } else if self.silent_ms.is_multiple_of(PING_AFTER_MS) {
            Verdict::Ping
        } else {
            Verdict::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(watch: &mut Watch, count: u64) -> Vec<(u64, Verdict)> {
        let all = (1..=count).map(|n| (n * TICK_MS, watch.tick(true)));
        all.filter(|(_, verdict)| *verdict != Verdict::Fine).collect()
    }

    #[test]
    fn a_silent_peer_is_pinged_at_20_and_40_seconds_and_closed_at_45() {
        let expected = vec![
            (20_000, Verdict::Ping),
            (40_000, Verdict::Ping),
            (45_000, Verdict::Close(Fault::Silent(45_000))),
        ];
        assert_eq!(ticks(&mut Watch::default(), 9), expected);
    }

    #[test]
    fn a_pong_in_time_starts_anew() {
        let mut watch = Watch::default();
        for _ in 0..5 {
            assert_eq!(ticks(&mut watch, 8).len(), 2);
            watch.heard_whole();
            assert_eq!(watch.tick(true), Verdict::Fine);
        }
    }

    #[test]
    fn silence_is_legal_where_no_ping_exists() {
        let mut watch = Watch::default();
        assert!((0..1000).all(|_| watch.tick(false) == Verdict::Fine));
    }

    #[test]
    fn a_started_message_must_get_on() {
        let per_tick = (PROGRESS_BYTES_PER_SECOND * TICK_MS / 1000) as usize;
        let mut watch = Watch::default();
        for _ in 0..100 {
            watch.heard_part(per_tick, false);
            assert_eq!(watch.tick(false), Verdict::Fine, "exactly the least pace");
        }
        watch.heard_whole();
        watch.heard_part(per_tick - 1, true);
        assert_eq!(watch.tick(false), Verdict::Fine, "not before ten seconds");
        watch.heard_part(per_tick, false);
        assert_eq!(watch.tick(false), Verdict::Close(Fault::TooSlow(PROGRESS_BYTES_PER_SECOND)));
    }
}
