//! ZooKeeper's bytes: a pure codec of the jute protocol.
