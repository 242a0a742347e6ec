//! The request path, pure: what runs under the server and the simulator alike.

pub mod plugin;
