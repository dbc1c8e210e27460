//! Values, times and conditions as they stand on a command line.

use std::io::Read;
use std::time::Duration;

use mpreg::client::MESSAGE_BYTES_MAX;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// A time with its unit (`90s`, `5m`, `1h 30m`), or a bare number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// JSON text given as an argument.
#[derive(Debug, Clone)]
pub struct Json(pub Box<RawValue>);

impl std::str::FromStr for Json {
    type Err = String;

    fn from_str(text: &str) -> Result<Json, String> {
        RawValue::from_string(text.to_owned())
            .map(Json)
            .map_err(|error| format!("{error}; a text is JSON in quotes: '\"{text}\"', or use --string"))
    }
}

/// The value an argument stands for: JSON, the text itself with `string`, or what stdin has for `-`.
pub fn read(argument: &str, string: bool) -> Result<Box<RawValue>, Failure> {
    let mut text = argument.to_owned();
    if argument == "-" {
        text.clear();
        std::io::stdin().lock().take(MESSAGE_BYTES_MAX as u64).read_to_string(&mut text)?;
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    read_text(&text, string)
}

/// The value a text stands for: JSON, or the text itself with `string`.
pub fn read_text(text: &str, string: bool) -> Result<Box<RawValue>, Failure> {
    if string {
        return serde_json::value::to_raw_value(text).map_err(Failure::usage);
    }
    text.parse::<Json>().map(|json| json.0).map_err(Failure::usage)
}

/// `name=value` apart.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it has the form NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_or_are_seconds() {
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("0.5").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("1h 30m").unwrap(), Duration::from_secs(5400));
        assert!(duration("-1").is_err() && duration("soon").is_err());
    }

    #[test]
    fn values_are_json_unless_they_are_texts() {
        assert_eq!(read("{\"a\": 1.0}", false).unwrap().get(), "{\"a\": 1.0}");
        assert_eq!(read("say \"hi\"", true).unwrap().get(), r#""say \"hi\"""#);
        let error = read("hello", false).unwrap_err().to_string();
        assert!(error.contains("--string"), "{error}");
    }

    #[test]
    fn assignments_come_apart_at_the_first_sign() {
        assert_eq!(assignment("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(assignment("=b").is_err() && assignment("a").is_err());
    }
}
