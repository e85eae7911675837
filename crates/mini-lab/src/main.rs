//! The data centre on a laptop: control plane plus simulated or virtual machines.

fn main() {}
