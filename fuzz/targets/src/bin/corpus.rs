//! A target's inputs, from the repository to a fuzzer's folder and back: `unpack TARGET FOLDER` writes
//! every seed and the committed corpus as files, `pack TARGET FOLDER` makes a folder's files the
//! committed corpus, the smallest first, as many as fit. Must never run an input.

use std::io::{Error, Result};
use std::path::Path;
use std::{env, fs};

use zareba_fuzz_targets::seeds;

/// Most bytes of inputs that are kept for one target.
const KEPT_BYTES_MAX: usize = 12 << 10;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts.as_slice() {
        ["unpack", target, folder] => unpack(target, Path::new(folder)),
        ["pack", target, folder] => pack(target, Path::new(folder)),
        _ => Err(Error::other("usage: corpus unpack|pack TARGET FOLDER")),
    }
}

fn unpack(target: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (number, input) in seeds::of(target)?.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:04}")), input)?;
    }
    Ok(())
}

fn pack(target: &str, folder: &Path) -> Result<()> {
    let mut inputs = Vec::new();
    for file in fs::read_dir(folder)? {
        inputs.push(fs::read(file?.path())?);
    }
    let made = seeds::made(target)?;
    inputs.retain(|input| !input.is_empty() && !made.contains(input));
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let mut left = KEPT_BYTES_MAX;
    let kept = inputs.iter().take_while(|input| {
        let fits = input.len() <= left;
        left = left.saturating_sub(input.len());
        fits
    });
    fs::write(seeds::corpus_file(target), seeds::to_lines(kept))
}
