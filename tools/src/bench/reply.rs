//! Replies, read just far enough: where one ends, whose it is, and whether it is a hit, a miss or an
//! error. Exact for any legal reply; quick for the member order our server writes.

use serde::Deserialize;

use super::message::ID_DIGITS;
use super::plan::Transport;

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Found, or stored.
    Hit,
    /// Not there.
    Miss,
    /// Refused, failed, or not to be understood.
    Error,
}

/// One reply out of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Answers the oldest request, unless its id says otherwise.
    Answer { verdict: Verdict, id: Option<u32>, payload: &'a [u8] },
    /// A WebSocket ping that wants its payload back.
    Ping(&'a [u8]),
    /// Nothing to count, such as a pong.
    Other,
}

/// Bytes that are no reply of this protocol, or the end of the conversation.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault(pub String);

/// Reads the replies of one connection.
pub struct Codec {
    transport: Transport,
    /// Where `status` was in the last reply: it seldom moves, so it is looked for there first.
    status_at: usize,
}

impl Codec {
    /// For a connection over `transport`.
    pub fn new(transport: Transport) -> Codec {
        Codec { transport, status_at: 0 }
    }

    /// Takes the first reply off `bytes`: the reply and how many bytes it took, `None` when more
    /// must come.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(Reply<'a>, usize)>, Fault> {
        match self.transport {
            Transport::Tcp => Ok(length_prefixed(bytes, &mut self.status_at)),
            Transport::Ws => websocket(bytes, &mut self.status_at),
            Transport::Redis => resp(bytes),
        }
    }
}

fn length_prefixed<'a>(bytes: &'a [u8], status_at: &mut usize) -> Option<(Reply<'a>, usize)> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*head) as usize;
    let payload = rest.get(..length)?;
    Some((answer(payload, status_at), 4 + length))
}

fn websocket<'a>(bytes: &'a [u8], status_at: &mut usize) -> Result<Option<(Reply<'a>, usize)>, Fault> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if second & 0x80 != 0 || first & 0x80 == 0 {
        return Err(Fault(format!("frame {first:#04x} {second:#04x}: servers send whole, unmasked frames")));
    }
    let (length, head): (usize, usize) = match second & 0x7f {
        126 => match rest.first_chunk::<2>() {
            Some(wide) => (usize::from(u16::from_be_bytes(*wide)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(wide) => (u64::from_be_bytes(*wide) as usize, 10),
            None => return Ok(None),
        },
        short => (usize::from(short), 2),
    };
    let Some(payload) = bytes.get(head..length.saturating_add(head)) else { return Ok(None) };
    let reply = match first & 0x0f {
        1 | 2 => answer(payload, status_at),
        8 => return Err(Fault(format!("the server closed with {:?}", closing(payload)))),
        9 => Reply::Ping(payload),
        10 => Reply::Other,
        opcode => return Err(Fault(format!("frame with opcode {opcode}"))),
    };
    Ok(Some((reply, head + length)))
}

fn closing(payload: &[u8]) -> String {
    match payload.split_first_chunk::<2>() {
        Some((code, text)) => format!("{} {}", u16::from_be_bytes(*code), String::from_utf8_lossy(text)),
        None => "no code".to_owned(),
    }
}

fn resp(bytes: &[u8]) -> Result<Option<(Reply<'_>, usize)>, Fault> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let line = &bytes[..end];
    let answer =
        |verdict, took: usize| Ok(Some((Reply::Answer { verdict, id: None, payload: &bytes[..took] }, took)));
    match line.first() {
        Some(b'+') => answer(Verdict::Hit, end + 2),
        Some(b'-') => answer(Verdict::Error, end + 2),
        Some(b'$') if line == b"$-1" => answer(Verdict::Miss, end + 2),
        Some(b'$') => {
            let length = std::str::from_utf8(&line[1..]).ok().and_then(|text| text.parse::<usize>().ok());
            let length =
                length.ok_or_else(|| Fault(format!("RESP length {:?}", String::from_utf8_lossy(line))))?;
            let took = end + 2 + length + 2;
            if bytes.len() < took { Ok(None) } else { answer(Verdict::Hit, took) }
        }
        _ => Err(Fault(format!("RESP line {:?}", String::from_utf8_lossy(line)))),
    }
}

/// How a reply of ours begins; anything else takes the slow path.
const HEAD: &[u8] = br#"{"role":"cache-response","u":"b--"#;
const STATUS: &[u8] = br#""status":""#;
/// How an RPC reply of ours begins.
const RPC_HEAD: &[u8] = br#"{"role":"rpc-response","u":"b--"#;
/// What follows the id of one that succeeded.
const RPC_RESULT: &[u8] = br#"","r":{"#;

fn answer<'a>(payload: &'a [u8], status_at: &mut usize) -> Reply<'a> {
    let (verdict, id) = quick(payload, status_at).unwrap_or_else(|| slow(payload));
    Reply::Answer { verdict, id, payload }
}

