//! What clients see of the transports: raw bytes in, raw bytes out, against a whole node on both of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mpreg::{Node, Running};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

async fn node() -> (Running, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
    let node = node.configure(|config| {
        config.message_bytes_max = MESSAGE_BYTES_MAX;
        config.connections_max = 8;
        config.free_bytes_min = Some(0);
    });
    (node.start().await.unwrap(), dir)
}

fn get(u: &str, identifier: &str) -> Value {
    json!({"role": "cache-request", "u": u, "operation": "get", "key": {"namespace": "n", "identifier": identifier}})
}

fn put(u: &str, identifier: &str, value: Value) -> Value {
    let key = json!({"namespace": "n", "identifier": identifier});
    json!({"role": "cache-request", "u": u, "operation": "put", "key": key, "value": value})
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_be_bytes(), payload].concat()
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.addr()).await.unwrap()
}

async fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let read = async {
        let length = stream.read_u32().await.unwrap();
        let mut body = vec![0; length as usize];
        stream.read_exact(&mut body).await.unwrap();
        body
    };
    tokio::time::timeout(PATIENCE, read).await.expect("a reply in time")
}

async fn reply(stream: &mut TcpStream) -> Value {
    serde_json::from_slice(&receive(stream).await).unwrap()
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("a close in time").unwrap();
    bytes
}

type WebSocket = tokio_tungstenite::WebSocketStream<TcpStream>;

async fn upgrade(running: &Running) -> WebSocket {
    let (socket, answer) =
        tokio_tungstenite::client_async(running.url(), connect(running).await).await.unwrap();
    assert!(answer.headers().get("sec-websocket-extensions").is_none());
    socket
}

async fn next(socket: &mut WebSocket) -> Message {
    tokio::time::timeout(PATIENCE, socket.next()).await.expect("a message in time").unwrap().unwrap()
}

/// The code of the close that comes next.
async fn close_code(socket: &mut WebSocket) -> u16 {
    match next(socket).await {
        Message::Close(Some(close)) => close.code.into(),
        other => panic!("expected a close, got {other:?}"),
    }
}

