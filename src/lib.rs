//! Node autoscaling decided, verified and explained.

#![forbid(unsafe_code)]

pub mod base;
pub mod explain;
pub mod hyperpod;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod problem;
pub mod scheduler;
pub mod shapes;
pub mod solver;
pub mod verify;
pub mod view;
