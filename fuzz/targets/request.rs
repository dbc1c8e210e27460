//! Every message is a request or gets an answer that is JSON; what a put would store reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg::protocol::cache::Command;
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
    let key = match command {
        Command::Get(key) | Command::Delete(key) => key,
        Command::Put(put) => &put.key,
        _ => return,
    };
    let mut bytes = Vec::new();
    if key.encode_into(&mut bytes).is_ok() {
        let parts = KeyParts::decode(&bytes).expect("an encoded key decodes");
        assert_eq!((&parts.namespace, &parts.identifier), (&key.namespace, &key.identifier));
    }
    if let Command::Put(put) = command {
        let mut extras = Vec::new();
        if put.encode_extras_into(&mut extras).is_ok() {
            let extras = Extras::decode(&extras).expect("encoded extras decode");
            let dependencies: Vec<String> =
                serde_json::from_str(extras.dependencies).expect("an array of strings");
            assert!(dependencies.iter().all(|name| name.contains(':')));
        }
    }
}
