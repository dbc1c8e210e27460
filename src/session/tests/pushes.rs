//! What is said to a connection by others: order, promises, limits, and that memory stays bounded.

use super::*;
use crate::limits::{CALL_BYTES_MAX, CALLS_MAX, OUTBOX_BYTES_HARD, OUTBOX_BYTES_MAX, OUTBOX_KEEP_BYTES};

/// A peer whose outbox is known to the test.
async fn connected(stage: &Arc<Stage>) -> (Peer, Outbox) {
    let mut peer = connect(stage, 1 << 26);
    peer.send(&["a"]).await;
    assert_eq!(peer.reply().await, "a");
    let outbox = stage.outbox.lock().unwrap().clone().unwrap();
    (peer, outbox)
}

fn saw(lsn: u64, strong: bool) -> Seen {
    let mut seen = Seen::default();
    seen.saw(Lsn(lsn), strong);
    seen
}

#[tokio::test]
async fn pushes_wake_an_idle_session_and_leave_in_order() {
    let stage = Stage::new();
    let (mut peer, outbox) = connected(&stage).await;
    let tail: Arc<[u8]> = Arc::from(&b"-tail"[..]);
    outbox.push(Push::whole("one")).unwrap();
    outbox.push(Push::shared("two".into(), Arc::clone(&tail))).unwrap();
    outbox.push(Push::shared("three".into(), tail)).unwrap();
    assert_eq!(peer.replies(3).await, ["one", "two-tail", "three-tail"]);
    assert!(peer.silent().await);
    assert_eq!(outbox.queued_bytes(), 0);
    outbox.push(Push::whole("four")).unwrap();
    assert_eq!(peer.reply().await, "four", "and again after it slept");
}

#[tokio::test]
async fn what_is_pushed_while_a_message_is_answered_leaves_behind_its_answer() {
    let stage = Stage::new();
    let (mut peer, outbox) = connected(&stage).await;
    outbox.push_quietly(Push::whole("pushed")).unwrap();
    assert!(peer.silent().await, "nobody has woken the session");
    outbox.wake();
    peer.send(&["x", "y"]).await;
    assert_eq!(peer.replies(3).await, ["x", "y", "pushed"]);
}

#[tokio::test]
async fn pushes_are_framed_like_the_last_message() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.upgrade().await;
    peer.stream.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'a']).await.unwrap();
    let mut answer = [0; 3];
    peer.stream.read_exact(&mut answer).await.unwrap();
    let outbox = stage.outbox.lock().unwrap().clone().unwrap();
    outbox.push(Push::whole("p")).unwrap();
    peer.stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x81, 1, b'p']);
    peer.stream.write_all(&[0x82, 0x81, 0, 0, 0, 0, b'-']).await.unwrap();
    outbox.push(Push::whole("q")).unwrap();
    peer.stream.read_exact(&mut answer).await.unwrap();
    assert!(answer == [0x82, 1, b'q'] || answer == [0x81, 1, b'q'], "whichever came first");
}

#[tokio::test(start_paused = true)]
async fn a_push_leaves_only_when_its_claim_holds() {
    let stage = Stage::new();
    let (mut peer, outbox) = connected(&stage).await;
    outbox.push(Push::whole("seen").claiming(saw(5, false), Bytes::new())).unwrap();
    assert_eq!(peer.reply().await, "seen");
    assert_eq!(stage.log(), ["hand over 5"]);
    outbox.push(Push::whole("strong").claiming(saw(7, true), Bytes::new())).unwrap();
    assert!(peer.silent().await);
    let _ = stage.durable.send_replace(Ok(7));
    assert_eq!(peer.reply().await, "strong");
}

