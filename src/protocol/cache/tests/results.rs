//! Replies byte for byte: the worked examples of section 7.14 and the results of 7.6 to 7.8.
//!
//! The examples are those of the protocol with our two additions in their places: `durability`, and `error_code`
//! behind an `error_message`.

use crate::protocol::cache::{
    AtomicResult, BackupResult, Breakdown, Code, Counts, Durability, EntryReply, Failure, Head, KeyList,
    KeyReply, Largest, Level, NamespaceDetail, NamespaceHead, NamespaceResult, NamespaceStatistics,
    Operation, Reply, Status, StructureResult,
};
use crate::protocol::limits::{ATOMIC_VALUES_BYTES_MAX, RESULT_TWICE_BYTES_MAX};
use mpreg_storage::record::Extras;

/// The operation id of all of them.
pub(super) const ID: &[u8; 36] = b"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11";

pub(super) fn head(u: &'static str, operation: Operation, now_us: u64) -> Head<'static> {
    Head { u, now_us, operation: operation.quoted(), operation_id: ID }
}

/// What `write` appends, as text, once it is known to be JSON.
pub(super) fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok(), "{}", String::from_utf8_lossy(&out));
    String::from_utf8(out).unwrap()
}

/// The text of a reply's result alone.
fn result(name: &str, write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix(&format!(",\"{name}\":")).unwrap().to_owned()
}

