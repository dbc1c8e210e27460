//! The load: connections that each keep a window of messages in flight, and what came of it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    pub per_second: f64,
    /// How long half of them took, and all but one of a hundred, in microseconds; where that was measured.
    pub latency_us: Option<(u32, u32)>,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s", self.per_second)?;
        let Some((p50, p99)) = self.latency_us else { return Ok(()) };
        write!(f, " (p50 {p50} us, p99 {p99} us)")
    }
}

impl Figure {
    pub fn median(mut figures: Vec<Figure>) -> Option<Figure> {
        figures.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
        figures.get(figures.len() / 2).copied()
    }
}

/// One connection of a publisher.
pub trait Publisher: Send {
    fn socket(&mut self) -> &mut TcpStream;
    /// Appends the next message.
    fn write(&mut self, out: &mut Vec<u8>);
    /// Acknowledgements that are whole in `input`, and the bytes they take.
    fn acks(&mut self, input: &[u8]) -> (usize, usize);
}

/// How much is published, and how.
pub struct Load {
    pub connections: usize,
    pub window: usize,
    pub messages: usize,
}

impl Load {
    pub fn run<P: Publisher>(&self, connect: impl Fn(usize) -> P) -> Figure {
        let publishers: Vec<P> = (0..self.connections).map(connect).collect();
        let begun = Instant::now();
        let mut latencies: Vec<u32> = std::thread::scope(|scope| {
            let each = self.messages / self.connections;
            let run = |publisher| scope.spawn(move || publish(publisher, self.window, each));
            let running: Vec<_> = publishers.into_iter().map(run).collect();
            running.into_iter().flat_map(|thread| thread.join().expect("a publisher ends well")).collect()
        });
        let seconds = begun.elapsed().as_secs_f64();
        latencies.sort_unstable();
        let count = latencies.len();
        Figure {
            per_second: count as f64 / seconds,
            latency_us: Some((latencies[count / 2], latencies[count * 99 / 100])),
        }
    }
}

/// Publishes `count` messages with at most `window` unacknowledged; how long each took in microseconds.
fn publish(mut publisher: impl Publisher, window: usize, count: usize) -> Vec<u32> {
    let mut latencies = Vec::with_capacity(count);
    let mut sent: VecDeque<(Instant, usize)> = VecDeque::new();
    let (mut left, mut out) = (count, Vec::new());
    let (mut input, mut filled) = (vec![0; 1 << 18], 0);
    let mut more = window;
    while latencies.len() < count {
        more = more.min(left);
        if more > 0 {
            out.clear();
            (0..more).for_each(|_| publisher.write(&mut out));
            publisher.socket().write_all(&out).expect("the server reads");
            sent.push_back((Instant::now(), more));
            left -= more;
        }
        let read = publisher.socket().read(&mut input[filled..]).expect("the server answers");
        assert!(read > 0, "the server hung up");
        filled += read;
        let (acks, bytes) = publisher.acks(&input[..filled]);
        input.copy_within(bytes..filled, 0);
        filled -= bytes;
        note(&mut sent, acks, &mut latencies);
        more = acks;
    }
    latencies
}

fn note(sent: &mut VecDeque<(Instant, usize)>, mut acks: usize, latencies: &mut Vec<u32>) {
    while acks > 0 {
        let (at, waiting) = sent.front_mut().expect("every ack has a message");
        let took = at.elapsed().as_micros() as u32;
        let these = acks.min(*waiting);
        latencies.extend(std::iter::repeat_n(took, these));
        acks -= these;
        *waiting -= these;
        if *waiting == 0 {
            sent.pop_front();
        }
    }
}
