//! Inputs to begin with: those that the code itself makes, which are of its newest format always, and
//! the committed corpus, one file of hexadecimal lines for each target. Must never need a fuzzer.

use std::fs;
use std::io;
use std::path::PathBuf;

use zareba_model::Zxid;
use zareba_tree::Tree;
use zareba_wire::decode_txn;

use crate::input::put_piece;
use crate::{image, log_files};

/// All inputs that a target begins with, without doubles.
pub fn of(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let mut all = made(target)?;
    all.extend(corpus(target)?);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// The committed corpus of a target; none if it has no file.
pub fn corpus(target: &str) -> io::Result<Vec<Vec<u8>>> {
    match fs::read_to_string(corpus_file(target)) {
        Ok(text) => text.lines().map(from_hex).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Where a target's corpus is.
pub fn corpus_file(target: &str) -> PathBuf {
    root().join("fuzz/corpus").join(format!("{target}.hex"))
}

/// The repository. Read when the program runs, for a build directory may be shared by several clones.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR");
    let package = package.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.join("../..")
}

fn from_hex(text: &str) -> io::Result<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    hex::decode(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Inputs as the text of a corpus file.
pub fn to_lines<'a>(inputs: impl Iterator<Item = &'a Vec<u8>>) -> String {
    inputs.map(|input| hex::encode(input) + "\n").collect()
}

/// Those that the code makes.
pub fn made(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    Ok(match target {
        "client_message" => golden("client-")?,
        "server_message" => golden("server-")?,
        "relay" => golden("relay-")?,
        "txn" => golden("txn-")?,
        "native_frames" => frames(&golden("client-")?, |length| length.to_le_bytes()),
        "jute_frames" => frames(&golden("server-")?, |length| length.to_be_bytes()),
        "peer_messages" => peer_messages()?,
        "record" => records()?,
        "snapshot" => image::seed(&tree()?).into_iter().map(Vec::from).collect(),
        "log_files" => log_files::seeds(),
        "jute" => vec![jute()],
        "path" => texts(&[
            "/",
            "/a",
            "/a/b.c\nd/e",
            "/ä/ /x\n../y",
            "/a/..b\n",
            "/%2F%25/\u{1}",
        ]),
        "acl" => vec![
            b"\x05world\x06anyone".to_vec(),
            b"\x02\x1f\x05world\x06anyone\x01\x04x509\x06CN=app".to_vec(),
        ],
        "network" => texts(&[
            "10.1.0.0/16\n10.1.2.3",
            "10.1.2.3",
            "fd00::/8\nfdff::1",
            "::ffff:10.0.0.0/104\n10.0.0.1",
            "0.0.0.0/0\n::1",
            "::/129",
        ]),
        "credential" => texts(&["digest\napp:secret", "a:b:c", "digest\n:x", "x509\nCN=app"]),
        "invitation" => vec![invitation().into_bytes()],
        "profile" => texts(&[PROFILE]),
        "server_config" => texts(&[SERVER_CONFIG]),
        "component" => vec![fs::read(root().join("plugins/dist/lock.wasm"))?],
        _ => Vec::new(),
    })
}

/// The bytes that the native formats promise, of one kind.
fn golden(kind: &str) -> io::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root().join("crates/wire/testdata/v2"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(kind) {
            all.push(from_hex(&fs::read_to_string(entry.path())?)?);
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// A stream of some frames under each limit, in whole and in pieces.
fn frames(payloads: &[Vec<u8>], length: fn(u32) -> [u8; 4]) -> Vec<Vec<u8>> {
    let stream = payloads.iter().take(8).flat_map(|payload| {
        let header = length(payload.len() as u32);
        [header.as_slice(), payload].concat()
    });
    let stream: Vec<u8> = stream.collect();
    let cuts = [[0, 255], [1, 0], [2, 6], [3, 255]];
    cuts.map(|cut| [&cut, stream.as_slice()].concat()).into()
}

/// The relays, and one message of the broadcast, as frames.
fn peer_messages() -> io::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for relay in golden("relay-")? {
        let mut frame = ((relay.len() + 1) as u32).to_le_bytes().to_vec();
        frame.push(1);
        frame.extend(relay);
        all.push(frame);
    }
    // Every kind of the broadcast's messages, of small numbers: whichever of them decode.
    all.extend((0..24).map(|kind| {
        let mut payload = vec![0, kind];
        payload.extend([1; 30]);
        [(payload.len() as u32).to_le_bytes().to_vec(), payload].concat()
    }));
    Ok(all)
}

/// A tree that has taken every kind of transaction.
fn tree() -> io::Result<Tree> {
    let mut tree = Tree::default();
    for (bytes, counter) in golden("txn-")?.iter().zip(1..) {
        if let Ok(txn) = decode_txn(bytes) {
            tree.apply(Zxid::new(1, counter), &txn);
        }
    }
    Ok(tree)
}

/// That tree's records and their keys.
fn records() -> io::Result<Vec<Vec<u8>>> {
    let (records, _) = tree()?.records_after(None, usize::MAX);
    let both = records.into_iter().map(|(key, record)| {
        let record = zareba_wire::encode_record(&record);
        [zareba_wire::encode_record(&key), record]
    });
    Ok(both.flatten().flatten().map(Vec::from).collect())
}

/// A script with every kind of value, and the values.
fn jute() -> Vec<u8> {
    let mut out = Vec::new();
    put_piece(&[0, 1, 2, 0x33, 0x24, 0x35, 0x36], &mut out);
    out.extend(7_i32.to_be_bytes());
    out.extend(8_i64.to_be_bytes());
    out.push(1);
    out.extend(b"\0\0\0\x02ab\0\0\0\x01/");
    out.extend(b"\0\0\0\x02\0\0\0\x07\xff\xff\xff\xff");
    out.extend(b"\0\0\0\x02\xff\xff\xff\xff\0\0\0\x01x");
    out
}

fn invitation() -> String {
    let hash = "5a".repeat(32);
    format!("zareba1.{hash}.{hash}.a.example.org:7400,[::1]:7400")
}

const PROFILE: &str =
    "endpoints = [\"127.0.0.1:7181\", \"b:7182\"]\nca = \"ca.pem\"\nserver_name = \"x\"\n";

const SERVER_CONFIG: &str = r#"
id = 1
data_dir = "data"
client_listen = "127.0.0.1:7400"
peer_listen = "127.0.0.1:7401"
certificate = "server.pem"
key = "/etc/zareba/server.key"
ca = "ca.pem"
names = ["a.example.org"]
superusers = ["x509:CN=admin", "digest:op:aGFzaA=="]
audit_log = "audit.jsonl"
weight = 2
[[peers]]
id = 2
address = "b.example.org:7401"
role = "observer"
[timing]
heartbeat_ms = 100
silence_max_ms = 900
[limits]
connections_max = 5
sessions_per_identity_max = 9
"#;
