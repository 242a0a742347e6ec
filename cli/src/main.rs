//! The one binary, `zareba`: runs servers, asks them, and measures them. Knows no protocol.

mod acl;
mod args;
mod clock;
mod command;
mod console;
mod exit;
mod output;
mod profile;

use std::process::ExitCode;

use mimalloc::MiMalloc;

use crate::args::Args;

/// Requests come and go on several threads, which the system's allocator pays for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::read();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = anyhow::anyhow!("cannot start: {error}");
            return exit::report(&error, args.output).into();
        }
    };
    let format = args.output;
    let result = runtime.block_on(command::run(args));
    // Background work of a library must not keep a finished command from ending.
    runtime.shutdown_background();
    match result {
        Ok(code) => code.into(),
        Err(error) => exit::report(&error, format).into(),
    }
}
