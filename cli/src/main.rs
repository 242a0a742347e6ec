//! The one binary, `zareba`.

fn main() {}
