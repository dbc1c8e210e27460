//! Requests as templates: one ready frame for each kind of request, of which only the id, the key's
//! digits and the value change. Lengths never do, so neither do the length fields.

use std::ops::Range;

use super::plan::{Level, Operation, Plan, Transport};

/// Digits of the id in `u`; ids start again after 10^8, far beyond any pipeline.
pub const ID_DIGITS: usize = 8;
/// The mask of our WebSocket frames. Any one will do: it guards proxies against pages, not us.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x9e];
/// The namespace all keys are in.
const NAMESPACE: &str = "bench";

/// One kind of request, framed.
pub struct Template {
    frame: Vec<u8>,
    /// Where the digits of `u` are; RESP has none.
    id: Option<Range<usize>>,
    key: Range<usize>,
    /// Where the value's text is, without its quotes.
    value: Option<Range<usize>>,
    /// Where the masked payload begins (WebSocket).
    masked_from: Option<usize>,
}

impl Template {
    /// The request of the plan that stores nothing.
    pub fn asking(plan: &Plan) -> Template {
        match plan.operation {
            Operation::Echo => Template::echo(plan),
            Operation::Graph => Template::graph(plan),
            _ => Template::get(plan),
        }
    }

    /// An echo of a small object that holds the key, with every default spelled out as the Python client does.
    fn echo(plan: &Plan) -> Template {
        let identifier = identifier(plan);
        if plan.target.transport == Transport::Redis {
            let key = format!("{NAMESPACE}:{identifier}");
            return Template::resp(&[b"ECHO", key.as_bytes()], identifier.len() - 4, None);
        }
        let argument = format!(r#"{{"identifier":"{identifier}"}}"#);
        Template::json(plan.target.transport, &rpc(&[command("echo", "echo", &argument)]))
    }

    /// Ten commands in three levels: five, three that refer to them, two that refer to those.
    fn graph(plan: &Plan) -> Template {
        let first = format!(r#"{{"identifier":"{}"}}"#, identifier(plan));
        let mut commands = vec![command("a0", "echo", &first)];
        commands.extend((1..5).map(|n| command(&format!("a{n}"), "echo", &n.to_string())));
        commands
            .extend((0..3).map(|n| command(&format!("b{n}"), "echos", &format!(r#""a{n}","a{}""#, n + 1))));
        commands.extend((0..2).map(|n| command(&format!("c{n}"), "echo", &format!(r#""b{n}""#))));
        Template::json(plan.target.transport, &rpc(&commands))
    }

    /// A get, as long as the guide's own example when keys have their default length.
    pub fn get(plan: &Plan) -> Template {
        let identifier = identifier(plan);
        match plan.target.transport {
            Transport::Redis => {
                let key = format!("{NAMESPACE}:{identifier}");
                Template::resp(&[b"GET", key.as_bytes()], identifier.len() - 4, None)
            }
            transport => {
                let text = format!(
                    r#"{{"role":"cache-request","u":"b--{}","operation":"get","key":{{"namespace":"{NAMESPACE}","identifier":"{identifier}","version":"v1.0.0"}},"options":{{"consistency_level":"eventual","timeout_ms":5000}}}}"#,
                    "0".repeat(ID_DIGITS)
                );
                Template::json(transport, &text)
            }
        }
    }

    /// A put at the plan's level.
    pub fn put(plan: &Plan) -> Template {
        let identifier = identifier(plan);
        let value = "v".repeat(plan.value_bytes - 2);
        match plan.target.transport {
            Transport::Redis => {
                let (key, value) = (format!("{NAMESPACE}:{identifier}"), "v".repeat(plan.value_bytes));
                Template::resp(
                    &[b"SET", key.as_bytes(), value.as_bytes()],
                    identifier.len() - 4,
                    Some(value.len()),
                )
            }
            transport => {
                let level = if plan.level == Level::Strong { "strong" } else { "eventual" };
                let text = format!(
                    r#"{{"role":"cache-request","u":"b--{}","operation":"put","key":{{"namespace":"{NAMESPACE}","identifier":"{identifier}"}},"value":"{value}","options":{{"consistency_level":"{level}"}}}}"#,
                    "0".repeat(ID_DIGITS)
                );
                Template::json(transport, &text)
            }
        }
    }

    fn json(transport: Transport, text: &str) -> Template {
        let mut frame = match transport {
            Transport::Ws => websocket_head(text.len()),
            _ => (text.len() as u32).to_be_bytes().to_vec(),
        };
        let start = frame.len();
        frame.extend_from_slice(text.as_bytes());
        let find = |before: &str| text.find(before).map(|at| start + at + before.len());
        let id = find(r#""u":"b--"#).expect("every template has an id");
        let key = find(r#""identifier":"key:"#).expect("every template has a key");
        let digits = text[key - start..].find('"').expect("the key ends with a quote");
        let value = find(r#""value":""#);
        let value_end =
            value.map(|at| at + text[at - start..].find('"').expect("the value ends with a quote"));
        Template {
            frame,
            id: Some(id..id + ID_DIGITS),
            key: key..key + digits,
            value: value.zip(value_end).map(|(from, to)| from..to),
            masked_from: (transport == Transport::Ws).then_some(start),
        }
    }

    /// `digits` end the key; the value, if any, is the last argument.
    fn resp(arguments: &[&[u8]], digits: usize, value_bytes: Option<usize>) -> Template {
        let mut frame = format!("*{}\r\n", arguments.len()).into_bytes();
        let mut ends = Vec::new();
        for argument in arguments {
            frame.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            frame.extend_from_slice(argument);
            ends.push(frame.len());
            frame.extend_from_slice(b"\r\n");
        }
        let value = value_bytes.map(|bytes| ends[2] - bytes..ends[2]);
        Template { frame, id: None, key: ends[1] - digits..ends[1], value, masked_from: None }
    }

    /// Appends the request with this id and key. `value` holds at least `value_bytes` bytes.
    pub fn append(&self, id: u32, key: u64, value: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        let frame = &mut out[start..];
        if let Some(place) = &self.id {
            digits(u64::from(id), &mut frame[place.clone()]);
        }
        digits(key, &mut frame[self.key.clone()]);
        if let Some(place) = &self.value {
            let length = place.len();
            frame[place.clone()].copy_from_slice(&value[..length]);
        }
        if let Some(from) = self.masked_from {
            mask(&mut frame[from..]);
        }
    }
}

/// An RPC request of these commands.
fn rpc(commands: &[String]) -> String {
    format!(
        r#"{{"role":"rpc","cmds":[{}],"u":"b--{}","return_intermediate_results":false,"intermediate_result_callback_topic":null,"include_execution_summary":false,"debug_mode":false}}"#,
        commands.join(","),
        "0".repeat(ID_DIGITS)
    )
}

fn command(name: &str, fun: &str, args: &str) -> String {
    format!(
        r#"{{"name":"{name}","fun":"{fun}","args":[{args}],"kwargs":{{}},"locs":[],"function_id":null,"version_constraint":null,"target_cluster":null,"routing_topic":null}}"#
    )
}

/// A pong with the payload of the ping it answers.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x8a, 0x80 | payload.len() as u8]);
    out.extend_from_slice(&MASK);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..]);
}

/// `key:` and zero-padded digits, as long as `--key-bytes` asks for.
fn identifier(plan: &Plan) -> String {
    let digits = plan.key_bytes - NAMESPACE.len() - 2 - "key:".len();
    format!("key:{}", "0".repeat(digits))
}

/// Head of a masked text frame: FIN, opcode 1, length in its shortest form, mask.
fn websocket_head(payload_bytes: usize) -> Vec<u8> {
    let mut head = vec![0x81];
    match payload_bytes {
        0..=125 => head.push(0x80 | payload_bytes as u8),
        126..=0xffff => {
            head.push(0x80 | 126);
            head.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
    head.extend_from_slice(&MASK);
    head
}

fn mask(payload: &mut [u8]) {
    let wide = u64::from_ne_bytes([MASK, MASK].concat().try_into().expect("twice four is eight"));
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let bytes: [u8; 8] = (&*chunk).try_into().expect("chunks of eight");
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(MASK.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Writes `number` right-aligned over zeros; digits that do not fit are dropped.
fn digits(mut number: u64, place: &mut [u8]) {
    for digit in place.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::{Distribution, Limit, Operation, Target};
    use std::time::Duration;

    pub fn plan(url: &str) -> Plan {
        Plan {
            target: Target::parse(url).unwrap(),
            operation: Operation::Get,
            level: Level::Strong,
            connections: 1,
            depth: 1,
            threads: 1,
            keys: 10,
            distribution: Distribution::Uniform,
            key_bytes: 24,
            value_bytes: 8,
            limit: Limit::Operations(1),
            warmup: Duration::ZERO,
            rate: None,
            seed: 1,
            replies_in_order: true,
        }
    }

    #[test]
    fn tcp_requests_are_the_json_they_should_be() {
        let plan = plan("tcp://127.0.0.1:1");
        let mut out = Vec::new();
        Template::put(&plan).append(1234, 567, b"abcdefgh", &mut out);
        let length = u32::from_be_bytes(out[..4].try_into().unwrap()) as usize;
        assert_eq!(length, out.len() - 4);
        let request: serde_json::Value = serde_json::from_slice(&out[4..]).unwrap();
        assert_eq!(request["u"], "b--00001234");
        assert_eq!(request["key"]["identifier"], "key:0000000000567");
        assert_eq!(request["value"], "abcdef", "quotes count among the value's bytes");
        assert_eq!(request["options"]["consistency_level"], "strong");
        out.clear();
        Template::get(&plan).append(1, 2, b"", &mut out);
        let request: serde_json::Value = serde_json::from_slice(&out[4..]).unwrap();
        assert_eq!((&request["operation"], &request["u"]), (&"get".into(), &"b--00000001".into()));
    }

    #[test]
    fn websocket_requests_unmask_to_the_same_text() {
        let (mut plain, mut masked) = (Vec::new(), Vec::new());
        Template::get(&plan("tcp://127.0.0.1:1")).append(5, 6, b"", &mut plain);
        Template::get(&plan("ws://127.0.0.1:1")).append(5, 6, b"", &mut masked);
        assert_eq!(&masked[..2], &[0x81, 0x80 | 126]);
        let payload = &mut masked[8..];
        mask(payload);
        assert_eq!(payload, &plain[4..]);
    }

    #[test]
    fn rpc_requests() {
        for (operation, commands) in [(Operation::Echo, 1), (Operation::Graph, 10)] {
            let plan = Plan { operation, ..plan("tcp://127.0.0.1:1") };
            let mut out = Vec::new();
            Template::asking(&plan).append(12, 34, b"", &mut out);
            let request: serde_json::Value = serde_json::from_slice(&out[4..]).unwrap();
            assert_eq!((&request["role"], &request["u"]), (&"rpc".into(), &"b--00000012".into()));
            assert_eq!(request["cmds"].as_array().unwrap().len(), commands);
            assert_eq!(request["cmds"][0]["args"][0]["identifier"], "key:0000000000034");
        }
    }

    #[test]
    fn resp_requests() {
        let plan = plan("redis://127.0.0.1:1");
        let mut out = Vec::new();
        Template::put(&plan).append(9, 42, b"abcdefgh", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "*3\r\n$3\r\nSET\r\n$23\r\nbench:key:0000000000042\r\n$8\r\nabcdefgh\r\n"
        );
    }
}
