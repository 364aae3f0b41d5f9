//! `tetrapod generate`.

#![allow(
    clippy::disallowed_types,
    reason = "the command writes files; the library writes streams"
)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::GzEncoder;
use tetrapod::manifest::export;
use tetrapod::shapes::{Params, Shape, generate};

use crate::args::GenerateArgs;
use crate::output::Fatal;

/// Writes the scenario as a stream: no more than the snapshot is in memory.
pub(crate) fn run(args: &GenerateArgs) -> Result<ExitCode, Fatal> {
    let pods = args.pods.unwrap_or_else(|| args.shape.default_pods());
    let mut params = Params::new(pods, args.seed);
    if args.shape == Shape::Packed {
        params = params.with_nodes(args.nodes);
    }
    let snapshot = generate(args.shape, params);
    match &args.output_file {
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            export::write(&snapshot, &mut out)?;
            out.flush()?;
        }
        Some(path) => {
            let named = |error: io::Error| Fatal::Message(format!("{}: {error}", path.display()));
            let file = BufWriter::new(File::create(path).map_err(named)?);
            if is_gzip(path) {
                let mut out = GzEncoder::new(file, Compression::default());
                export::write(&snapshot, &mut out).map_err(named)?;
                out.finish()
                    .and_then(|mut file| file.flush())
                    .map_err(named)?;
            } else {
                let mut out = file;
                export::write(&snapshot, &mut out).map_err(named)?;
                out.flush().map_err(named)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}
