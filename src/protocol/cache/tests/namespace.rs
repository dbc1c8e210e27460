//! Section 7.8 and the removals of 7.5: namespaces, backups, invalidation, query.

use proptest::prelude::*;

use mpreg_storage::record::Extras;

use super::{command, refused};
use crate::protocol::cache::{
    Backup, BackupData, BackupWriter, Code, Command, Invalidate, ListName, Merge, Namespace, NamespaceAction,
    Query, StoredEntry,
};
use crate::protocol::limits::{LIST_KEYS_MAX, PATTERN_BYTES_MAX, SAMPLE_SIZE_MAX, TAGS_MAX};
use crate::protocol::parse;

fn namespace(operation: &str) -> Result<Namespace<'static>, String> {
    match command(&format!(r#""operation":"namespace","namespace_operation":{{{operation}}}"#))? {
        Command::Namespace(namespace) => Ok(namespace),
        other => panic!("{other:?}"),
    }
}

fn action(name: &str, rest: &str) -> NamespaceAction<'static> {
    namespace(&format!(r#""operation_type":"{name}","namespace":"n"{rest}"#)).unwrap().action
}

#[test]
fn every_operation_is_read_with_its_defaults() {
    assert_eq!(action("clear", ""), NamespaceAction::Clear { max_entries: None, dry_run: false });
    assert_eq!(action("statistics", ""), NamespaceAction::Statistics { detailed: false, sample_size: 10 });
    for (text, name) in
        [("list_keys", ListName::ListKeys), ("list", ListName::List), ("scan", ListName::Scan)]
    {
        assert_eq!(action(text, ""), NamespaceAction::ListKeys { name, limit: 1000, offset: 0 });
    }
    assert_eq!(action("count", ""), NamespaceAction::Count);
    let backup = NamespaceAction::Backup { compression: false, limit: None, offset: 0 };
    assert_eq!(action("backup", ""), backup);
    let restore = NamespaceAction::Restore { data: BackupData::Plain("{}"), merge: Merge::Overwrite };
    assert_eq!(action("restore", r#","data":{}"#), restore);
    let names = NamespaceAction::ListNamespaces { limit: 1000, offset: 0 };
    assert_eq!(namespace(r#""operation_type":"list_namespaces""#).unwrap().action, names);
    for name in ["clear", "statistics", "list_keys", "list", "scan", "count", "backup", "list_namespaces"] {
        assert_eq!(action(name, "").operation_type(), name);
    }
    assert_eq!(restore.operation_type(), "restore");
}

#[test]
fn every_field_is_read() {
    let clear = namespace(
        r#""operation_type":"clear","namespace":"temp_data","pattern":"expired_*","max_entries":1000,"dry_run":true,"conditions":{"age_seconds":{"$gt":5}}"#,
    );
    let clear = clear.unwrap();
    assert_eq!((&*clear.namespace, &*clear.pattern), ("temp_data", "expired_*"));
    assert_eq!(clear.conditions, Some(r#"{"age_seconds":{"$gt":5}}"#));
    assert_eq!(clear.action, NamespaceAction::Clear { max_entries: Some(1000), dry_run: true });
    assert_eq!(
        action("statistics", r#","include_detailed_breakdown":true,"sample_size":3"#),
        NamespaceAction::Statistics { detailed: true, sample_size: 3 }
    );
    assert_eq!(
        action("scan", r#","limit":5,"offset":7"#),
        NamespaceAction::ListKeys { name: ListName::Scan, limit: 5, offset: 7 }
    );
    assert_eq!(
        action("backup", r#","compression":true,"limit":5,"offset":7,"backup_format":"json""#),
        NamespaceAction::Backup { compression: true, limit: Some(5), offset: 7 }
    );
    let behind = namespace(
        r#""operation_type":"backup","namespace":"n","after":{"namespace":"n","identifier":"a","version":"v2"}"#,
    );
    let key = behind.unwrap().after.unwrap();
    assert_eq!((&*key.identifier, &*key.version), ("a", "v2"));
    for (name, merge) in
        [("overwrite", Merge::Overwrite), ("skip_existing", Merge::SkipExisting), ("newest", Merge::Newest)]
    {
        let rest = format!(r#","data":"H4sI","merge_strategy":"{name}""#);
        let NamespaceAction::Restore { data: BackupData::Compressed(text), merge: read } =
            action("restore", &rest)
        else {
            panic!()
        };
        assert_eq!((&*text.decode(), read), ("H4sI", merge));
    }
}

#[test]
fn null_is_left_out_and_too_much_is_cut() {
    let nulls = r#""operation_type":"clear","namespace":"n","pattern":null,"conditions":null,"max_entries":null,"dry_run":null,"include_detailed_breakdown":null,
        "sample_size":null,"backup_format":null,"compression":null,"data":null,"merge_strategy":null,"limit":null,"offset":null,"x":1"#;
    assert_eq!(namespace(nulls), namespace(r#""operation_type":"clear","namespace":"n","conditions":{}"#));
    let NamespaceAction::ListKeys { limit, .. } = action("list", r#","limit":1e12"#) else { panic!() };
    assert_eq!(limit, LIST_KEYS_MAX);
    let NamespaceAction::Statistics { sample_size, .. } = action("statistics", r#","sample_size":1e12"#)
    else {
        panic!()
    };
    assert_eq!(sample_size, SAMPLE_SIZE_MAX);
}

#[test]
fn namespace_refusals_name_the_field() {
    let long = "x".repeat(129);
    let cases = [
        (r#""namespace":"n""#, "namespace_operation.operation_type is required"),
        (r#""operation_type":"clear""#, "namespace_operation.namespace is required"),
        (
            r#""operation_type":"clear","namespace":"""#,
            "namespace_operation.namespace must be a name of at least one character",
        ),
        (
            &format!(r#""operation_type":"clear","namespace":"{long}""#),
            "namespace_operation.namespace has 129, the limit is 128",
        ),
        (
            r#""operation_type":"drop","namespace":"n""#,
            "namespace_operation.operation_type does not know \"drop\"",
        ),
        (r#""operation_type":"restore","namespace":"n""#, "namespace_operation.data is required"),
        (r#""data":[1]"#, "namespace_operation.data must be an object or a string, as a backup gave it"),
        (r#""operation_type":5"#, "namespace_operation.operation_type must be a string"),
        (r#""namespace":5"#, "namespace_operation.namespace must be a string"),
        (r#""pattern":5"#, "namespace_operation.pattern must be a string"),
        (r#""conditions":[]"#, "namespace_operation.conditions must be an object"),
        (r#""max_entries":0"#, "namespace_operation.max_entries must be 1 or more"),
        (r#""max_entries":-1"#, "namespace_operation.max_entries must be 0 or more"),
        (r#""dry_run":1"#, "namespace_operation.dry_run must be true or false"),
        (
            r#""include_detailed_breakdown":1"#,
            "namespace_operation.include_detailed_breakdown must be true or false",
        ),
        (r#""sample_size":"1""#, "namespace_operation.sample_size must be a number"),
        (r#""backup_format":"csv""#, "namespace_operation.backup_format does not know \"csv\""),
        (r#""compression":"gzip""#, "namespace_operation.compression must be true or false"),
        (r#""merge_strategy":"mine""#, "namespace_operation.merge_strategy does not know \"mine\""),
        (r#""limit":0"#, "namespace_operation.limit must be 1 or more"),
        (r#""offset":-1"#, "namespace_operation.offset must be 0 or more"),
        (r#""after":"a""#, "namespace_operation.after must be an object"),
        (r#""after":{"namespace":"n"}"#, "namespace_operation.after.identifier is required"),
    ];
    for (operation, message) in cases {
        assert_eq!(namespace(operation).unwrap_err(), message, "{operation}");
    }
    refused(&[
        (r#""operation":"namespace""#, "namespace_operation is required"),
        (r#""operation":"namespace","namespace_operation":"x""#, "namespace_operation must be an object"),
    ]);
}

#[test]
fn invalidation_takes_a_pattern_or_tags() {
    for members in [
        r#""pattern":"ml.*""#,
        r#""invalidation_pattern":"ml.*""#,
        r#""pattern":"ml.*","invalidation_pattern":"x","tags":[]"#,
        r#""pattern":null,"invalidation_pattern":"ml.*","tags":null"#,
    ] {
        let command = command(&format!(r#""operation":"invalidate",{members}"#));
        assert_eq!(command, Ok(Command::Invalidate(Invalidate::Pattern("ml.*".into()))), "{members}");
    }
    let Ok(Command::Invalidate(Invalidate::Tags(tags))) =
        command(r#""operation":"invalidate","tags":["a","b"]"#)
    else {
        panic!()
    };
    assert_eq!(tags.iter().map(|tag| tag.decode()).collect::<Vec<_>>(), ["a", "b"]);
    let many = vec!["\"t\""; TAGS_MAX + 1].join(",");
    refused(&[
        (r#""operation":"invalidate""#, "pattern is required"),
        (r#""operation":"invalidate","pattern":"""#, "pattern must be a pattern of at least one character"),
        (r#""operation":"invalidate","pattern":5"#, "pattern must be a string"),
        (r#""operation":"invalidate","invalidation_pattern":[]"#, "invalidation_pattern must be a string"),
        (r#""operation":"invalidate","tags":"t""#, "tags must be an array"),
        (r#""operation":"invalidate","tags":[1]"#, "tags must be strings"),
        (
            r#""operation":"invalidate","pattern":"x","tags":["t"]"#,
            "tags must be left out where there is a pattern",
        ),
        (&format!(r#""operation":"invalidate","tags":[{many}]"#), "tags has 257, the limit is 256"),
        (
            &format!(r#""operation":"invalidate","pattern":"{}""#, "x".repeat(PATTERN_BYTES_MAX + 1)),
            "pattern has 4097, the limit is 4096",
        ),
    ]);
}

#[test]
fn what_clears_everything_is_told_apart() {
    let everything = |pattern: &str| Invalidate::Pattern(pattern.to_owned().into()).is_everything();
    for pattern in ["*", "#", "**", "*:*", "*.*", "*:*:*", "?*"] {
        assert!(everything(pattern), "{pattern}");
    }
    for pattern in ["ml.*", "*:v1.0.0", "a"] {
        assert!(!everything(pattern), "{pattern}");
    }
    let Ok(Command::Invalidate(tags)) = command(r#""operation":"invalidate","tags":["*"]"#) else { panic!() };
    assert!(!tags.is_everything());
}

#[test]
fn query_needs_a_namespace_only() {
    let query = |members: &str| {
        command(&format!(r#""operation":"query",{members}"#)).map(|command| match command {
            Command::Query(query) => query,
            other => panic!("{other:?}"),
        })
    };
    let Query { key, pattern } = query(r#""key":{"namespace":"n"}"#).unwrap();
    assert_eq!((&*key.namespace, &*key.identifier, &*key.version, &*pattern), ("n", "", "v1.0.0", "*"));
    assert_eq!(query(r#""key":{"namespace":"n","identifier":""},"pattern":"a?""#).unwrap().pattern, "a?");
    assert_eq!(query(r#""key":{"namespace":"n"},"invalidation_pattern":"b""#).unwrap().pattern, "b");
    for (members, message) in [
        (r#""pattern":"x""#, "key is required"),
        (r#""key":{"identifier":"i"}"#, "key.namespace is required"),
        (r#""key":{"namespace":""}"#, "key.namespace must be a name of at least one character"),
    ] {
        assert_eq!(query(members).unwrap_err(), message, "{members}");
    }
    refused(&[
        (r#""operation":"get","key":{"namespace":"n"}"#, "key.identifier is required"),
        (r#""operation":"delete","key":{"namespace":"n","identifier":null}"#, "key.identifier is required"),
    ]);
    assert!(command(r#""operation":"stats","key":{"namespace":"n"}"#).is_ok());
}

fn stored<'a>(identifier: &'a str, value: &'a str, extras: Extras<'a>) -> StoredEntry<'a> {
    StoredEntry {
        identifier,
        version: "v2",
        value: value.as_bytes(),
        extras,
        created_us: 1_700_000_000_200_417,
        last_access_us: 1_700_000_001_500_009,
        access_count: 17,
        expires_us: None,
    }
}

fn backup(entries: &[StoredEntry<'_>]) -> String {
    let mut out = Vec::new();
    let mut writer = BackupWriter::begin("n\"s", 1_700_000_002_000_000, &mut out);
    for entry in entries {
        writer.push(entry, &mut out);
    }
    assert_eq!(writer.count, entries.len() as u64);
    writer.end(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_backup_looks_as_specified_and_reads_back() {
    let extras = Extras {
        computation_cost_ms: 2.5,
        quality_score: 0.5,
        tags: r#"["t"]"#,
        dependencies: r#"["a:b:v1.0.0"]"#,
        access_patterns: Some(r#"{"p":1}"#),
        geographic_hints: Some(r#"["eu"]"#),
        replication_policy: Some("\"hybrid\""),
        ttl_is_float: false,
        ..Extras::default()
    };
    let full = StoredEntry { expires_us: Some(1_700_000_300_200_417), ..stored("i", "[1, 2]", extras) };
    let text = backup(&[full, stored("plain", "null", Extras::default())]);
    let expected = concat!(
        r#"{"format":"mpreg-namespace-backup","version":1,"namespace":"n\"s","created_at":1700000002.0,"entries":["#,
        r#"{"key":{"namespace":"n\"s","identifier":"i","version":"v2","tags":["t"]},"value":[1, 2],"#,
        r#""metadata":{"computation_cost_ms":2.5,"quality_score":0.5,"dependencies":["a:b:v1.0.0"],"ttl_seconds":300,"#,
        r#""access_patterns":{"p":1},"geographic_hints":["eu"],"replication_policy":"hybrid"},"#,
        r#""creation_time":1700000000.200417,"last_access_time":1700000001.500009,"access_count":17,"expires_at":1700000300.200417},"#,
        r#"{"key":{"namespace":"n\"s","identifier":"plain","version":"v2","tags":[]},"value":null,"#,
        r#""metadata":{"computation_cost_ms":0.0,"quality_score":1.0,"dependencies":[],"ttl_seconds":null},"#,
        r#""creation_time":1700000000.200417,"last_access_time":1700000001.500009,"access_count":17,"expires_at":null}]}"#,
    );
    assert_eq!(text, expected);
    let text = backup(&[full]);
    let read = Backup::read(&text).unwrap();
    assert_eq!((&*read.namespace, read.count), ("n\"s", 1));
    let entry = read.iter().next().unwrap();
    assert_eq!((&*entry.key.identifier, &*entry.key.version, entry.value), ("i", "v2", "[1, 2]"));
    assert_eq!((entry.created_us, entry.last_access_us), (full.created_us, full.last_access_us));
    assert_eq!((entry.access_count, entry.expires_us), (17, full.expires_us));
    let mut bytes = Vec::new();
    entry.encode_extras_into(&mut bytes).unwrap();
    assert_eq!(Extras::decode(&bytes), Ok(extras));
}

#[test]
fn a_damaged_backup_is_refused_by_name() {
    let entry = r#"{"key":{"namespace":"n","identifier":"i"},"value":1,"creation_time":1.5}"#;
    let whole = |head: &str, entry: &str| format!("{{{head}\"entries\":[{entry}]}}");
    let good = r#""format":"mpreg-namespace-backup","version":1,"namespace":"n","#;
    assert_eq!(Backup::read(&whole(good, entry)).unwrap().iter().next().unwrap().last_access_us, 1_500_000);
    let cases = [
        (whole("", entry), "namespace_operation.data.format is required"),
        (
            whole(&good.replace("mpreg-namespace-backup", "tar"), entry),
            "namespace_operation.data.format does not know \"tar\"",
        ),
        (whole(&good.replace(":1,", ":2,"), entry), "namespace_operation.data.version must be 1"),
        (
            whole(r#""format":"mpreg-namespace-backup","#, entry),
            "namespace_operation.data.version is required",
        ),
        (
            whole(r#""format":"mpreg-namespace-backup","version":1,"#, entry),
            "namespace_operation.data.namespace is required",
        ),
        (format!("{{{good}\"x\":1}}"), "namespace_operation.data.entries is required"),
        (whole(good, "5"), "namespace_operation.data.entries must be an object"),
        (whole(good, "{}"), "namespace_operation.data.entries.value is required"),
        (whole(good, r#"{"value":1,"creation_time":1}"#), "namespace_operation.data.entries.key is required"),
        (
            whole(good, r#"{"value":1,"key":{"namespace":"n","identifier":"i"}}"#),
            "namespace_operation.data.entries.creation_time is required",
        ),
        (
            whole(good, r#"{"key":{"namespace":"n"}}"#),
            "namespace_operation.data.entries.key.identifier is required",
        ),
        (
            whole(good, r#"{"creation_time":-1}"#),
            "namespace_operation.data.entries.creation_time must be 0 or more",
        ),
        (
            whole(good, r#"{"access_count":-1}"#),
            "namespace_operation.data.entries.access_count must be an integer of 0 or more",
        ),
    ];
    for (text, message) in cases {
        let found = Backup::read(&text).unwrap_err().to_string();
        assert_eq!(found.split(" (byte").next(), Some(message), "{text}");
    }
}

proptest! {
    /// A backup reads back whatever keys and times it holds.
    #[test]
    fn backups_read_back(identifier: String, created_us in 0..1u64 << 52, life in prop::option::of(1..1u64 << 40), access_count: u64) {
        let entry = StoredEntry {
            created_us,
            access_count,
            expires_us: life.map(|life| created_us + life),
            ..stored(&identifier, "1", Extras::default())
        };
        let text = backup(&[entry]);
        let read = Backup::read(&text).unwrap().iter().next().unwrap();
        prop_assert_eq!(read.key.identifier, &*identifier);
        prop_assert_eq!((read.created_us, read.access_count, read.expires_us), (created_us, access_count, entry.expires_us));
        prop_assert_eq!(read.metadata.ttl.map(|ttl| ttl.micros), life);
    }
}

#[test]
fn a_namespace_too_long_is_too_large() {
    let message = format!(
        r#"{{"role":"cache-request","u":"1","operation":"namespace","namespace_operation":{{"operation_type":"count","namespace":"{}"}}}}"#,
        "x".repeat(129)
    );
    assert_eq!(parse(message.as_bytes()).unwrap_err().error().code(), Code::TooLarge);
}
