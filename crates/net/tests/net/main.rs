//! The whole crate against a small server of its own, over real connections.

mod answers;
mod lanes;
mod life;
mod rig;
mod safety;
mod server;