#[tokio::test(start_paused = true)]
async fn a_push_whose_claim_is_late_becomes_its_other_text_and_the_rest_leaves() {
    let stage = Stage::new();
    let (mut peer, outbox) = connected(&stage).await;
    outbox.push_quietly(Push::whole("plain")).unwrap();
    outbox.push_quietly(Push::whole("x").claiming(saw(7, true), "late".into())).unwrap();
    outbox.push_quietly(Push::whole("y").claiming(saw(7, true), Bytes::new())).unwrap();
    outbox.wake();
    assert_eq!(peer.replies(2).await, ["plain", "late"]);
    peer.send(&["z"]).await;
    assert_eq!(peer.reply().await, "z");
}

#[tokio::test]
async fn a_failed_store_ends_the_connection_of_a_push_that_needs_it() {
    let stage = Stage::new();
    let (mut peer, outbox) = connected(&stage).await;
    let _ = stage.durable.send_replace(Err(()));
    outbox.push(Push::whole("x").claiming(saw(7, true), "unknown".into())).unwrap();
    assert_eq!(peer.rest().await, frame("unknown"));
    assert!(stage.log().contains(&"failed".to_owned()));
    assert_eq!(outbox.push(Push::whole("x")), Err(Refused::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_costs_bounded_memory_and_is_closed_in_the_end() {
    let stage = Stage::new();
    let (peer, outbox) = connected(&stage).await;
    let begun = tokio::time::Instant::now();
    let body = Bytes::from(vec![b'x'; 100_000]);
    let mut taken = 0;
    // The session takes what waits and stands in its write; the bytes it took still count.
    while outbox.push(Push::whole(body.clone())).is_ok() {
        taken += 1;
        assert!(taken < 1000, "no limit");
        tokio::task::yield_now().await;
    }
    let queued = outbox.queued_bytes();
    assert!((OUTBOX_BYTES_MAX..OUTBOX_BYTES_MAX + 101_000).contains(&queued), "{queued}");
    assert!(peer.budget.used_bytes() >= queued - OUTBOX_KEEP_BYTES, "it counts against the shared budget");
    peer.slots.drained().await;
    assert_eq!(begun.elapsed().as_millis() as u64 / 100, WRITE_STALL_MS_MAX / 100);
    assert_eq!(outbox.push(Push::whole("x")), Err(Refused::Closed));
    assert_eq!((outbox.queued_bytes(), peer.budget.used_bytes()), (0, 0));
}

#[tokio::test]
async fn one_message_of_any_size_fits_into_an_empty_queue_and_no_other_beyond_the_limit() {
    let stage = Stage::new();
    let (_peer, outbox) = connected(&stage).await;
    let large = Bytes::from(vec![b'x'; MESSAGE_BYTES_MAX]);
    assert_eq!(
        outbox.push(Push::shared(large.clone(), Arc::from(&b"!"[..]))),
        Err(Refused::TooLarge),
        "no client takes it"
    );
    outbox.push_quietly(Push::whole(large)).unwrap();
    assert_eq!(outbox.push_quietly(Push::whole("x")), Err(Refused::Full));
    assert!(outbox.queued_bytes() < OUTBOX_BYTES_HARD);
}

#[tokio::test]
async fn room_comes_when_the_peer_reads() {
    let stage = Stage::new();
    let (mut peer, outbox) = connected(&stage).await;
    let body = Bytes::from(vec![b'x'; 1_000_000]);
    let mut taken = 0;
    while outbox.push(Push::whole(body.clone())).is_ok() {
        taken += 1;
        tokio::task::yield_now().await;
    }
    let room = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.room(0).await }
    });
    assert!(!room.is_finished());
    assert_eq!(peer.replies(taken).await.len(), taken);
    room.await.unwrap();
    outbox.push(Push::whole("x")).unwrap();
    assert_eq!(peer.reply().await, "x");
}

