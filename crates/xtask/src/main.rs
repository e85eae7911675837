//! Repository chores: layer check, licence check, test driver.

fn main() {}
