//! FRR's configuration, seen from outside: golden files, FRR's own opinion of them, and plans between any two.

mod fixture;
mod golden;
mod planning;