fn lock(value: &'static [u8]) -> EntryReply<'static> {
    EntryReply {
        namespace: "locks",
        identifier: "resource_abc",
        version: "v1.0.0",
        value,
        created_us: 1_700_000_002_000_000,
        access_count: 0,
        last_access_us: 1_700_000_002_000_000,
        ttl_us: Some(300_000_000),
        extras: Extras::default(),
        include_metadata: true,
    }
}

#[test]
fn test_and_set_of_a_free_lock() {
    let value = br#"{"owner":"worker_001","acquired_at":1640995200.123}"#;
    let reply = Reply {
        level: Some(Level::L1),
        durability: Some(Durability::Strong),
        entry: Some(lock(value)),
        ..Reply::new(head("\"atomic-12347\"", Operation::Atomic, 1_700_000_002_000_000))
    };
    let result = AtomicResult::applied(None, value);
    let expected = concat!(
        r#"{"role":"cache-response","u":"atomic-12347","timestamp":1700000002.0,"version":"2.0","operation":"atomic","#,
        r#""status":"hit","success":true,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11","cache_level":"L1","#,
        r#""durability":"strong","#,
        r#""entry":{"key":{"namespace":"locks","identifier":"resource_abc","version":"v1.0.0","tags":[]},"#,
        r#""value":{"owner":"worker_001","acquired_at":1640995200.123},"#,
        r#""creation_time":1700000002.0,"access_count":0,"last_access_time":1700000002.0,"#,
        r#""computation_cost_ms":0.0,"size_bytes":51,"dependencies":[],"ttl_seconds":300},"#,
        r#""atomic_result":{"success":true,"old_value":null,"new_value":{"owner":"worker_001","acquired_at":1640995200.123},"#,
        r#""current_value":{"owner":"worker_001","acquired_at":1640995200.123},"constraint_violations":[],"error_message":null,"#,
        r#""operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"},"intermediate_results":null}"#,
    );
    assert_eq!(text(|out| reply.write_with(out, |out| result.write_into(ID, out))), expected);
}

#[test]
fn test_and_set_of_a_lock_that_is_held() {
    let held = br#"{"owner":"worker_002","acquired_at":1640995100.0}"#;
    let message = "Test condition failed";
    let reply = Reply {
        durability: Some(Durability::Strong),
        ..Reply::failure(
            head("\"atomic-12347\"", Operation::Atomic, 1_700_000_003_000_000),
            Status::Conflict,
            Failure { message, code: Code::Conflict },
        )
    };
    let result = AtomicResult::refused(Some(held), message);
    let expected = concat!(
        r#"{"role":"cache-response","u":"atomic-12347","timestamp":1700000003.0,"version":"2.0","operation":"atomic","#,
        r#""status":"conflict","success":false,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11","durability":"strong","#,
        r#""error_message":"Test condition failed","error_code":"CACHE_CONFLICT","#,
        r#""atomic_result":{"success":false,"old_value":{"owner":"worker_002","acquired_at":1640995100.0},"new_value":null,"#,
        r#""current_value":{"owner":"worker_002","acquired_at":1640995100.0},"constraint_violations":[],"#,
        r#""error_message":"Test condition failed","operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"},"#,
        r#""intermediate_results":null}"#,
    );
    assert_eq!(text(|out| reply.write_with(out, |out| result.write_into(ID, out))), expected);
}

#[test]
fn constraints_broken_by_an_atomic_operation() {
    let violations = ["too \"large\"".to_owned(), "b".to_owned()];
    let broken = AtomicResult {
        constraint_violations: &violations,
        ..AtomicResult::refused(None, "Constraint violation")
    };
    let expected = r#"{"success":false,"old_value":null,"new_value":null,"current_value":null,"constraint_violations":["too \"large\"","b"],"error_message":"Constraint violation","operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"}"#;
    assert_eq!(result("atomic_result", |out| broken.write_into(ID, out)), expected);
}

#[test]
fn values_that_do_not_fit_are_left_out_of_an_atomic_result() {
    let quarter = vec![b'1'; ATOMIC_VALUES_BYTES_MAX / 4];
    let fits = AtomicResult::applied(Some(&quarter), &quarter);
    assert!(result("atomic_result", |out| fits.write_into(ID, out)).contains("old_value"));
    let more = vec![b'1'; ATOMIC_VALUES_BYTES_MAX / 4 + 1];
    let expected = r#"{"success":true,"constraint_violations":[],"values_omitted":true,"error_message":null,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"}"#;
    let too_long = AtomicResult::applied(Some(&quarter), &more);
    assert_eq!(result("atomic_result", |out| too_long.write_into(ID, out)), expected);
    // A conflict has no entry, so the value itself stays.
    let huge = vec![b'1'; ATOMIC_VALUES_BYTES_MAX];
    let refused = AtomicResult::refused(Some(&huge), "Test condition failed");
    let written = result("atomic_result", |out| refused.write_into(ID, out));
    assert!(written.starts_with(r#"{"success":false,"current_value":111"#) && !written.contains("old_value"));
    assert!(written.len() < ATOMIC_VALUES_BYTES_MAX + 1000);
}

#[test]
fn set_add() {
    let reply = Reply {
        level: Some(Level::L1),
        durability: Some(Durability::Eventual),
        ..Reply::new(head("\"struct-12348\"", Operation::Structure, 1_700_000_004_000_000))
    };
    let done = StructureResult { counts: Counts::Added(2), size: 2, exists: false, error_message: None };
    let expected = concat!(
        r#"{"role":"cache-response","u":"struct-12348","timestamp":1700000004.0,"version":"2.0","operation":"structure","#,
        r#""status":"hit","success":true,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11","cache_level":"L1","#,
        r#""durability":"eventual","#,
        r#""structure_result":{"success":true,"value":true,"operation_result":true,"added":2,"size":2,"exists":false,"#,
        r#""error_message":null,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"},"intermediate_results":null}"#,
    );
    let written = text(|out| {
        reply.begin_into(out);
        let begun = StructureResult::begin(true, out);
        out.extend_from_slice(b"true");
        done.end(begun, ID, out);
        reply.end_into(out);
    });
    assert_eq!(written, expected);
}

#[test]
fn what_structures_count() {
    let written = |counts, value: &[u8]| {
        result("structure_result", |out| {
            let begun = StructureResult::begin(true, out);
            out.extend_from_slice(value);
            assert_eq!(begun.written(out), value);
            StructureResult { counts, size: 3, exists: true, error_message: None }.end(begun, ID, out);
        })
    };
    let whole = |counts: &str| {
        format!(
            r#"{{"success":true,"value":[1],"operation_result":[1]{counts},"size":3,"exists":true,"error_message":null,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"}}"#
        )
    };
    assert_eq!(written(Counts::None, b"[1]"), whole(""));
    assert_eq!(written(Counts::Removed(1), b"[1]"), whole(r#","removed":1"#));
    assert_eq!(written(Counts::Members(&[true, false]), b"[1]"), whole(r#","members":[true,false]"#));
    assert_eq!(written(Counts::Members(&[]), b"[1]"), whole(r#","members":[]"#));
    let failed = StructureResult { error_message: Some("Wrong type for set"), ..StructureResult::default() };
    let expected = r#"{"success":false,"value":null,"operation_result":null,"size":0,"exists":false,"error_message":"Wrong type for set","operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"}"#;
    assert_eq!(result("structure_result", |out| failed.write_failure(ID, out)), expected);
}

#[test]
fn a_long_value_of_a_structure_is_shown_once() {
    for (bytes, twice) in [(RESULT_TWICE_BYTES_MAX, true), (RESULT_TWICE_BYTES_MAX + 1, false)] {
        let written = result("structure_result", |out| {
            let begun = StructureResult::begin(true, out);
            out.resize(out.len() + bytes, b'1');
            StructureResult::default().end(begun, ID, out);
        });
        assert_eq!(written.contains("operation_result"), twice);
        assert_eq!(written.len() / bytes, if twice { 2 } else { 1 });
    }
}

const CLEAR: NamespaceHead<'static> = NamespaceHead {
    success: true,
    operation_type: "clear",
    namespace: "temp_data",
    pattern: Some("expired_*"),
};

fn cleared(count: u64, has_more: bool) -> NamespaceResult<'static> {
    NamespaceResult {
        head: CLEAR,
        count,
        detail: NamespaceDetail::Clear { has_more, dry_run: false },
        error_message: None,
    }
}

#[test]
fn namespace_clear() {
    let reply = Reply::new(head("\"namespace-12349\"", Operation::Namespace, 1_700_000_005_000_000));
    let expected = concat!(
        r#"{"role":"cache-response","u":"namespace-12349","timestamp":1700000005.0,"version":"2.0","operation":"namespace","#,
        r#""status":"hit","success":true,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11","#,
        r#""namespace_result":{"success":true,"operation_type":"clear","namespace":"temp_data","pattern":"expired_*","#,
        r#""count":3,"entries_affected":3,"cleared_count":3,"has_more":false,"dry_run":false,"error_message":null,"#,
        r#""operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"},"intermediate_results":null}"#,
    );
    assert_eq!(text(|out| reply.write_with(out, |out| cleared(3, false).write_into(ID, out))), expected);
    let partial = Reply { status: Status::Partial, ..reply };
    let written = text(|out| partial.write_with(out, |out| cleared(1000, true).write_into(ID, out)));
    assert!(written.contains(r#""status":"partial","success":true"#), "{written}");
    assert!(written.contains(r#""cleared_count":1000,"has_more":true"#), "{written}");
}

#[test]
fn namespace_statistics() {
    let written = |statistics: &NamespaceStatistics<'_>| {
        let head = NamespaceHead { operation_type: "statistics", pattern: Some("*"), ..CLEAR };
        let detail = NamespaceDetail::Statistics(statistics);
        let statistics = NamespaceResult { head, count: 2, detail, error_message: None };
        result("namespace_result", |out| statistics.write_into(ID, out))
    };
    let plain = NamespaceStatistics {
        entry_count: 2,
        total_memory_bytes: 300,
        avg_computation_cost_ms: 1.5,
        total_access_count: 7,
        oldest_us: Some(1_500_000),
        newest_us: None,
        expired_pending: 1,
        breakdown: None,
    };
    let begin = r#"{"success":true,"operation_type":"statistics","namespace":"temp_data","pattern":"*","count":2,"entry_count":2,"total_memory_bytes":300,"avg_computation_cost_ms":1.5,"total_access_count":7,"oldest_entry":1.5,"newest_entry":null,"expired_pending":1"#;
    let end = r#","error_message":null,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"}"#;
    assert_eq!(written(&plain), format!("{begin}{end}"));
    let largest = ["a", "b"].map(|identifier| Largest {
        identifier: identifier.into(),
        version: "v2".into(),
        size_bytes: 9,
    });
    let detailed = NamespaceStatistics {
        breakdown: Some(Breakdown {
            by_version: &[("v1.0.0".into(), 1), ("\"".into(), 1)],
            by_level: [1, 2],
            largest: &largest,
        }),
        ..plain
    };
    let key = |identifier: &str| {
        format!(
            r#"{{"key":{{"namespace":"temp_data","identifier":"{identifier}","version":"v2","tags":[]}},"size_bytes":9}}"#
        )
    };
    let detail = format!(
        r#","by_version":{{"v1.0.0":1,"\"":1}},"by_level":{{"L1":1,"L2":2}},"largest":[{},{}]"#,
        key("a"),
        key("b")
    );
    assert_eq!(written(&detailed), format!("{begin}{detail}{end}"));
}

#[test]
fn namespace_lists() {
    let list = |keys: &[KeyReply<'_>], next| {
        result("namespace_result", |out| {
            let mut list = KeyList::begin(&NamespaceHead { operation_type: "list_keys", ..CLEAR }, out);
            keys.iter().for_each(|key| list.push(key, out));
            list.end(next, ID, out);
        })
    };
    let begin = r#"{"success":true,"operation_type":"list_keys","namespace":"temp_data","pattern":"expired_*","keys":["#;
    let end = r#","error_message":null,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"}"#;
    let none = format!(r#"{begin}],"count":0,"has_more":false,"next_offset":null{end}"#);
    assert_eq!(list(&[], None), none);
    let keys = [
        KeyReply { identifier: "a", version: "v1.0.0", tags: "[]" },
        KeyReply { identifier: "b", version: "v2", tags: r#"["t"]"# },
    ];
    let two = concat!(
        r#"{"namespace":"temp_data","identifier":"a","version":"v1.0.0","tags":[]},"#,
        r#"{"namespace":"temp_data","identifier":"b","version":"v2","tags":["t"]}"#,
    );
    assert_eq!(
        list(&keys, Some(2)),
        format!(r#"{begin}{two}],"count":2,"has_more":true,"next_offset":2{end}"#)
    );
}

#[test]
fn the_other_namespace_results() {
    let end = r#""error_message":null,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11"}"#;
    let counted = NamespaceResult {
        head: NamespaceHead { operation_type: "count", pattern: Some("*"), ..CLEAR },
        count: 7,
        detail: NamespaceDetail::None,
        error_message: None,
    };
    assert_eq!(
        result("namespace_result", |out| counted.write_into(ID, out)),
        format!(
            r#"{{"success":true,"operation_type":"count","namespace":"temp_data","pattern":"*","count":7,{end}"#
        )
    );
    let restored = NamespaceResult {
        head: NamespaceHead { operation_type: "restore", pattern: None, ..CLEAR },
        detail: NamespaceDetail::Restore { skipped: 2 },
        ..counted
    };
    assert_eq!(
        result("namespace_result", |out| restored.write_into(ID, out)),
        format!(
            r#"{{"success":true,"operation_type":"restore","namespace":"temp_data","count":7,"restored_count":7,"skipped_count":2,{end}"#
        )
    );
    let backup = BackupResult { count: 0, compression: true, checksum: "abc", next_offset: None };
    let written = result("namespace_result", |out| {
        let begun = BackupResult::begin(&NamespaceHead { operation_type: "backup", ..CLEAR }, out);
        out.extend_from_slice(b"\"H4sI\"");
        assert_eq!(begun.written(out), b"\"H4sI\"");
        backup.end(ID, out);
    });
    assert_eq!(
        written,
        format!(
            r#"{{"success":true,"operation_type":"backup","namespace":"temp_data","pattern":"expired_*","data":"H4sI","count":0,"backup_format":"json","compression":true,"checksum":"abc",{end}"#
        )
    );
    let written =
        result("namespace_result", |out| NamespaceResult::write_invalidated("pattern", "\"ml.*\"", 4, out));
    assert_eq!(
        written,
        r#"{"success":true,"operation_type":"invalidate","pattern":"ml.*","entries_affected":4,"cleared_count":4,"count":4}"#
    );
}
