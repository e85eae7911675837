//! The command line of the bare-metal cloud.

fn main() {}
