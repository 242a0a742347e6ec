//! One file per verb; here is only which one.

mod bench;
mod data;
mod dev;
mod ensemble;
mod lock;
pub(crate) mod log;
mod plugin;
mod server;
mod status;
mod watch;

use std::process::ExitCode;

use crate::args::{Args, Command};

/// Runs what the command line says.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (format, ensemble) = (args.output, &args.ensemble);
    match args.command {
        Command::Dev(dev) => dev::run(dev, format).await?,
        Command::Server(server) => server::run(server, format).await?,
        Command::Create(create) => data::create(create, ensemble, format).await?,
        Command::Get(get) => data::get(get, ensemble, format).await?,
        Command::Set(set) => data::set(set, ensemble, format).await?,
        Command::Delete(delete) => data::delete(delete, ensemble, format).await?,
        Command::Ls(ls) => data::ls(ls, ensemble, format).await?,
        Command::Stat { path } => data::stat(path, ensemble, format).await?,
        Command::Watch(watch) => watch::run(watch, ensemble, format).await?,
        Command::Status => return status::run(ensemble, format).await,
        Command::Ensemble(command) => return ensemble::run(command, ensemble, format).await,
        Command::Plugin(plugin) => plugin::run(plugin, ensemble, format).await?,
        Command::Call(call) => plugin::call(call, ensemble, format).await?,
        Command::Lock(lock) => return lock::run(lock, ensemble).await,
        Command::Log(log) => return log::run(&log, format),
        Command::Bench(bench) => bench::run(bench, ensemble, format).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns when the process is asked to end.
async fn interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