/// Finds `status` before the first nested object, where nothing else can look like it: inside a
/// string its quotes would be escaped. `status_at` was found that way in an earlier reply.
fn quick(payload: &[u8], status_at: &mut usize) -> Option<(Verdict, Option<u32>)> {
    if let Some((id, rest)) = payload.strip_prefix(RPC_HEAD).and_then(|rest| rest.split_at_checked(ID_DIGITS))
    {
        return rest.starts_with(RPC_RESULT).then_some((Verdict::Hit, Some(parse_id(id)?)));
    }
    let id = parse_id(payload.strip_prefix(HEAD)?.get(..ID_DIGITS)?)?;
    let there = payload.get(*status_at..).and_then(|rest| rest.strip_prefix(STATUS));
    let word = match there {
        Some(word) => word,
        None => {
            let nested =
                payload.iter().skip(1).position(|&byte| byte == b'{').map_or(payload.len(), |at| at + 1);
            *status_at = payload[..nested].windows(STATUS.len()).position(|window| window == STATUS)?;
            &payload[*status_at + STATUS.len()..]
        }
    };
    Some((verdict_of(word.split(|&byte| byte == b'"').next()?), Some(id)))
}

fn verdict_of(status: &[u8]) -> Verdict {
    match status {
        b"hit" | b"partial" => Verdict::Hit,
        b"miss" => Verdict::Miss,
        _ => Verdict::Error,
    }
}

