//! The running member: doors, loop, disk thread, peers.