#[tokio::test]
async fn calls_reply_when_they_are_ready_and_hold_up_nobody() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["a", "l1", "x", "l2", "y"]).await;
    assert_eq!(peer.replies(3).await, ["a", "x", "y"]);
    let mut calls = std::mem::take(&mut *stage.calls.lock().unwrap());
    let (second, first) = (calls.pop().unwrap(), calls.pop().unwrap());
    second.reply("reply 2", saw(9, false)).await;
    assert_eq!(peer.reply().await, "reply 2");
    assert_eq!(stage.log(), ["hand over 9"]);
    drop(first);
    assert_eq!(peer.reply().await, "lost l1", "nobody waits for a call that has died");
}

#[tokio::test]
async fn a_reply_too_large_for_any_client_becomes_the_other_text() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["l1"]).await;
    while stage.calls.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let call = stage.calls.lock().unwrap().pop().unwrap();
    call.reply(vec![b'x'; MESSAGE_BYTES_MAX + 1], Seen::default()).await;
    assert_eq!(peer.reply().await, "lost l1");
}

#[tokio::test]
async fn no_more_is_read_while_too_many_calls_are_in_flight() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 26);
    let many = vec!["l1"; CALLS_MAX + 5];
    peer.send(&many).await;
    peer.send(&["a"]).await;
    assert!(peer.silent().await);
    assert_eq!(stage.calls.lock().unwrap().len(), CALLS_MAX, "the rest of the batch waits too");
    let calls = std::mem::take(&mut *stage.calls.lock().unwrap());
    for call in calls {
        call.reply("r", Seen::default()).await;
    }
    assert_eq!(peer.replies(CALLS_MAX).await.len(), CALLS_MAX);
    assert_eq!(peer.reply().await, "a");
    assert_eq!(stage.calls.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn the_bytes_of_calls_in_flight_are_bounded_too() {
    let stage = Stage::new();
    let (mut peer, outbox) = connected(&stage).await;
    let large = outbox.call(CALL_BYTES_MAX, "lost");
    peer.send(&["a"]).await;
    // What was being waited for when the limit was reached may still come.
    let first = peer.reply().await;
    peer.send(&["z"]).await;
    assert!(peer.silent().await);
    drop(large);
    let replies = peer.replies(2).await;
    assert_eq!(first, "a");
    assert!(replies.contains(&"lost".to_owned()) && replies.contains(&"z".to_owned()));
}

#[tokio::test]
async fn a_stop_waits_for_calls_in_flight() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["l1", "a"]).await;
    assert_eq!(peer.reply().await, "a");
    peer.slots.stop_all();
    assert!(peer.silent().await);
    let call = stage.calls.lock().unwrap().pop().unwrap();
    call.reply("done", Seen::default()).await;
    assert!(peer.rest().await.starts_with(&frame("done")));
}

#[tokio::test]
async fn a_peer_that_ended_its_sending_side_gets_its_replies() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["l1", "a"]).await;
    peer.stream.shutdown().await.unwrap();
    assert_eq!(peer.reply().await, "a");
    let call = stage.calls.lock().unwrap().pop().unwrap();
    call.reply("done", Seen::default()).await;
    assert_eq!(peer.rest().await, frame("done"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_push_of_many_tasks_is_lost_or_overtaken_by_a_later_one_of_its_task() {
    const PUSHES: usize = 5_000;
    let stage = Stage::new();
    let (mut peer, outbox) = connected(&stage).await;
    for task in 0..4 {
        let outbox = outbox.clone();
        tokio::spawn(async move {
            for number in 0..PUSHES {
                outbox.push(Push::whole(format!("{task} {number}"))).unwrap();
                if number % 50 == 0 {
                    // Lets the session fall asleep now and then.
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let mut next = [0; 4];
    for _ in 0..4 * PUSHES {
        let reply = peer.reply().await;
        let (task, number) = reply.split_once(' ').unwrap();
        let next = &mut next[task.parse::<usize>().unwrap()];
        assert_eq!(number.parse::<usize>().unwrap(), *next);
        *next += 1;
    }
    assert_eq!(next, [PUSHES; 4]);
}
