//! The request path, pure: what runs under the server and the simulator alike.

pub mod config;
pub mod input;
pub mod output;
pub mod plugin;
pub use config::Config;
pub use input::{ConnectionId, Input, Now};
pub use output::{ImageWrite, Output};
