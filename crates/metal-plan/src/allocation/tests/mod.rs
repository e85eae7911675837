//! Allocation, release and reinstallation: each rule by table, whole lives as a story, and what must hold whatever
//! happens as properties.

mod life;
mod property;
mod refusal;
mod story;
mod wild;
pub(crate) mod world;
