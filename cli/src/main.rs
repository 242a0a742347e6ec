//! The one binary, `zareba`: runs servers, asks them, and measures them. Knows no protocol.

mod args;
mod clock;
mod command;
mod exit;
mod output;
mod profile;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::args::Args;

/// Requests come and go on several threads, which the system's allocator pays for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::anyhow!("cannot start: {error}"), args.output),
    };
    let format = args.output;
    let result = runtime.block_on(command::run(args));
    // Background work of a library must not keep a finished command from ending.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => exit::report(&error, format),
    }
}
