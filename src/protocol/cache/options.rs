//! `options` of a cache request: everything optional, unknown members ignored, unknown values refused.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text};

use super::Lease;
use super::numbers::read_count;
use crate::protocol::Error;
use crate::protocol::fields::Fields;
use crate::protocol::limits::NOTIFICATION_TOPIC_BYTES_MAX;

/// The level asked for by `consistency_level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// This node only.
    Weak,
    /// Handed to the operating system before the reply.
    Eventual,
    /// Synced before the reply; `quorum` is another name for it.
    Strong,
}

impl Consistency {
    fn parse(name: &str) -> Result<Consistency, Error> {
        match name {
            "weak" => Ok(Consistency::Weak),
            "eventual" => Ok(Consistency::Eventual),
            "strong" | "quorum" => Ok(Consistency::Strong),
            other => Err(Error::unknown("options.consistency_level", other)),
        }
    }
}

/// A tier of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// Memory.
    L1 = 1,
    /// The disk of this node.
    L2 = 2,
    /// Other nodes of the cluster.
    L3 = 4,
    /// Other clusters.
    L4 = 8,
}

impl Level {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
            Level::L4 => "L4",
        }
    }
}

/// A set of tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    /// All four; what an absent or empty list means.
    pub const ALL: Levels = Levels(0b1111);

    /// Whether `level` is in the set.
    #[must_use]
    pub fn has(self, level: Level) -> bool {
        self.0 & level as u8 != 0
    }

    fn read(reader: &mut Reader<'_>) -> Result<Levels, Error> {
        const PATH: &str = "options.cache_levels";
        let mut levels = 0;
        let mut elements = reader.array(PATH)?;
        while elements.next(reader)? {
            levels |= match &*reader.string(PATH)?.decode() {
                "L1" => Level::L1 as u8,
                "L2" => Level::L2 as u8,
                "L3" => Level::L3 as u8,
                "L4" => Level::L4 as u8,
                other => return Err(Error::unknown(PATH, other)),
            };
        }
        Ok(if levels == 0 { Levels::ALL } else { Levels(levels) })
    }
}

/// The options of a request. `Default` is what a request without them gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Options<'a> {
    /// Whether a reply's entry has its optional members; default true.
    pub include_metadata: bool,
    /// `None`: the server's default.
    pub consistency: Option<Consistency>,
    /// How long tiers beyond L2 and strong acks may take, in milliseconds; default 5000.
    pub timeout_ms: u64,
    /// Tiers to use; default all.
    pub levels: Levels,
    /// Wanted copies; default 2.
    pub replication_factor: u64,
    /// Prefer a local copy over a fresher remote one; default true.
    pub prefer_local: bool,
    /// Oldest acceptable copy from L3 and L4, in seconds; default 300.
    pub max_staleness_seconds: f64,
    /// Remove dependents too; default false.
    pub cascade_dependencies: bool,
    /// Whether a delete leaves this node; default true.
    pub replication_propagate: bool,
    /// Publish the change; default false.
    pub notify_on_change: bool,
    /// How, if the request says anything about it.
    pub notification: Option<Box<Notification<'a>>>,
    /// One reader fills, the others wait; see [`Lease`].
    pub lease: Option<Lease>,
    /// Why, for the audit event: a JSON string with its quotes.
    pub reason: Option<&'a str>,
    /// What changed at the source, for the audit event: any JSON.
    pub source_change: Option<&'a str>,
}

/// How a change is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notification<'a> {
    /// `None`: the topic of the cache event itself.
    pub topic: Option<Cow<'a, str>>,
    /// JSON object whose members the message carries.
    pub payload: Option<&'a str>,
    /// JSON object: publish only if this holds.
    pub condition: Option<&'a str>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            include_metadata: true,
            consistency: None,
            timeout_ms: 5000,
            levels: Levels::ALL,
            replication_factor: 2,
            prefer_local: true,
            max_staleness_seconds: 300.0,
            cascade_dependencies: false,
            replication_propagate: true,
            notify_on_change: false,
            notification: None,
            lease: None,
            reason: None,
            source_change: None,
        }
    }
}

