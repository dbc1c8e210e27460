//! The yardstick: what a server of this kind costs before it does anything. Decision 29: the runtime
//! and socket settings of our server, a typed `serde_json` parse of the same request, and a constant
//! reply of our reply's length. Pipelined requests are answered in one write.

use std::hint::black_box;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

use super::arguments::Yardstick;
use super::plan::Transport;
use crate::failure::Outcome;

/// First size of a connection's input buffer; it grows with the largest request.
const INPUT_BYTES: usize = 64 << 10;

/// Serves until killed; prints `MPREG_URL=` like our server does.
pub fn serve(arguments: &Yardstick) -> Outcome {
    let threads = arguments.threads.max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(&arguments.listen).await?;
        println!("MPREG_URL={}://{}", arguments.transport.scheme(), listener.local_addr()?);
        let reply = Utf8Bytes::from(constant_reply(arguments.reply_bytes));
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            match arguments.transport {
                Transport::Ws => drop(tokio::spawn(echo_websocket(socket, reply.clone()))),
                _ => drop(tokio::spawn(echo_tcp(socket, reply.clone().into()))),
            }
        }
    })
}

/// The guide's request, as a server would type it.
#[derive(Deserialize)]
struct Request<'a> {
    role: &'a str,
    u: &'a str,
    operation: &'a str,
    #[serde(borrow)]
    key: Key<'a>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    options: Option<Options<'a>>,
}

#[derive(Deserialize)]
struct Key<'a> {
    namespace: &'a str,
    identifier: &'a str,
    version: Option<&'a str>,
}

#[derive(Deserialize)]
struct Options<'a> {
    consistency_level: Option<&'a str>,
    timeout_ms: Option<u64>,
}

/// An RPC, as a server would type it.
#[derive(Deserialize)]
struct Rpc<'a> {
    u: &'a str,
    #[serde(borrow)]
    cmds: Vec<Command<'a>>,
    return_intermediate_results: Option<bool>,
    include_execution_summary: Option<bool>,
}

#[derive(Deserialize)]
struct Command<'a> {
    name: &'a str,
    fun: &'a str,
    #[serde(borrow)]
    args: &'a RawValue,
    #[serde(borrow)]
    kwargs: &'a RawValue,
    locs: Vec<&'a str>,
    function_id: Option<&'a str>,
    version_constraint: Option<&'a str>,
}

fn parse_rpc(request: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<Rpc>(request) else { return false };
    for command in &request.cmds {
        black_box((command.name, command.fun, command.args.get(), command.kwargs.get(), command.locs.len()));
        black_box((command.function_id, command.version_constraint));
    }
    black_box((request.u, request.return_intermediate_results, request.include_execution_summary));
    true
}

/// Parses as a server must, and lets the compiler drop none of it. False for anything else.
fn parse(request: &[u8]) -> bool {
    if request.starts_with(br#"{"role":"rpc","#) {
        return parse_rpc(request);
    }
    let Ok(request) = serde_json::from_slice::<Request>(request) else { return false };
    black_box((request.role, request.u, request.operation, request.value.map(RawValue::get)));
    black_box((request.key.namespace, request.key.identifier, request.key.version));
    black_box(request.options.map(|options| (options.consistency_level, options.timeout_ms)));
    true
}

/// A reply that counts as a hit, `bytes` long (or as short as it can be).
fn constant_reply(bytes: usize) -> String {
    let head = r#"{"role":"cache-response","u":"b--00000000","status":"hit","pad":""#;
    let tail = r#""}"#;
    let padding = bytes.saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", "x".repeat(padding))
}

async fn echo_tcp(mut socket: TcpStream, reply: Bytes) {
    let (mut input, mut filled) = (vec![0u8; INPUT_BYTES], 0);
    let mut output = Vec::with_capacity(INPUT_BYTES);
    loop {
        match socket.read(&mut input[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => filled += bytes,
        }
        let Some(used) = answer_all(&input[..filled], &reply, &mut output) else { return };
        input.copy_within(used..filled, 0);
        filled -= used;
        if filled == input.len() {
            input.resize(filled * 2, 0);
        }
        if socket.write_all(&output).await.is_err() {
            return;
        }
        output.clear();
    }
}

/// Answers every whole frame of `input`; how much of it they took, or `None` for a bad request.
fn answer_all(input: &[u8], reply: &[u8], output: &mut Vec<u8>) -> Option<usize> {
    let mut used = 0;
    while let Some((head, rest)) = input[used..].split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*head) as usize;
        let Some(request) = rest.get(..length) else { break };
        if !parse(request) {
            return None;
        }
        output.extend_from_slice(&(reply.len() as u32).to_be_bytes());
        output.extend_from_slice(reply);
        used += 4 + length;
    }
    Some(used)
}

async fn echo_websocket(socket: TcpStream, reply: Utf8Bytes) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(socket).await else { return };
    while let Some(Ok(first)) = socket.next().await {
        let mut next = Some(first);
        // Everything that has arrived is answered before one flush.
        while let Some(message) = next.take() {
            match message {
                Message::Text(text) if parse(text.as_bytes()) => {}
                Message::Ping(_) | Message::Pong(_) => continue,
                _ => return,
            }
            // A copy for each reply, as a server with real replies has to make.
            let answer = Message::text(reply.as_str().to_owned());
            if socket.feed(answer).await.is_err() {
                return;
            }
            next = socket.next().now_or_never().flatten().and_then(Result::ok);
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_is_json_of_the_length_asked_for() {
        let reply = constant_reply(480);
        assert_eq!(reply.len(), 480);
        let value: serde_json::Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(value["status"], "hit");
    }

    #[test]
    fn whole_frames_are_answered_and_the_rest_waits() {
        let request =
            br#"{"role":"cache-request","u":"1","operation":"get","key":{"namespace":"n","identifier":"i"}}"#;
        let mut input = (request.len() as u32).to_be_bytes().to_vec();
        input.extend_from_slice(request);
        let mut output = Vec::new();
        let used = answer_all(&[&input[..], &input[..7]].concat(), b"ok", &mut output);
        assert_eq!((used, output.as_slice()), (Some(input.len()), &b"\0\0\0\x02ok"[..]));
        input[5] = b'x';
        assert_eq!(answer_all(&input, b"ok", &mut output), None);
    }
}
