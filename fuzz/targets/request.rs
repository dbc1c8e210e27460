//! Every message is a request or gets an answer that is JSON; what a request would store reads back, and what it borrows
//! can be walked to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg::protocol::cache::{
    Backup, BackupData, Command, Invalidate, KeyText, ListVerb, MapVerb, NamespaceAction, QueueVerb, SetVerb,
    SortedSetVerb, StackVerb, Strings, Updates, Values, Verb,
};
use mpreg::protocol::{OperationIds, Request, parse};
use mpreg_storage::record::{Extras, KeyParts};

fuzz_target!(|message: &[u8]| {
    match parse(message) {
        Ok(Request::Cache(request)) => check(&request.command),
        Ok(Request::Rpc(request)) => {
            for command in &request.commands {
                drop((command.arguments(), command.keywords()));
            }
        }
        Ok(_) => {}
        Err(rejection) => {
            let mut out = Vec::new();
            rejection.write_into(0, &mut OperationIds::new(0, 0), &mut out);
            let reply: serde_json::Value = serde_json::from_slice(&out).expect("an answer is JSON");
            assert!(reply["u"].is_string());
        }
    }
});

fn check(command: &Command<'_>) {
    match command {
        Command::Get(key) | Command::Delete(key) => check_key(key),
        Command::Put(put) => {
            check_key(&put.key);
            let mut extras = Vec::new();
            if put.encode_extras_into(&mut extras).is_ok() {
                check_extras(&extras);
            }
        }
        Command::Atomic(atomic) => {
            check_key(&atomic.key);
            let values = [atomic.expected, atomic.new, atomic.initial, atomic.conditions, atomic.constraints];
            values.into_iter().flatten().for_each(check_json);
        }
        Command::Structure(structure) => {
            check_key(&structure.key);
            check_verb(&structure.verb);
        }
        Command::Batch(batch) => batch.operations.iter().for_each(check),
        Command::Invalidate(Invalidate::Tags(tags)) => check_strings(*tags),
        Command::Namespace(namespace) => {
            if let NamespaceAction::Restore { data: BackupData::Plain(text), .. } = namespace.action
                && let Ok(backup) = Backup::read(text)
            {
                assert_eq!(backup.iter().count(), backup.count);
            }
        }
        _ => {}
    }
}

fn check_key(key: &KeyText<'_>) {
    let mut bytes = Vec::new();
    if key.encode_into(&mut bytes).is_ok() {
        let parts = KeyParts::decode(&bytes).expect("an encoded key decodes");
        assert_eq!((&parts.namespace, &parts.identifier), (&key.namespace, &key.identifier));
    }
}

fn check_extras(bytes: &[u8]) {
    let extras = Extras::decode(bytes).expect("encoded extras decode");
    let dependencies: Vec<String> = serde_json::from_str(extras.dependencies).expect("an array of strings");
    assert!(dependencies.iter().all(|name| name.contains(':')));
}

fn check_verb(verb: &Verb<'_>) {
    match verb {
        Verb::Set(SetVerb::Add(values) | SetVerb::Remove(values) | SetVerb::Contains(values))
        | Verb::List(ListVerb::Append(values) | ListVerb::Prepend(values) | ListVerb::Remove(values))
        | Verb::List(ListVerb::Insert { values, .. })
        | Verb::SortedSet(SortedSetVerb::Remove(values))
        | Verb::Queue(QueueVerb::Enqueue(values))
        | Verb::Stack(StackVerb::Push(values)) => check_values(*values),
        Verb::Set(SetVerb::Combine { others, .. }) => others.iter().for_each(check_key),
        Verb::Map(
            MapVerb::GetFields { fields, .. } | MapVerb::RemoveFields(fields) | MapVerb::Contains(fields),
        ) => {
            check_strings(*fields);
        }
        Verb::Map(MapVerb::SetFields(updates) | MapVerb::IncrementFields(updates)) => check_updates(*updates),
        Verb::SortedSet(SortedSetVerb::Add(scored)) => {
            assert_eq!(scored.iter().inspect(|(_, member)| check_json(member)).count(), scored.len());
        }
        _ => {}
    }
}

fn check_values(values: Values<'_>) {
    assert_eq!(values.iter().inspect(|text| check_json(text)).count(), values.len());
}

fn check_strings(strings: Strings<'_>) {
    assert_eq!(strings.iter().inspect(|text| drop(text.decode())).count(), strings.len());
}

fn check_updates(updates: Updates<'_>) {
    assert_eq!(updates.iter().count(), updates.len());
}

fn check_json(text: &str) {
    mpreg_storage::json::validate(text.as_bytes()).expect("a borrowed value is JSON");
}
