//! Where settings come from, and which of several places wins.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::settings::ALIASES;
use crate::config::{SETTINGS, Setting, Values};

/// Where a value came from, later ones win.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Built in.
    Default,
    /// A TOML file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A command line flag, or the embedding program.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Variable(name) => write!(f, "environment {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Something wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, or the unknown key.
    pub name: String,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name, self.origin, self.what)
    }
}

/// Everything wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// Raw values with their origins, in the order of [`SETTINGS`].
#[derive(Debug, Clone)]
pub struct Layers {
    values: Vec<(String, Origin)>,
    problems: Vec<Problem>,
}

impl Default for Layers {
    fn default() -> Self {
        Layers::new()
    }
}

impl Layers {
    /// The defaults.
    #[must_use]
    pub fn new() -> Layers {
        let values = SETTINGS.iter().map(|setting| (setting.default.to_owned(), Origin::Default)).collect();
        Layers { values, problems: Vec::new() }
    }

    /// Lays one value over what is there; a name no setting has becomes a problem.
    pub fn set(&mut self, name: &str, value: impl Into<String>, origin: Origin) {
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, ours)| ours);
        match SETTINGS.iter().position(|setting| setting.name == name) {
            Some(at) => self.values[at] = (value.into(), origin),
            None => {
                let what = match nearest(name) {
                    Some(near) => format!("is unknown; did you mean {near}?"),
                    None => "is unknown; `mpreg config print` shows what there is".to_owned(),
                };
                self.problems.push(Problem { name: name.to_owned(), origin, what });
            }
        }
    }

    /// Lays the text of a TOML file over what is there. What is wrong with it becomes problems.
    pub fn toml(&mut self, path: &Path, text: &str) {
        let origin = Origin::File(path.to_owned());
        let mut problem = |name: &str, what: String| {
            self.problems.push(Problem { name: name.to_owned(), origin: origin.clone(), what });
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return problem("file", error.to_string()),
        };
        let mut found = Vec::new();
        for (section, content) in table {
            let toml::Value::Table(keys) = content else {
                problem(&section, "stands outside of a [section]".to_owned());
                continue;
            };
            for (key, value) in keys {
                let name = format!("{section}.{key}");
                match text_of(&value) {
                    Some(text) => found.push((name, text)),
                    None => problem(
                        &name,
                        format!("is a {}, expected a plain value or a list of texts", value.type_str()),
                    ),
                }
            }
        }
        for (name, text) in found {
            self.set(&name, text, origin.clone());
        }
    }

    /// Lays variables `MPREG_<SECTION>__<KEY>` over what is there; others are not ours.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (variable, value) in variables {
            let Some((section, key)) = variable.strip_prefix("MPREG_").and_then(|rest| rest.split_once("__"))
            else {
                continue;
            };
            let name = format!("{section}.{key}").to_lowercase();
            self.set(&name, value, Origin::Variable(variable));
        }
    }

    /// Where the value of a setting comes from.
    pub(crate) fn origin(&self, name: &str) -> &Origin {
        let at = SETTINGS.iter().position(|setting| setting.name == name);
        at.map_or(&Origin::Default, |at| &self.values[at].1)
    }

    /// Checks every value by its kind.
    pub(crate) fn checked(&self) -> Result<Values, Problems> {
        let mut problems = self.problems.clone();
        let mut values = Vec::new();
        for (setting, (text, origin)) in SETTINGS.iter().zip(&self.values) {
            match setting.kind.check(text) {
                Ok(value) => values.push((setting, value)),
                Err(what) => {
                    problems.push(Problem { name: setting.name.to_owned(), origin: origin.clone(), what });
                }
            }
        }
        if problems.is_empty() { Ok(Values(values)) } else { Err(Problems(problems)) }
    }

    /// The values as a TOML file that would give the same configuration; with `origins`, each with where it
    /// comes from.
    #[must_use]
    pub fn to_toml(&self, origins: bool) -> String {
        let mut out = String::new();
        let mut open = "";
        for (setting, (text, origin)) in SETTINGS.iter().zip(&self.values) {
            let (section, key) = setting.parts();
            if section != open {
                let gap = if open.is_empty() { "" } else { "\n" };
                out.push_str(&format!("{gap}[{section}]\n"));
                open = section;
            }
            let line = format!("{key} = {}", toml::Value::String(text.clone()));
            let comment = if origins { origin.to_string() } else { setting.about.to_owned() };
            out.push_str(&format!("{line:<40} # {comment}\n"));
        }
        out
    }
}

/// The text of a value as the environment would hold it.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(parts) => {
            let texts: Option<Vec<&str>> = parts.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

