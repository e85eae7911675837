//! Prints the figures the project promises, measured on this machine.

fn main() {}
