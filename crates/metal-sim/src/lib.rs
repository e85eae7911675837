//! Simulated machines, switches and BMCs that speak the real agents' API, with faults from a seed.
