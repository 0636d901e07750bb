//! The whole crate against a small server of its own, over real connections.

mod answers;
mod certificates;
mod https;
mod lanes;
mod life;
mod proxies;
mod redirects;
mod rig;
mod safety;
mod server;
