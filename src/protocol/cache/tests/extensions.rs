//! `docs/protocol-extensions.md` cannot rot: its requests are read here and mean what it says, its replies are what
//! our writers write.

use std::collections::BTreeMap;

use serde_json::Value;

use super::results::{ID, head, text};
use crate::protocol::cache::{
    AtomicResult, BackupResult, BackupWriter, BatchResult, Code, Combine, Command, Consistency, Counts,
    Durability, EntryReply, Failure, Invalidate, Lease, LeaseReply, LeaseState, Level, NameList,
    NamespaceAction, NamespaceHead, NamespaceResult, Notes, Operation, Reply, Request, SetVerb,
    SortedSetVerb, Status, StoredEntry, StructureResult, Verb,
};
use crate::protocol::{self, parse};
use mpreg_storage::record::Extras;

const DOCUMENT: &str = include_str!("../../../../docs/protocol-extensions.md");

/// The JSON blocks of each section that are messages, by heading; an array is a text of some other kind.
fn sections() -> BTreeMap<&'static str, Vec<&'static str>> {
    let sections = DOCUMENT.split("\n## ").skip(1).map(|section| {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        let blocks = body.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap_or(""));
        (heading, blocks.filter(|block| !block.starts_with('[')).collect())
    });
    sections.collect()
}

fn role(block: &str) -> String {
    let value: Value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{error} in {block}"));
    value["role"].as_str().unwrap_or_else(|| panic!("no role in {block}")).to_owned()
}

fn blocks(wanted: &str) -> Vec<&'static str> {
    sections().into_values().flatten().filter(|block| role(block) == wanted).collect()
}

/// The cache requests of a section.
fn requests(heading: &str) -> Vec<Request<'static>> {
    let sections = sections();
    let blocks = sections.get(heading).unwrap_or_else(|| panic!("no section {heading:?}"));
    let requests = blocks.iter().filter(|block| role(block) == "cache-request").map(|block| {
        match parse(block.as_bytes()) {
            Ok(protocol::Request::Cache(request)) => request,
            other => panic!("{other:?} for {block}"),
        }
    });
    requests.collect()
}

fn request(heading: &str) -> Request<'static> {
    let mut requests = requests(heading);
    assert_eq!(requests.len(), 1, "{heading}");
    requests.remove(0)
}

#[test]
fn every_request_is_read() {
    let blocks = blocks("cache-request");
    assert!(blocks.len() >= 13, "the document has {} requests", blocks.len());
    for block in blocks {
        assert!(matches!(parse(block.as_bytes()), Ok(protocol::Request::Cache(_))), "{block}");
    }
}

#[test]
fn requests_mean_what_their_section_says() {
    assert_eq!(request("`consistency_level: \"quorum\"`").options.consistency, Some(Consistency::Strong));
    let levels = request("Volatile entries").options.levels;
    assert!(levels.has(Level::L1) && !levels.has(Level::L2));

    let Command::Structure(scalar) = request("Structures: scalars for one value").command else { panic!() };
    let Verb::SortedSet(SortedSetVerb::Add(scored)) = scalar.verb else { panic!() };
    let scored: Vec<_> = scored.iter().map(|(score, member)| (score.text(), member)).collect();
    assert_eq!(scored, [("12.5", "\"ada\"")]);
    let Command::Structure(union) = request("Structures: several at once, keys as objects").command else {
        panic!()
    };
    let Verb::Set(SetVerb::Combine { how: Combine::Union, others }) = union.verb else { panic!() };
    assert_eq!(others.len(), 3);

    let Command::Invalidate(Invalidate::Tags(tags)) = request("Invalidate by tag").command else { panic!() };
    assert_eq!(tags.len(), 2);
    let Command::Batch(batch) = request("Batch").command else { panic!() };
    let names: Vec<_> = batch.operations.iter().map(Command::operation).collect();
    assert_eq!(names, [Operation::Put, Operation::Atomic, Operation::Structure]);
    let client = request("Writes that may be repeated").client.unwrap();
    assert_eq!((&*client.id, client.seq), ("worker-7", 42));
    let leases: Vec<_> =
        requests("Leases against stampedes").iter().map(|request| request.options.lease).collect();
    let wanted = [Lease::Ask { ttl_ms: 5000 }, Lease::Fill { token: 8812 }, Lease::GiveUp { token: 8812 }];
    assert_eq!(leases, wanted.map(Some));
    let Command::Put(stale) = request("Stale windows").command else { panic!() };
    assert_eq!(stale.metadata.stale_while_revalidate_us, 30_000_000);
    assert_eq!(stale.metadata.stale_if_error_us, 3_600_000_000);
    let Command::Put(negative) = request("Negative entries").command else { panic!() };
    assert!(negative.metadata.negative);
    let Command::Namespace(backup) = request("Backups in parts").command else { panic!() };
    let parts = NamespaceAction::Backup { compression: false, limit: Some(1000), offset: 2000 };
    assert_eq!(backup.action, parts);
    let Command::Namespace(names) = request("Which namespaces there are").command else { panic!() };
    assert_eq!(names.action, NamespaceAction::ListNamespaces { limit: 1000, offset: 0 });
    assert_eq!((&*names.namespace, &*names.pattern), ("", "user_*"));
}