impl<'a> Options<'a> {
    /// Reads the options object at which `reader` stands into `self`, which holds the defaults.
    pub(super) fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Error> {
        let mut fields = Fields::open(reader, "options")?;
        while let Some(name) = fields.next()? {
            match &*name {
                "consistency_level" => self.consistency = read_consistency(&mut fields)?,
                "timeout_ms" => set(&mut self.timeout_ms, read_count(&mut fields, 1, "options.timeout_ms")?),
                "cache_levels" => {
                    let entered = fields.enter(2, "options.cache_levels")?;
                    set(&mut self.levels, entered.map(Levels::read).transpose()?);
                }
                "include_metadata" => {
                    set(&mut self.include_metadata, fields.boolean(3, "options.include_metadata")?);
                }
                other => self.read_rare(other, &mut fields)?,
            }
        }
        Ok(())
    }

    /// The members few requests have.
    #[cold]
    fn read_rare(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match name {
            "replication_factor" => {
                set(&mut self.replication_factor, read_count(fields, 4, "options.replication_factor")?);
            }
            "prefer_local" => set(&mut self.prefer_local, fields.boolean(5, "options.prefer_local")?),
            "max_staleness_seconds" => {
                let number = fields.number(6, "options.max_staleness_seconds")?;
                set(&mut self.max_staleness_seconds, number.map(|number| number.to_f64()));
            }
            "cascade_dependencies" => {
                set(&mut self.cascade_dependencies, fields.boolean(7, "options.cascade_dependencies")?);
            }
            "replication_propagate" => {
                set(&mut self.replication_propagate, fields.boolean(8, "options.replication_propagate")?);
            }
            "notify_on_change" => {
                set(&mut self.notify_on_change, fields.boolean(9, "options.notify_on_change")?);
            }
            "reason" => self.reason = fields.string(10, "options.reason")?.map(|text| text.quoted()),
            "source_change" => self.source_change = fields.raw(11, "options.source_change")?,
            "lease" => {
                self.lease = fields.enter(12, "options.lease")?.map(Lease::read).transpose()?;
            }
            // They concern other nodes only, of which there are none.
            "replication_strategy" => drop(fields.string(13, "options.replication_strategy")?),
            "preferred_regions" => drop(fields.raw_strings(14, "options.preferred_regions")?),
            "conflict_resolution" => drop(fields.string(15, "options.conflict_resolution")?),
            _ => return self.read_notification(name, fields),
        }
        Ok(())
    }

    fn read_notification(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match name {
            "notification_topic" => {
                const PATH: &str = "options.notification_topic";
                if let Some(topic) = fields.string(16, PATH)?.map(Text::decode) {
                    let (size, size_max) = (topic.len(), NOTIFICATION_TOPIC_BYTES_MAX);
                    if size > size_max {
                        return Err(Error::TooLarge { what: PATH, size, size_max });
                    }
                    self.notification.get_or_insert_default().topic = Some(topic);
                }
            }
            "notification_payload" => {
                if let Some(payload) = fields.raw_object(17, "options.notification_payload")? {
                    self.notification.get_or_insert_default().payload = Some(payload);
                }
            }
            "notification_condition" => {
                if let Some(condition) = fields.raw_object(18, "options.notification_condition")? {
                    self.notification.get_or_insert_default().condition = Some(condition);
                }
            }
            _ => fields.pass()?,
        }
        Ok(())
    }
}

/// Replaces a default by what the request says, if it says something.
fn set<T>(field: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *field = said;
    }
}

fn read_consistency(fields: &mut Fields<'_, '_>) -> Result<Option<Consistency>, Error> {
    let name = fields.string(0, "options.consistency_level")?;
    name.map(|name| Consistency::parse(&name.decode())).transpose()
}
