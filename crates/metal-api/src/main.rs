//! Starts the control plane.

fn main() {}