const NOW_US: u64 = 1_700_000_001_500_000;

fn reply(operation: Operation, status: Status, durability: Durability) -> Reply<'static> {
    Reply { status, durability: Some(durability), ..Reply::new(head("\"1\"", operation, NOW_US)) }
}

fn failed(operation: Operation, status: Status, message: &'static str, code: Code) -> Reply<'static> {
    Reply::failure(head("\"1\"", operation, NOW_US), status, Failure { message, code })
}

fn plain(reply: Reply<'_>) -> String {
    text(|out| reply.write_into(out))
}

fn added(out: &mut Vec<u8>) {
    let begun = StructureResult::begin(true, out);
    out.extend_from_slice(b"true");
    let done = StructureResult { counts: Counts::Added(1), size: 1, ..StructureResult::default() };
    done.end(begun, ID, out);
}

fn batches() -> [String; 2] {
    let stepped = AtomicResult { has_entry: false, ..AtomicResult::applied(Some(b"5"), b"3") };
    let done = text(|out| {
        let reply = reply(Operation::Batch, Status::Hit, Durability::Strong);
        reply.begin_into(out);
        let mut batch = BatchResult::begin(out);
        batch.push(Operation::Put, Status::Hit, out, |_| {});
        batch.push(Operation::Atomic, Status::Hit, out, |out| stepped.write_into(ID, out));
        batch.push(Operation::Structure, Status::Hit, out, added);
        batch.end(out);
        reply.end_into(out);
    });
    let undone = text(|out| {
        let message = "operations[1]: Condition failed";
        let reply = Reply {
            durability: Some(Durability::Strong),
            ..failed(Operation::Batch, Status::Conflict, message, Code::Conflict)
        };
        let refused = AtomicResult::refused(Some(b"1"), "Condition failed");
        reply.write_with(out, |out| {
            BatchResult::write_failure(1, Operation::Atomic, Status::Conflict, out, |out| {
                refused.write_into(ID, out);
            });
        });
    });
    [done, undone]
}

fn notes() -> [String; 5] {
    let get = |status, durability| reply(Operation::Get, status, durability);
    let granted = LeaseReply { state: LeaseState::Granted, token: Some(8812), stale: false };
    let filling = LeaseReply { state: LeaseState::Filling, token: None, stale: true };
    let granted = Notes { lease: Some(granted), ..Notes::default() };
    let filling = Notes { lease: Some(filling), ..Notes::default() };
    let negative = Notes { negative: true, ..Notes::default() };
    let replayed = Notes { replayed: true, ..Notes::default() };
    let violations = ["price must be at least 0".to_owned()];
    let broken = Notes { constraint_violations: &violations, ..Notes::default() };
    let page = EntryReply {
        namespace: "pages",
        identifier: "/home",
        version: "v1.0.0",
        value: b"\"<html>\"",
        created_us: NOW_US - 60_000_000,
        access_count: 4,
        last_access_us: NOW_US,
        ttl_us: Some(60_000_000),
        extras: Extras::default(),
        include_metadata: true,
    };
    let level = Some(Level::L1);
    let counted = AtomicResult { has_entry: false, ..AtomicResult::applied(Some(b"6"), b"7") };
    [
        plain(Reply { notes: Some(&granted), ..get(Status::Miss, Durability::Strong) }),
        plain(Reply {
            notes: Some(&filling),
            level,
            entry: Some(page),
            ..get(Status::Hit, Durability::Strong)
        }),
        plain(Reply { notes: Some(&negative), level, ..get(Status::Miss, Durability::Eventual) }),
        text(|out| {
            let reply =
                Reply { notes: Some(&replayed), ..reply(Operation::Atomic, Status::Hit, Durability::Strong) };
            reply.write_with(out, |out| counted.write_into(ID, out));
        }),
        plain(Reply {
            notes: Some(&broken),
            ..failed(Operation::Put, Status::Error, "Constraint violation", Code::Constraint)
        }),
    ]
}

fn backup() -> String {
    text(|out| {
        let reply = reply(Operation::Namespace, Status::Hit, Durability::Strong);
        reply.begin_into(out);
        let head = NamespaceHead {
            success: true,
            operation_type: "backup",
            namespace: "temp_data",
            pattern: Some("a*"),
        };
        let _data = BackupResult::begin(&head, out);
        let mut backup = BackupWriter::begin("temp_data", NOW_US, out);
        let entry = StoredEntry {
            identifier: "a1",
            version: "v1.0.0",
            value: b"1",
            extras: Extras::default(),
            created_us: 1_700_000_000_000_000,
            last_access_us: 1_700_000_000_000_000,
            access_count: 0,
            expires_us: Some(1_700_000_060_000_000),
        };
        backup.push(&entry, out);
        let count = backup.count;
        backup.end(out);
        let result =
            BackupResult { count, compression: false, checksum: "00000000", next_offset: Some(2001) };
        result.end(ID, out);
        reply.end_into(out);
    })
}

fn names() -> String {
    let head = NamespaceHead {
        success: true,
        operation_type: "list_namespaces",
        namespace: "",
        pattern: Some("user_*"),
    };
    text(|out| {
        reply(Operation::Namespace, Status::Hit, Durability::Strong).write_with(out, |out| {
            let mut list = NameList::begin(&head, out);
            list.push(b"\"user_permissions\"", out);
            list.push(b"\"user_sessions\"", out);
            list.end(false, ID, out);
        });
    })
}

/// Every reply of the document, as our writers write it.
fn written() -> Vec<String> {
    let refused = Reply::failure(
        head("\"x\"", Operation::Put, 1_000_000),
        Status::Error,
        Failure { message: "PUT operation requires value", code: Code::BadRequest },
    );
    let invalidated = text(|out| {
        let reply = reply(Operation::Invalidate, Status::Hit, Durability::Eventual);
        reply.write_with(out, |out| {
            NamespaceResult::write_invalidated("tags", r#"["model:bert","experiment-7"]"#, 12, out);
        });
    });
    let mut all = vec![
        plain(reply(Operation::Delete, Status::Hit, Durability::Strong)),
        plain(refused),
        invalidated,
        backup(),
        names(),
    ];
    all.extend(batches());
    all.extend(notes());
    all
}

/// A text without the white space between its tokens; no string of the document holds a space at a line's end.
fn compact(block: &str) -> String {
    block.lines().map(str::trim).collect()
}

#[test]
fn replies_are_what_is_written() {
    let documented: Vec<String> = blocks("cache-response").into_iter().map(compact).collect();
    let mut written = written();
    assert_eq!(documented.len(), written.len());
    for block in &documented {
        let place = written.iter().position(|reply| reply == block);
        let place = place.unwrap_or_else(|| panic!("nothing writes {block}\nleft are {written:#?}"));
        written.remove(place);
    }
}

/// The other roles belong to other rooms; here they need only be JSON with a role.
#[test]
fn every_block_is_a_message() {
    for block in sections().into_values().flatten() {
        assert!(!role(block).is_empty());
    }
}
