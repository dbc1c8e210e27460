//! A first conversation with a node: `cargo run --example client [URL]`.
//!
//! Start one first: `cargo run --release`.

use std::time::Duration;

use mpreg::client::{Client, Entry, ReadOptions, WriteOptions};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Session {
    user: String,
    logins: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9001".to_owned());
    let client = Client::connect(&url).await?;
    let key = ("sessions", "42");

    // On disk before the acknowledgement, gone after an hour.
    let session = Session { user: "ada".to_owned(), logins: 1 };
    let written =
        client.put_with(key, &session, WriteOptions::strong().ttl(Duration::from_secs(3600))).await?;
    println!("put, durability {:?}", written.durability);

    let entry: Option<Entry<Session>> = client.get_with(key, ReadOptions::default()).await?;
    if let Some(entry) = entry {
        println!("got {:?}, {} bytes, from {:?}", entry.value, entry.size_bytes, entry.cache_level);
    }
    println!("deleted: {}", client.delete(key).await?);
    println!("still there: {}", client.get::<Session>(key).await?.is_some());
    Ok(())
}
