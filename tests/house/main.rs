//! The command, the documents, the floors of the crate, and the fuzz targets over their corpora.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;
mod documents;
mod fuzz_corpora;
mod layering;
mod sweep;
