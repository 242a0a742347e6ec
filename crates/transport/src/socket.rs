//! UDP sockets' buffers. Must never know what travels in them.

use std::io;
use std::net::UdpSocket;

use quinn::udp::UdpSocketState;

/// Asks for [`BUFFER_BYTES`] in both directions: the usual default holds fewer than a hundred
/// packets, and a burst beyond it is lost. The kernel silently grants less if its limits say so.
pub fn enlarge_buffers(socket: &UdpSocket) -> io::Result<()> {
    let state = UdpSocketState::new(socket.into())?;
    state.set_recv_buffer_size(socket.into(), BUFFER_BYTES)?;
    state.set_send_buffer_size(socket.into(), BUFFER_BYTES)
}

/// What a socket should hold in each direction.
pub const BUFFER_BYTES: usize = 4 << 20;
