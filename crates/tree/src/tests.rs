//! Tests of the whole tree: a naive reference model, and replay over fuzzy images.
