//! The peer mesh over QUIC: one mutual-TLS link per peer.
