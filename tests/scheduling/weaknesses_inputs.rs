//! What comes into a decision besides pods and pools: volumes with attach limits, nodes in every state, overlays,
//! buffers, static pools, gangs, caps. Each test builds a small cluster of manifests and states the plan it must give.

mod notation;

mod caps;
mod existing;
mod gangs;
mod scale;
mod volumes;
