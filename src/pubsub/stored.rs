//! The backlog as the store keeps it.

use mpreg_storage::record::{Level, Position};
use mpreg_storage::topics::{self, Error, Topics};

use super::backlog::{Backlog, Cursor, From, Published, Refused, Step, Waiting, Wanted};
use crate::protocol::pubsub::Offset;

impl Backlog for Topics {
    fn now_us(&self) -> u64 {
        Topics::now_us(self)
    }

    fn stage(
        &self,
        topic: &str,
        message: &[u8],
        level: Level,
        then: &mut dyn FnMut(Published),
    ) -> Result<(), Refused> {
        let staged = Topics::stage(self, topic, message, level, |published| {
            then(Published { position: published.position });
        });
        staged.map(drop).map_err(refused)
    }

    fn hand_over(&self, position: Position) -> Result<(), String> {
        Topics::hand_over(self, position).map_err(|error| error.to_string())
    }

    fn durable_position(&self) -> Position {
        Topics::durable_position(self)
    }

    fn durable(&self, position: Position) -> Waiting<Result<(), String>> {
        let durable = Topics::durable(self, position);
        Box::pin(async move { durable.await.map_err(|error| error.to_string()) })
    }

    fn released(&self) -> Position {
        Topics::released(self)
    }

    fn room(&self) -> Waiting<()> {
        let room = Topics::room(self);
        // A failure is met again by the publish that waits.
        Box::pin(async move {
            let _ = room.await;
        })
    }

    fn read(&self, from: From, wanted: Wanted) -> Box<dyn Cursor> {
        let start = match from {
            From::Earliest => topics::Start::Earliest,
            From::After(position) => topics::Start::After(position),
            From::Since(time_us) => topics::Start::Since { time_us },
        };
        Box::new(self.cursor(start, wanted))
    }

    fn stage_commit(&self, name: &str, reached: Position) -> Result<Position, Refused> {
        Topics::stage_commit(self, name, reached).map_err(refused)
    }

    fn resume(&self, name: &str) -> Option<Position> {
        Topics::resume(self, name)
    }
}

fn refused(error: Error) -> Refused {
    if error.is_busy() { Refused::Busy } else { Refused::For(error.to_string()) }
}

impl Cursor for topics::Cursor {
    fn next(&mut self) -> Result<Step<'_>, String> {
        Ok(match topics::Cursor::next(self).map_err(|error| error.to_string())? {
            topics::Step::Message(message) => {
                let (offset, time_us) = (message.position.into(), message.time_us);
                Step::Message { offset, time_us, message: message.payload }
            }
            topics::Step::Gap { from, to } => Step::Gap { from: from.into(), to: to.into() },
            topics::Step::Pause => Step::Pause,
            topics::Step::End => Step::End,
        })
    }

    fn position(&self) -> Offset {
        topics::Cursor::position(self).into()
    }

    fn skip(&mut self) {
        self.skip_corrupt();
    }
}
