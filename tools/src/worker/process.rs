//! One process and one call: a line in, a line out, in time.

use std::process::Stdio;
use std::time::Duration;

use mpreg::client::{Failure, Invocation, MESSAGE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// What is run, and how it is spoken to.
#[derive(Debug)]
pub struct Program {
    pub words: Vec<String>,
    /// Nothing stands around the argument and the result.
    pub plain: bool,
    pub time_limit: Duration,
}

/// A running process that waits for a call. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// A line in.
#[derive(Serialize)]
struct Line<'a> {
    fun: &'a str,
    version: &'a str,
    args: &'a RawValue,
    kwargs: &'a RawValue,
}

/// A line out.
#[derive(Deserialize)]
struct Answer {
    result: Option<Box<RawValue>>,
    error: Option<Told>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

impl Program {
    /// Starts a process.
    pub fn start(&self) -> Result<Process, Failure> {
        let (name, arguments) = self.words.split_first().expect("the arguments demand a program");
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|error| Failure::new("WorkerUnavailable", format!("cannot start {name}: {error}")))?;
        let input = child.stdin.take().expect("stdin is piped");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Ok(Process { child, input, output })
    }

    /// The line for a call.
    pub fn line(&self, call: &Invocation) -> Result<Vec<u8>, Failure> {
        let mut line = if self.plain {
            let args: Vec<&RawValue> =
                serde_json::from_str(call.args.get()).map_err(|error| Failure::new("TypeError", error))?;
            match (args.as_slice(), call.kwargs.get()) {
                ([one], "{}") => one.get().as_bytes().to_vec(),
                _ => return Err(Failure::new("TypeError", "exactly one argument is expected")),
            }
        } else {
            let line =
                Line { fun: &call.fun, version: &call.version, args: &call.args, kwargs: &call.kwargs };
            serde_json::to_vec(&line).map_err(|error| Failure::new("TypeError", error))?
        };
        // Between the tokens of a JSON text a line end is as good as a space, and within them there is none.
        for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        line.push(b'\n');
        Ok(line)
    }

    /// What a line means.
    pub fn read(&self, line: &str) -> Result<Box<RawValue>, Failure> {
        let bad = |error: serde_json::Error| {
            let shown: String = line.chars().take(80).collect();
            Failure::new("BadResult", format!("the program wrote {shown:?}: {error}"))
        };
        if self.plain {
            return RawValue::from_string(line.to_owned()).map_err(bad);
        }
        let answer: Answer = serde_json::from_str(line).map_err(bad)?;
        match (answer.error, answer.result) {
            (Some(told), _) => Err(Failure::new(
                told.kind.unwrap_or_else(|| "Error".to_owned()),
                told.message.unwrap_or_default(),
            )),
            (None, Some(result)) => Ok(result),
            (None, None) => RawValue::from_string("null".to_owned()).map_err(bad),
        }
    }
}

impl Process {
    /// One call: writes the line, reads one.
    pub async fn exchange(&mut self, line: &[u8]) -> Result<String, Failure> {
        // Both at once: a program may write before it has read all.
        let writing = async {
            self.input.write_all(line).await?;
            self.input.flush().await
        };
        let mut answer = Vec::new();
        let mut bounded = (&mut self.output).take(MESSAGE_BYTES_MAX as u64);
        let (written, read) = tokio::join!(writing, bounded.read_until(b'\n', &mut answer));
        let told = read.is_ok() && answer.last() == Some(&b'\n');
        if told && written.is_ok() {
            answer.truncate(answer.len() - 1);
            return String::from_utf8(answer).map_err(|error| Failure::new("BadResult", error));
        }
        if answer.len() >= MESSAGE_BYTES_MAX {
            return Err(Failure::new("BadResult", "the program's line is longer than a message may be"));
        }
        Err(self.last_words().await)
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended.
    async fn last_words(&mut self) -> Failure {
        let ending = tokio::time::timeout(Duration::from_secs(1), self.child.wait()).await;
        let how = match ending {
            Ok(Ok(status)) => format!("it ended: {status}"),
            _ => "it closed its input or output".to_owned(),
        };
        Failure::new("WorkerDied", format!("the program gave no answer: {how}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(plain: bool) -> Program {
        Program { words: vec!["cat".to_owned()], plain, time_limit: Duration::from_secs(5) }
    }

    fn call(args: &str, kwargs: &str) -> Invocation {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let (args, kwargs) = (raw(args), raw(kwargs));
        Invocation { fun: "f".into(), version: "1.0.0".into(), args, kwargs, timeout: Duration::MAX }
    }

    #[test]
    fn a_call_is_one_line() {
        let line = program(false).line(&call("[1,\n\"a\\nb\"]", "{}")).unwrap();
        let expected = "{\"fun\":\"f\",\"version\":\"1.0.0\",\"args\":[1, \"a\\nb\"],\"kwargs\":{}}\n";
        assert_eq!(String::from_utf8(line).unwrap(), expected);
        assert_eq!(program(true).line(&call("[ {\"a\":1.0} ]", "{}")).unwrap(), b"{\"a\":1.0}\n");
        for (args, kwargs) in [("[]", "{}"), ("[1,2]", "{}"), ("[1]", "{\"a\":1}")] {
            assert_eq!(program(true).line(&call(args, kwargs)).unwrap_err().kind, "TypeError");
        }
    }

    #[test]
    fn answers_are_results_or_errors() {
        let read = |line| program(false).read(line).map(|text| text.get().to_owned());
        assert_eq!(read(r#"{"result":[1.0]}"#).unwrap(), "[1.0]");
        assert_eq!(read("{}").unwrap(), "null");
        let failure = read(r#"{"error":{"type":"ValueError","message":"x"}}"#).unwrap_err();
        assert_eq!(failure, Failure::new("ValueError", "x"));
        assert_eq!(read("nonsense").unwrap_err().kind, "BadResult");
        assert_eq!(program(true).read(r#"{"error":1}"#).unwrap().get(), r#"{"error":1}"#);
    }

    #[tokio::test]
    async fn a_process_that_ends_says_how() {
        let mut words = program(true);
        assert_eq!(words.start().unwrap().exchange(b"1\n").await.unwrap(), "1");
        words.words = ["sh", "-c", "read line; exit 3"].map(str::to_owned).to_vec();
        let failure = words.start().unwrap().exchange(b"1\n").await.unwrap_err();
        assert!(failure.kind == "WorkerDied" && failure.message.contains('3'), "{failure:?}");
        words.words = vec!["/nowhere/program".to_owned()];
        assert!(words.start().unwrap_err().message.contains("/nowhere/program"));
    }
}
