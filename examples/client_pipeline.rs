//! Many calls at once over one connection: `cargo run --release --example client_pipeline [URL]`.
//!
//! Calls of all tasks are written together and answered in order; a thousand durable puts cost a few
//! syncs, not a thousand.

use std::time::Instant;

use mpreg::client::{Client, WriteOptions};

const PUTS: u32 = 1000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "tcp://127.0.0.1:9001".to_owned());
    let client = Client::connect(&url).await?;
    let begin = Instant::now();
    let puts = (0..PUTS).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let identifier = format!("row-{number}");
            client.put_with(("pipeline", identifier.as_str()), &number, WriteOptions::strong()).await
        })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await??;
    }
    println!("{PUTS} puts, each on disk before its acknowledgement, in {:?}", begin.elapsed());
    Ok(())
}
