//! The fabric suite: everything the separation of tenants rests on, tried on the wire of one running lab.
//!
//! The lab is brought up once, in the foreground of a thread that never ends, and dies with the test process, however
//! that ends. Each test takes it whole, begins with no machine allocated, and leaves it so. It needs root; in the guest
//! with VRF devices the same tests run in the other layout.

mod failures;
mod filters;
mod harness;
mod lifecycle;
mod random;
mod separation;
mod surface;
