//! The `tetrapod` command.

fn main() {}