/// The setting a misspelt name probably means: same key in another section, or same section and a similar key.
fn nearest(name: &str) -> Option<&'static str> {
    let (section, key) = name.split_once('.').unwrap_or(("", name));
    let similar = |setting: &&Setting| {
        let (its_section, its_key) = setting.parts();
        its_key == key || (its_section == section && (its_key.contains(key) || key.contains(its_key)))
    };
    SETTINGS.iter().find(similar).map(|setting| setting.name)
}

#[cfg(test)]
mod tests {
    use mpreg_storage::memory::PolicyKind;

    use super::*;
    use crate::config::Config;

    fn problems(layers: &Layers) -> Vec<String> {
        Config::from_layers(layers).unwrap_err().0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn later_layers_win_and_say_so() {
        let mut layers = Layers::new();
        layers.toml(
            Path::new("a.toml"),
            "[memory]\nlimit = \"1GiB\"\n[server]\nlisten = [\"127.0.0.1:1\", \"[::1]:2\"]\n",
        );
        layers.environment([
            ("MPREG_MEMORY__LIMIT".into(), "2GiB".into()),
            ("MPREG_URL".into(), "ws://x".into()),
        ]);
        layers.set("storage.dir", "/tmp/x", Origin::Flag("--data".to_owned()));
        let config = Config::from_layers(&layers).unwrap();
        assert_eq!((config.memory_bytes, config.listen.len()), (2 << 30, 2));
        assert_eq!(config.dir, Path::new("/tmp/x"));
        let printed = layers.to_toml(true);
        for part in ["environment MPREG_MEMORY__LIMIT", "file a.toml", "flag --data", "# default"] {
            assert!(printed.contains(part), "{part} in {printed}");
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let mut layers = Layers::new();
        layers.toml(
            Path::new("a.toml"),
            "loose = 1\n[memory]\nlimt = \"1GiB\"\nlimit = 1.5\n[log]\nformat = \"xml\"\n",
        );
        layers.environment([
            ("MPREG_STORAGE__SYNC_INTERVAL".into(), "5".into()),
            ("MPREG_NO__SUCH".into(), "".into()),
        ]);
        let found = problems(&layers);
        assert_eq!(found.len(), 6, "{found:#?}");
        for part in ["loose", "memory.limt", "memory.limit", "log.format", "storage.sync_interval", "no.such"]
        {
            assert!(found.iter().any(|line| line.contains(part)), "{part} in {found:#?}");
        }
        layers = Layers::new();
        layers.toml(Path::new("b.toml"), "[memory\n");
        assert!(problems(&layers)[0].contains("b.toml"));
    }

    #[test]
    fn a_public_address_needs_the_word() {
        let mut layers = Layers::new();
        layers.set("server.listen", "0.0.0.0:1", Origin::Flag("--listen".to_owned()));
        assert!(problems(&layers)[0].contains("--insecure"));
        layers.set("server.insecure", "true", Origin::Flag("--insecure".to_owned()));
        assert!(Config::from_layers(&layers).unwrap().public_address().is_some());
    }

    #[test]
    fn the_protocol_names_its_knobs_its_own_way() {
        let mut layers = Layers::new();
        layers.toml(
            Path::new("a.toml"),
            "[memory]\nmax_memory_bytes = 104857600\nmax_entries = 10000\neviction_policy = \"s4lru\"\ns4lru_segments = 6\n\
             enforce_both_limits = true\nmemory_pressure_threshold = 0.8\neviction_batch_size = 100\n",
        );
        let config = Config::from_layers(&layers).unwrap();
        assert_eq!((config.memory_bytes, config.entries_max, config.both_bounds), (100 << 20, 10_000, true));
        assert_eq!((config.policy, config.pressure_permille), (PolicyKind::S4Lru { segments: 6 }, 800));
        layers.set("memory.policy", "clock", Origin::Flag("--set".to_owned()));
        let told = &problems(&layers)[0];
        assert!(PolicyKind::NAMES.iter().all(|name| told.contains(name)), "{told}");
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let mut layers = Layers::new();
        layers.set("server.origins", "https://a.example, \"quoted\"", Origin::Default);
        let mut again = Layers::new();
        again.toml(Path::new("x"), &layers.to_toml(false));
        assert_eq!(again.to_toml(false), layers.to_toml(false));
        assert!(again.problems.is_empty());
    }

    #[test]
    fn names_near_to_a_setting_are_suggested() {
        assert_eq!(nearest("server.dir"), Some("storage.dir"));
        assert_eq!(nearest("storage.checkpoint"), Some("storage.checkpoint_bytes"));
        assert_eq!(nearest("x.y"), None);
    }
}
