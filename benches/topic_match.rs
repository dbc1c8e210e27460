//! What does it cost to find the subscribers of a topic among a million, and what does a subscription weigh?
//!
//! A million different subscriptions of five segments: 85 % literal, 10 % with one `*`, 5 % ending in `#`. At most ten match a
//! topic. Beside it a plain hash map of whole topics, which no wildcard can use: the floor. Goals: 3 us a match
//! warm, 250 B a subscription. The longest insertion says how long a matcher may wait for a subscriber.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mpreg::pubsub::{Index, Matcher, Pattern};

/// Counts what is allocated, so that a subscription can be weighed.
struct Scale;

static BYTES: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe by its nature; this one only counts")]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Scale {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // What malloc really takes: a word more, in steps of 16.
        BYTES.fetch_add((layout.size() + 8).next_multiple_of(16), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub((layout.size() + 8).next_multiple_of(16), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static SCALE: Scale = Scale;

const SUBSCRIPTIONS: u32 = 1_000_000;
const ROUNDS: usize = 7;
const TOPICS: usize = 4096;
const CALLS: usize = 200_000;

/// The topic subscription number `n` is about: 50 sites of 40 lines of 100 devices of 5 sensors.
fn topic(n: u32) -> String {
    format!("site{}.line{}.device{}.sensor{}.value", n % 50, n / 50 % 40, n / 2000 % 100, n / 200_000)
}

fn pattern(n: u32) -> String {
    let topic = topic(n);
    let mut parts: Vec<&str> = topic.split('.').collect();
    match n % 20 {
        0 => parts[3] = "*",
        10 => parts[4] = "*",
        5 => parts[4] = "#",
        _ => {}
    }
    parts.join(".")
}

/// Median over the rounds, in nanoseconds a call.
fn timed(mut call: impl FnMut(usize)) -> f64 {
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..CALLS).for_each(&mut call);
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[ROUNDS / 2].as_nanos() as f64 / CALLS as f64
}

fn main() {
    let index = Index::new();
    let before = BYTES.load(Ordering::Relaxed);
    let mut longest = Duration::ZERO;
    let filling = Instant::now();
    for n in 0..SUBSCRIPTIONS {
        let pattern = Pattern::new(&pattern(n), false).expect("it is short");
        let begun = Instant::now();
        index.insert(&pattern, n);
        longest = longest.max(begun.elapsed());
    }
    let filled = filling.elapsed();
    let weight = (BYTES.load(Ordering::Relaxed) - before) as f64 / f64::from(SUBSCRIPTIONS);

    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % SUBSCRIPTIONS
    };
    let topics: Vec<String> = (0..TOPICS).map(|_| topic(random())).collect();
    let mut matcher = Matcher::default();
    let (mut found, mut most) = (0, 0);
    for topic in &topics {
        let mut here = 0;
        index.matches(topic, &mut matcher, |_| here += 1);
        found += here;
        most = most.max(here);
    }
    let spread = timed(|n| index.matches(&topics[n % TOPICS], &mut matcher, |handle| _ = black_box(*handle)));
    let warm = timed(|n| index.matches(&topics[n % 16], &mut matcher, |handle| _ = black_box(*handle)));

    let map: HashMap<String, u32> = (0..SUBSCRIPTIONS).map(|n| (topic(n), n)).collect();
    let floor = timed(|n| _ = black_box(map.get(&topics[n % TOPICS])));

    println!("{SUBSCRIPTIONS} subscriptions, {:.2} us each, longest {longest:?}", filled.as_secs_f64());
    println!("{weight:.0} B a subscription (goal 250)");
    println!("{:.1} matches a topic, at most {most}", found as f64 / TOPICS as f64);
    println!("{warm:.0} ns a match of 16 topics in turn (goal 3000)");
    println!(
        "{spread:.0} ns a match of {TOPICS} topics in turn, {:.1} x a lookup in a plain map ({floor:.0} ns)",
        spread / floor
    );
}
