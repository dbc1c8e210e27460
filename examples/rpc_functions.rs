//! Functions of this program, served to clients in any language: typed arguments, several versions, kept results.
//!
//!     cargo run --example rpc_functions

use std::time::Duration;

use mpreg::rpc::Failure;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Order {
    price: f64,
    count: u32,
}

#[derive(Serialize)]
struct Invoice {
    net: f64,
    tax: f64,
}

async fn invoice(order: Order, tax_percent: Option<f64>) -> Result<Invoice, Failure> {
    if order.count == 0 {
        return Err(Failure::new("ValueError", "an order of nothing"));
    }
    let net = order.price * f64::from(order.count);
    Ok(Invoice { net, tax: net * tax_percent.unwrap_or(20.0) / 100.0 })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let node = mpreg::Node::new(dir.path())
        .listen("127.0.0.1:0".parse()?)
        .function("shop.invoice")
        .version("1.1.0")
        .describe("Computes an invoice.\n\nThe tax is 20 percent unless said otherwise.")
        .parameters(["order", "tax_percent"])
        .async_handler(invoice)
        // Takes its time: runs on a blocking thread, once for equal arguments within the hour.
        .function("math.fibonacci")
        .describe("The n-th Fibonacci number, slowly.")
        .parameters(["n"])
        .pure(Duration::from_secs(3600))
        .handler(|n: u32| -> Result<u64, Failure> {
            fn fibonacci(n: u32) -> u64 {
                if n < 2 { u64::from(n) } else { fibonacci(n - 1) + fibonacci(n - 2) }
            }
            if n > 40 { Err(Failure::new("ValueError", "n is above 40")) } else { Ok(fibonacci(n)) }
        })
        .start()
        .await?;

    // A client as any other; the program could also wait for them with `node.failed()`.
    let client = mpreg::client::Client::connect(&node.url()).await?;
    let request = serde_json::json!({"role": "rpc", "cmds": [
        {"name": "count", "fun": "math.fibonacci", "args": [20]},
        {"name": "order", "fun": "echo", "args": [{"price": 2.5, "count": "count"}]},
        {"name": "invoice", "fun": "shop.invoice", "args": ["order"], "version_constraint": ">=1.0.0,<2.0.0"},
    ]});
    let reply = client.raw(request).await?;
    println!("{}", reply["r"]);
    assert_eq!(reply["r"], serde_json::json!({"invoice": {"net": 16912.5, "tax": 3382.5}}));
    drop(client);
    node.shutdown().await?;
    Ok(())
}