/// A connection that has upgraded by hand, for frames no library would send.
async fn upgrade_raw(running: &Running) -> TcpStream {
    let mut stream = connect(running).await;
    let head = "GET /any HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_tcp_requests_are_answered_in_order() {
    let (running, _dir) = node().await;
    let mut stream = connect(&running).await;
    let mut bytes = [frame(b"PING"), frame(b"")].concat();
    for n in 0..2000 {
        let request = if n % 2 == 0 { put(&n.to_string(), "k", json!(n)) } else { get(&n.to_string(), "k") };
        bytes.extend(frame(request.to_string().as_bytes()));
    }
    let (mut read, mut write) = stream.split();
    let writing = async { write.write_all(&bytes).await.unwrap() };
    let reading = async {
        let mut all = Vec::new();
        for _ in 0..2001 {
            let mut body = vec![0; read.read_u32().await.unwrap() as usize];
            read.read_exact(&mut body).await.unwrap();
            all.push(body);
        }
        all
    };
    let ((), replies) = tokio::join!(writing, reading);
    assert_eq!(replies[0], b"PONG");
    for (n, body) in replies[1..].iter().enumerate() {
        let reply: Value = serde_json::from_slice(body).unwrap();
        assert_eq!((&reply["u"], &reply["status"]), (&json!(n.to_string()), &json!("hit")));
        assert_eq!(reply["entry"]["value"], n / 2 * 2, "each get sees the put before it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_replies_mirror_the_frame_type() {
    let (running, _dir) = node().await;
    let mut socket = upgrade(&running).await;
    socket.send(Message::text(put("1", "k", json!({"a": 1.0})).to_string())).await.unwrap();
    let Message::Text(text) = next(&mut socket).await else { panic!("text for text") };
    let reply: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&reply["status"], &reply["durability"]), (&json!("hit"), &json!("eventual")));
    assert!(reply.as_object().unwrap().contains_key("intermediate_results"));
    socket.send(Message::binary(get("2", "k").to_string())).await.unwrap();
    let Message::Binary(bytes) = next(&mut socket).await else { panic!("binary for binary") };
    assert!(bytes.windows(15).any(|part| part == br#""value":{"a":1."#), "the exact text comes back");
    socket.send(Message::Ping("hello".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("hello".into()));
    socket.close(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragmented_message_with_a_ping_inside_is_one_message() {
    let (running, _dir) = node().await;
    let mut stream = upgrade_raw(&running).await;
    let request = get("f", "k").to_string();
    let (front, back) = request.as_bytes().split_at(40);
    let masked =
        |first: u8, payload: &[u8]| [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat();
    for part in [masked(0x01, front), masked(0x89, b"!"), masked(0x80, back)] {
        for byte in part {
            stream.write_all(&[byte]).await.unwrap();
        }
    }
    let mut pong = [0; 3];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, [0x8a, 1, b'!']);
    assert_eq!(stream.read_u16().await.unwrap(), 0x817e, "one text frame of medium length");
    let mut body = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["u"], "f");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_is_told_and_closed_on_both_transports() {
    let (running, _dir) = node().await;
    let mut stream = connect(&running).await;
    let head = u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap().to_be_bytes();
    stream.write_all(&[frame(get("1", "k").to_string().as_bytes()), head.to_vec()].concat()).await.unwrap();
    assert_eq!(reply(&mut stream).await["status"], "miss", "what came before is answered");
    assert_eq!(reply(&mut stream).await["error"]["code"], 413);
    assert_eq!(rest(&mut stream).await, b"");

    let mut socket = upgrade(&running).await;
    socket.send(Message::binary(vec![b' '; MESSAGE_BYTES_MAX + 1])).await.unwrap();
    assert_eq!(close_code(&mut socket).await, u16::from(CloseCode::Size));

    let mut stream = connect(&running).await;
    stream.write_all(&[0xff; 12]).await.unwrap();
    assert_eq!(reply(&mut stream).await["error"]["code"], 1005, "no chunk has these flags");
    assert_eq!(rest(&mut stream).await, b"");
}

/// `message` in the stream form, `chunk_bytes` to a chunk, ended or given up.
fn stream_form(message: &[u8], chunk_bytes: usize, end: u32) -> Vec<u8> {
    let chunk = |flags: u32, data: &[u8]| {
        [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &flags.to_be_bytes(), data].concat()
    };
    let chunks = message.chunks(chunk_bytes).flat_map(|data| chunk(1, data));
    [0xff; 4].into_iter().chain(chunks).chain(chunk(end, b"")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_form_is_one_message_however_it_is_cut() {
    let (running, _dir) = node().await;
    let mut stream = connect(&running).await;
    let message = put("1", "k", json!("x".repeat(2 * MESSAGE_BYTES_MAX))).to_string();
    let abandoned = put("2", "k", json!("never")).to_string();
    let bytes = [
        stream_form(message.as_bytes(), 64 * 1024, 2),
        stream_form(abandoned.as_bytes(), 7, 4),
        frame(get("3", "k").to_string().as_bytes()),
    ]
    .concat();
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(reply(&mut stream).await["u"], "1");
    let found = reply(&mut stream).await;
    assert_eq!((&found["u"], &found["status"]), (&json!("3"), &json!("hit")));
    assert_eq!(found["entry"]["value"].as_str().unwrap().len(), 2 * MESSAGE_BYTES_MAX);

    // Five times the limit of a message are too much, told before a byte of the last chunk comes.
    let mut above = stream_form(&vec![b' '; 5 * MESSAGE_BYTES_MAX], MESSAGE_BYTES_MAX, 2);
    let end = above.len() - 8..above.len() - 4;
    above[end].copy_from_slice(&1_u32.to_be_bytes());
    stream.write_all(&above).await.unwrap();
    assert_eq!(reply(&mut stream).await["error"]["code"], 413);
    assert_eq!(rest(&mut stream).await, b"");
}

/// A message longer than a frame can be is understood; what it asks for is bounded all the same.
#[tokio::test(flavor = "multi_thread")]
async fn values_and_replies_keep_their_limits_in_the_stream_form() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
    let running = node.configure(|config| config.free_bytes_min = Some(0)).start().await.unwrap();
    let mut stream = connect(&running).await;
    let long = "x".repeat(21 * 1024 * 1024);
    let message = put("1", "k", json!(long)).to_string();
    stream.write_all(&stream_form(message.as_bytes(), 64 * 1024, 2)).await.unwrap();
    let refused = reply(&mut stream).await;
    assert_eq!((&refused["u"], &refused["error_code"]), (&json!("1"), &json!("CACHE_TOO_LARGE")));

    let echo = json!({"role": "rpc", "u": "2", "cmds": [{"name": "n", "fun": "echo", "args": [long]}]});
    stream.write_all(&stream_form(echo.to_string().as_bytes(), 1 << 20, 2)).await.unwrap();
    let refused = reply(&mut stream).await;
    assert_eq!(refused["u"], "2");
    assert!(refused["error"]["code"].is_i64(), "{refused}");
    assert_eq!(running.connections(), 1, "the connection stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_at_the_limit_are_served() {
    let (running, _dir) = node().await;
    let mut stream = connect(&running).await;
    let bare = put("1", "k", json!("")).to_string().len();
    let request = put("1", "k", json!("x".repeat(MESSAGE_BYTES_MAX - bare))).to_string();
    assert_eq!(request.len(), MESSAGE_BYTES_MAX);
    stream.write_all(&frame(request.as_bytes())).await.unwrap();
    assert_eq!(reply(&mut stream).await["status"], "hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_websocket_bytes_close_with_their_code() {
    let (running, _dir) = node().await;
    for (bytes, code) in [
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff][..], 1007_u16),
        (&[0x81, 0x01, b'x'], 1002),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8], 1000),
    ] {
        let mut stream = upgrade_raw(&running).await;
        stream.write_all(bytes).await.unwrap();
        let close = rest(&mut stream).await;
        assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, code), "{bytes:x?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_get_an_error_and_the_connection_stays() {
    let (running, _dir) = node().await;
    let mut stream = connect(&running).await;
    for (message, member, expected) in [
        (&br#"{"role":"rpc","u":"x""#[..], "/error/code", json!(1005)),
        (b"\xff\xfe", "/u", json!("unknown")),
        (br#"{"role":"nobody","u":"x"}"#, "/error/code", json!(1004)),
        (
            br#"{"role":"cache-request","u":"x","operation":"atomic"}"#,
            "/error_code",
            json!("CACHE_BAD_REQUEST"),
        ),
        (br#"{"role":"pubsub-publish","u":"x","message":{}}"#, "/success", json!(false)),
        (br#"{"role":"rpc","u":"x","cmds":[{"name":"e","fun":"echo","args":[7]}]}"#, "/r/e", json!(7)),
    ] {
        stream.write_all(&frame(message)).await.unwrap();
        let reply = reply(&mut stream).await;
        assert_eq!(reply.pointer(member), Some(&expected), "{reply}");
    }
    // Roles without an answer are passed over in silence.
    stream.write_all(&frame(br#"{"role":"pubsub-ack","u":"x"}"#)).await.unwrap();
    stream.write_all(&frame(get("last", "k").to_string().as_bytes())).await.unwrap();
    assert_eq!(reply(&mut stream).await["u"], "last");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_are_turned_away_in_their_own_words() {
    let (running, _dir) = node().await;
    let asked = |bytes: &'static [u8]| {
        let running = &running;
        async move {
            let mut stream = connect(running).await;
            stream.write_all(bytes).await.unwrap();
            String::from_utf8(rest(&mut stream).await).unwrap()
        }
    };
    let http = asked(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        http.starts_with("HTTP/1.1 426 Upgrade Required\r\n") && http.contains("\r\nUpgrade: websocket\r\n")
    );
    assert!(asked(b"POST / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 426"));
    assert!(asked(b"*1\r\n$4\r\nPING\r\n").await.starts_with("-ERR "));
    assert_eq!(asked(b"\x16\x03\x01\x00\x00").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_up_nobody_else() {
    let (running, _dir) = node().await;
    let mut slow = connect(&running).await;
    let value = json!("v".repeat(200_000));
    slow.write_all(&frame(put("p", "big", value).to_string().as_bytes())).await.unwrap();
    assert_eq!(reply(&mut slow).await["status"], "hit");
    let request = frame(get("g", "big").to_string().as_bytes());
    // 60 MB of replies are asked for and not read: far more than all buffers between here and there hold.
    slow.write_all(&request.repeat(300)).await.unwrap();
    let mut other = connect(&running).await;
    for _ in 0..100 {
        other.write_all(&frame(get("o", "none").to_string().as_bytes())).await.unwrap();
        assert_eq!(reply(&mut other).await["status"], "miss");
    }
    for _ in 0..300 {
        assert_eq!(reply(&mut slow).await["entry"]["size_bytes"], 200_002);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_refused_until_one_ends() {
    let (running, _dir) = node().await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&running).await;
        stream.write_all(&frame(b"PING")).await.unwrap();
        assert_eq!(receive(&mut stream).await, b"PONG");
        open.push(stream);
    }
    assert_eq!(rest(&mut connect(&running).await).await, b"");
    drop(open.pop());
    loop {
        // The place is free as soon as the server has seen the end.
        let mut stream = connect(&running).await;
        let mut answer = [0; 8];
        if stream.write_all(&frame(b"PING")).await.is_ok() && stream.read_exact(&mut answer).await.is_ok() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_going_away_and_everything_acknowledged_is_there_again() {
    let (running, dir) = node().await;
    let mut socket = upgrade(&running).await;
    socket.send(Message::text(put("1", "k", json!([1, 2])).to_string())).await.unwrap();
    assert!(next(&mut socket).await.is_text());
    let stopping = tokio::spawn(running.shutdown());
    assert_eq!(close_code(&mut socket).await, u16::from(CloseCode::Away));
    drop(socket);
    stopping.await.unwrap().unwrap();
    let again = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    let mut stream = connect(&again).await;
    stream.write_all(&frame(get("2", "k").to_string().as_bytes())).await.unwrap();
    let reply = reply(&mut stream).await;
    assert_eq!((&reply["entry"]["value"], &reply["durability"]), (&json!([1, 2]), &json!("strong")));
}
