//! The hands of the loop: carries out what the replica asks of the world, in order. Must never
//! decide anything, nor wait for anything.

use crossbeam_channel::Sender;
use tokio::sync::watch;
use zareba_model::{Ensemble, ZnodePath};
use zareba_replica::{ImageWrite, Output};
use zareba_zab::Role;

use crate::audit::Audit;
use crate::clients::Clients;
use crate::disk::{InstallMeeting, LogOrder, LogReading};
use crate::error::ServerError;
use crate::image::{FlipMeeting, ImageOrder};
use crate::peers::Peers;
use crate::plugins::CompileOrder;
use crate::queue;

/// Where every kind of output goes.
pub(crate) struct Shell {
    pub(crate) clients: Clients,
    pub(crate) peers: Peers,
    /// Neither disk queue has a bound of its own: the replica bounds the transactions under way,
    /// and hands out one image write at a time.
    pub(crate) log: queue::Sender<LogOrder>,
    pub(crate) image: Sender<ImageOrder>,
    pub(crate) compiler: Sender<CompileOrder>,
    pub(crate) role: watch::Sender<Role>,
    /// Recovery found damage that no leader has refilled yet.
    pub(crate) damaged: bool,
    /// The configuration was compared with the ensemble that was recovered.
    pub(crate) compared: bool,
    pub(crate) audit: Option<Audit>,
    /// Set once this server is no member any more: the loop ends with it.
    pub(crate) removed: Option<ServerError>,
}

impl Shell {
    /// Carries out everything, then hands each client what it is told, all at once. A thread that
    /// has ended takes no orders; it has said why, and the server is about to stop.
    pub(crate) fn carry_out(&mut self, outputs: &mut Vec<Output>) {
        for output in outputs.drain(..) {
            match output {
                Output::Send {
                    connection,
                    message,
                } => self.clients.send(connection, message),
                Output::Close { connection } => self.clients.close(connection),
                Output::SendZab { to, message } => self.peers.send_zab(&to, message),
                Output::SendRelay { to, relay } => self.peers.send_relay(to, relay),
                Output::Persist { token, write } => self.order(LogOrder::Persist { token, write }),
                Output::Image(write) => self.write_image(write),
                Output::ReadLog {
                    to,
                    after,
                    upto,
                    bytes_max,
                    worth_max,
                } => self.order(LogOrder::Read(LogReading {
                    to,
                    after,
                    upto,
                    bytes_max,
                    worth_max,
                })),
                Output::Compile { sha256, pieces } => {
                    drop(self.compiler.send(CompileOrder { sha256, pieces }));
                }
                Output::Role(role) => self.change_role(role),
                Output::Ensemble(ensemble) => self.follow_ensemble(&ensemble),
                Output::Removed { version } => {
                    self.removed = Some(ServerError::Removed { version });
                }
                Output::PluginLog {
                    mount,
                    level,
                    message,
                } => log_for_plugin(&mount, level, &message),
                Output::Audit(record) => {
                    if let Some(audit) = &mut self.audit {
                        audit.write(record);
                    }
                }
                Output::QuotaPassed { path, quota, usage } => tracing::warn!(
                    %path,
                    nodes = usage.nodes,
                    nodes_soft = quota.nodes_soft,
                    bytes = usage.bytes,
                    bytes_soft = quota.bytes_soft,
                    "a subtree holds more than the soft limit of its quota"
                ),
            }
        }
        self.clients.flush();
    }

    /// The first one is what this server has recovered.
    fn follow_ensemble(&mut self, ensemble: &Ensemble) {
        if !std::mem::replace(&mut self.compared, true) {
            self.peers.compare(ensemble);
        }
        self.peers.follow(ensemble);
    }

    fn order(&self, order: LogOrder) {
        drop(self.log.send(order));
    }

    /// The end of an install goes into both queues; everything else is the image's alone.
    fn write_image(&self, write: ImageWrite) {
        let ImageWrite::FinishInstall { base, end } = write else {
            drop(self.image.send(ImageOrder::Write(write)));
            return;
        };
        let (void_up_to, void_up_to_out) = crossbeam_channel::bounded(1);
        let (flipped, flipped_out) = crossbeam_channel::bounded(1);
        self.order(LogOrder::Install {
            base,
            meeting: InstallMeeting {
                void_up_to,
                flipped: flipped_out,
            },
        });
        let meeting = FlipMeeting {
            void_up_to: void_up_to_out,
            flipped,
        };
        let flip = ImageOrder::Flip { base, end, meeting };
        drop(self.image.send(flip));
    }

    fn change_role(&mut self, role: Role) {
        match role {
            Role::Looking => tracing::info!("looking for a leader"),
            Role::Following { leader, epoch } => {
                tracing::info!(%leader, %epoch, "following");
                if self.damaged {
                    // Its whole history has come from an established leader and is durable here.
                    self.damaged = false;
                    self.order(LogOrder::ClearDamage);
                }
            }
            Role::Leading { epoch } => tracing::info!(%epoch, "leading"),
        }
        self.role.send_replace(role);
    }
}

/// Levels are those of the plugin contract: 1 error, 2 warning, 3 information, 4 debugging.
fn log_for_plugin(mount: &ZnodePath, level: u8, message: &str) {
    match level {
        1 => tracing::error!(target: "plugin", %mount, "{message}"),
        2 => tracing::warn!(target: "plugin", %mount, "{message}"),
        3 => tracing::info!(target: "plugin", %mount, "{message}"),
        _ => tracing::debug!(target: "plugin", %mount, "{message}"),
    }
}