fn parse_id(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

fn slow(payload: &[u8]) -> (Verdict, Option<u32>) {
    #[derive(Deserialize)]
    struct Envelope {
        u: Option<String>,
        status: Option<String>,
        /// Of an RPC; null where it failed.
        r: Option<serde::de::IgnoredAny>,
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(payload) else { return (Verdict::Error, None) };
    let id = envelope.u.as_deref().and_then(|u| parse_id(u.strip_prefix("b--")?.as_bytes()));
    let called = if envelope.r.is_some() { Verdict::Hit } else { Verdict::Error };
    (envelope.status.map_or(called, |status| verdict_of(status.as_bytes())), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIT: &str = r#"{"role":"cache-response","u":"b--00000042","timestamp":1.5,"version":"2.0","operation":"get","status":"hit","success":true,"entry":{"value":{"status":"miss"}},"intermediate_results":null}"#;

    fn framed(text: &str) -> Vec<u8> {
        let mut out = (text.len() as u32).to_be_bytes().to_vec();
        out.extend_from_slice(text.as_bytes());
        out
    }

    fn read(transport: Transport, bytes: &[u8]) -> (Verdict, Option<u32>) {
        match Codec::new(transport).next(bytes) {
            Ok(Some((Reply::Answer { verdict, id, .. }, took))) => {
                assert_eq!(took, bytes.len());
                (verdict, id)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn status_is_the_outer_one_whatever_the_order_of_members() {
        assert_eq!(read(Transport::Tcp, &framed(HIT)), (Verdict::Hit, Some(42)));
        let late = r#"{"entry":{"status":"hit"},"status":"miss","u":"b--00000007"}"#;
        assert_eq!(read(Transport::Tcp, &framed(late)), (Verdict::Miss, Some(7)));
        let hidden =
            r#"{"role":"cache-response","u":"b--00000042","entry":{"status":"hit"},"status":"error"}"#;
        assert_eq!(read(Transport::Tcp, &framed(hidden)), (Verdict::Error, Some(42)));
        assert_eq!(read(Transport::Tcp, &framed("{}")), (Verdict::Error, None));
        assert_eq!(read(Transport::Tcp, &framed("nonsense")), (Verdict::Error, None));
    }

    #[test]
    fn rpc_replies() {
        let good = r#"{"role":"rpc-response","u":"b--00000042","r":{"n":1},"error":null}"#;
        assert_eq!(read(Transport::Tcp, &framed(good)), (Verdict::Hit, Some(42)));
        let other_order = r#"{"r":{"n":1},"u":"b--00000042"}"#;
        assert_eq!(read(Transport::Tcp, &framed(other_order)), (Verdict::Hit, Some(42)));
        let failed = r#"{"role":"rpc-response","u":"b--00000042","r":null,"error":{"code":1001}}"#;
        assert_eq!(read(Transport::Tcp, &framed(failed)), (Verdict::Error, Some(42)));
    }

    #[test]
    fn the_remembered_place_is_only_a_hint() {
        let mut codec = Codec::new(Transport::Tcp);
        let miss = HIT.replace("1.5", "1.523").replace(r#""hit""#, r#""miss""#);
        for (text, expected) in [(HIT, Verdict::Hit), (miss.as_str(), Verdict::Miss), (HIT, Verdict::Hit)] {
            let bytes = framed(text);
            let Ok(Some((Reply::Answer { verdict, .. }, _))) = codec.next(&bytes) else {
                panic!("a whole reply")
            };
            assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn every_prefix_asks_for_more() {
        let mut codec = Codec::new(Transport::Tcp);
        let bytes = framed(HIT);
        for length in 0..bytes.len() {
            assert_eq!(codec.next(&bytes[..length]), Ok(None));
        }
        let mut codec = Codec::new(Transport::Redis);
        for length in 0..9 {
            assert_eq!(codec.next(&b"$3\r\nabc\r\n"[..length]), Ok(None));
        }
    }

    #[test]
    fn resp_replies() {
        assert_eq!(read(Transport::Redis, b"+OK\r\n").0, Verdict::Hit);
        assert_eq!(read(Transport::Redis, b"$-1\r\n").0, Verdict::Miss);
        assert_eq!(read(Transport::Redis, b"$2\r\nhi\r\n").0, Verdict::Hit);
        assert_eq!(read(Transport::Redis, b"-LOADING wait\r\n").0, Verdict::Error);
        assert!(Codec::new(Transport::Redis).next(b"?\r\n").is_err());
    }

    #[test]
    fn websocket_frames_pings_and_closes() {
        let mut frame = vec![0x81, 126];
        frame.extend_from_slice(&(HIT.len() as u16).to_be_bytes());
        frame.extend_from_slice(HIT.as_bytes());
        assert_eq!(read(Transport::Ws, &frame), (Verdict::Hit, Some(42)));
        let mut codec = Codec::new(Transport::Ws);
        assert_eq!(codec.next(&[0x89, 2, b'h', b'i']), Ok(Some((Reply::Ping(b"hi"), 4))));
        let Err(Fault(text)) = codec.next(&[0x88, 2, 3, 0xe9]) else { panic!("a close is the end") };
        assert!(text.contains("1001"), "{text}");
        assert!(codec.next(&[0x81, 0x82, 0, 0]).is_err(), "servers must not mask");
    }
}
