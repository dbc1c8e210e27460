//! Subscriptions that share a durable name.

use std::collections::BTreeSet;

use super::*;

const SHARED: &str = r#","durable":"g","shared":true,"start":"earliest""#;

fn offset(notification: &Value) -> Position {
    notification["offset"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_goes_to_one_member_and_what_one_leaves_goes_to_the_others() {
    let node = Node::new();
    let (mut publisher, mut one, mut two) = (node.client(), node.client(), node.client());
    one.subscribe("one", "a", SHARED);
    two.subscribe("two", "a", SHARED);
    (1..=10).for_each(|number| drop(publisher.publish("a", number)));
    tokio::time::timeout(Duration::from_secs(5), async {
        while node.hub.stats().delivered_backlog < 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    let (first, second) = (one.got(), two.got());
    assert_eq!((first.len(), second.len()), (5, 5), "whoever has less to do gets the next");
    let all: BTreeSet<Position> = first.iter().chain(&second).map(offset).collect();
    assert_eq!(all.len(), 10);
    // What one has acknowledged counts for the group only up to the first that is open.
    one.yes(&commit("one", first[4]["offset"].as_str().unwrap()));
    let reached = node.memory.resume("g").unwrap();
    assert!(reached < offset(&second[0]));
    drop(two);
    let mut again: Vec<Position> = one.receive(5).await.iter().map(offset).collect();
    again.sort_unstable();
    assert_eq!(again, second.iter().map(offset).collect::<Vec<_>>());
    one.yes(&commit("one", &all.last().unwrap().to_string()));
    assert!(node.memory.resume("g").unwrap() >= *all.last().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_covers_what_came_before_it_and_not_what_another_one_left() {
    let node = Node::new();
    let (mut publisher, mut one, mut two) = (node.client(), node.client(), node.client());
    one.subscribe("one", "a", SHARED);
    two.subscribe("two", "a", SHARED);
    (1..=4).for_each(|number| drop(publisher.publish("a", number)));
    let (mine, theirs) = (one.receive(2).await, two.receive(2).await);
    drop(two);
    let again = one.receive(2).await;
    assert_eq!(again.iter().map(offset).collect::<Vec<_>>(), theirs.iter().map(offset).collect::<Vec<_>>());
    // Its own last one, which may be newer than what was left: that is still open.
    one.yes(&commit("one", mine[1]["offset"].as_str().unwrap()));
    assert!(node.memory.resume("g").unwrap() < offset(&theirs[0]));
    one.yes(&commit("one", again[1]["offset"].as_str().unwrap()));
    assert!(node.memory.resume("g").unwrap() >= offset(&theirs[1]).max(offset(&mine[1])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_comes_again_goes_on_behind_what_it_acknowledged() {
    let node = Node::new();
    let (mut publisher, mut one) = (node.client(), node.client());
    one.subscribe("one", "a", SHARED);
    (1..=4).for_each(|number| drop(publisher.publish("a", number)));
    let got = one.receive(4).await;
    one.yes(&commit("one", got[1]["offset"].as_str().unwrap()));
    drop(one);
    let mut two = node.client();
    two.subscribe("two", "a", SHARED);
    assert_eq!(two.receive_told(2).await, [3, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_acknowledges_nothing_gets_so_much_and_no_more() {
    let node = Node::new();
    let (mut publisher, mut one) = (node.client(), node.client());
    one.subscribe("one", "a", SHARED);
    (0..GROUP_UNACKNOWLEDGED_MAX + 10).for_each(|number| drop(publisher.publish("a", number)));
    let got = one.receive(GROUP_UNACKNOWLEDGED_MAX).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(one.got().is_empty());
    one.yes(&commit("one", got[9]["offset"].as_str().unwrap()));
    assert_eq!(one.receive(10).await.len(), 10);
}

#[tokio::test]
async fn a_shared_name_is_asked_for_in_one_way() {
    let node = Node::new();
    let (mut one, mut two) = (node.client(), node.client());
    one.subscribe("one", "a", SHARED);
    assert_eq!(
        two.no(&subscribe("two", "b", SHARED)),
        "a shared durable name has the same patterns everywhere"
    );
    assert_eq!(two.no(&subscribe("two", "a", r#","durable":"g""#)), "durable name is shared");
    two.subscribe("two", "a", r#","durable":"h""#);
    assert_eq!(one.no(&subscribe("x", "a", r#","durable":"h","shared":true"#)), "durable name in use");
}
