//! Tests of the whole tree: against a naive reference model, and by replay over fuzzy images.

mod fuzzy;
mod log;
mod model;
mod reads;
