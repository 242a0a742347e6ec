//! Criterion and ensemble benchmarks.
