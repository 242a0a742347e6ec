//! The replicated state: one apply, one digest, one snapshot.
