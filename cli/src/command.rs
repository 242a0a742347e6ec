//! One file per verb; here is only which one.

mod acl;
mod authoring;
mod bench;
mod call;
mod changes;
mod data;
mod dev;
mod du;
mod ensemble;
mod export;
mod import;
mod lines;
mod list;
mod lock;
pub(crate) mod log;
mod manual;
mod multi;
mod plugin;
mod quota;
mod records;
mod removal;
mod server;
mod session;
mod shell;
mod status;
mod steps;
mod tree;
mod walk;
mod watch;

use crate::args::{Args, Asking, Command, Data};
use crate::console::Console;
use crate::exit::{self, FOR_NODES, FOR_QUOTAS, FOR_SESSIONS};

/// Runs what the command line says, and returns the exit code.
pub(crate) async fn run(args: Args) -> anyhow::Result<u8> {
    let console = Console::new(args.output, args.ensemble);
    let (ensemble, format) = (&console.ensemble, console.format);
    match args.command {
        Command::Dev(dev) => dev::run(dev, format).await?,
        Command::Server(server) => server::run(server, format).await?,
        Command::Asking(asking) => return ask(asking, &console).await,
        Command::Shell(shell) => return shell::run(shell, console).await,
        Command::Lock(lock) => return lock::run(lock, &console).await,
        Command::Log(log) => return log::run(&log, format),
        Command::Bench(bench) => bench::run(bench, ensemble, format).await?,
        Command::Completions { shell } => manual::completions(shell)?,
        Command::Man { folder } => manual::pages(&folder)?,
    }
    Ok(0)
}

/// Runs what can be asked on the command line and in the shell.
async fn ask(asking: Asking, console: &Console) -> anyhow::Result<u8> {
    match asking {
        Asking::Data(data) => {
            let done = data_command(data, console).await;
            done.map_err(|error| exit::advise(error, FOR_NODES))?;
        }
        Asking::Acl(command) => {
            let done = acl::run(command, console).await;
            done.map_err(|error| exit::advise(error, FOR_NODES))?;
        }
        Asking::Quota(command) => {
            let done = quota::run(command, console).await;
            done.map_err(|error| exit::advise(error, FOR_QUOTAS))?;
        }
        Asking::Session(command) => {
            let done = session::run(command, console).await;
            done.map_err(|error| exit::advise(error, FOR_SESSIONS))?;
        }
        Asking::Whoami => session::whoami(console).await?,
        Asking::Status => return status::run(&console.ensemble, console.format).await,
        Asking::Ensemble(command) => return ensemble::run(command, console).await,
        Asking::Plugin(plugin) => return plugin::run(plugin, console).await,
        Asking::Call(call) => call::run(call, console).await?,
    }
    Ok(0)
}

async fn data_command(data: Data, console: &Console) -> anyhow::Result<()> {
    match data {
        Data::Create(create) => data::create(create, console).await,
        Data::Get(get) => data::get(get, console).await,
        Data::Set(set) => data::set(set, console).await,
        Data::Delete(delete) if delete.recursive => removal::run(&delete.path, console).await,
        Data::Delete(delete) => data::delete(delete, console).await,
        Data::Ls(ls) => list::ls(ls, console).await,
        Data::Stat { path, fresh } => data::stat(path, fresh, console).await,
        Data::Count(count) => list::count(count, console).await,
        Data::Ephemerals(listed) => list::ephemerals(listed, console).await,
        Data::Check { path, version } => data::check(path, version, console).await,
        Data::Sync => data::sync(console).await,
        Data::Multi { file } => multi::run(file.as_deref(), console).await,
        Data::Watch(watch) => watch::run(watch, console).await,
        Data::Tree(tree) => tree::run(tree, console).await,
        Data::Du(du) => du::run(du, console).await,
        Data::Export(export) => export::run(export, console).await,
        Data::Import(import) => import::run(import, console).await,
    }
}

/// Returns when the process is asked to end.
pub(crate) async fn interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
