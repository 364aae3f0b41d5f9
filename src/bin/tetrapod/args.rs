//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::options::Effort;
use tetrapod::model::quantity::Quantity;
use tetrapod::shapes::Shape;
use tetrapod::sim::sweep::Shard;

/// Node autoscaling decided, verified and explained: Karpenter on SageMaker HyperPod as a pure function.
#[derive(Debug, Parser)]
#[command(name = "tetrapod", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Plan the pending pods: which existing nodes take them, what to buy, and why the rest stays pending
    Plan(PlanArgs),
    /// Say why: the reason tree of one object, nearest miss first
    Explain(ExplainArgs),
    /// Judge a plan (anyone's) by the independent checker; exit 1 when it is invalid
    Check(CheckArgs),
    /// Decide which nodes go, what replaces them, where their pods move, and why the other nodes stay
    Consolidate(ConsolidateArgs),
    /// Check HyperPod's prerequisites: autoscaling mode, role, quotas, groups, node classes, pools; exit 1 on a fault
    Preflight(PreflightArgs),
    /// Say what KEDA and the HPA would set, and why
    Scale(ScaleArgs),
    /// Run pods and nodes in virtual time over a load: what it costs, who waits, and why
    Simulate(SimulateArgs),
    /// Prepare sweeps for other machines
    Sweep(SweepArgs),
    /// Tell of simulated runs in one HTML page that needs nothing but itself
    Report(ReportArgs),
    /// Write a scenario of a known shape
    Generate(GenerateArgs),
    /// Rehearse provisioning against a fake HyperPod through seeded schedules of faults; exit 1 at the first that fails
    Rehearse(RehearseArgs),
}

/// What is read, and how.
#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// Files, folders (read recursively: .json, .yaml, .yml and their .gz) or `-` for standard input; together they are
    /// one snapshot
    #[arg(value_name = "INPUT", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// Time of the decision; else that of the Options document, else the newest time in the input
    #[arg(long, value_name = "RFC3339")]
    pub(crate) now: Option<Timestamp>,
    /// Leave out objects that cannot be read, after listing them, instead of refusing the input
    #[arg(long)]
    pub(crate) skip_invalid: bool,
    /// Print the result and faults only
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs; stable and documented
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Form of the result
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Work budget, a deterministic amount of work and not a time: fast, balanced or thorough
    #[arg(long, value_parser = effort)]
    pub(crate) effort: Option<Effort>,
    /// Print one JSON object with times and memory to standard error
    #[arg(long)]
    pub(crate) timings: bool,
}

fn effort(text: &str) -> Result<Effort, String> {
    match text {
        "fast" => Ok(Effort::Fast),
        "balanced" => Ok(Effort::Balanced),
        "thorough" => Ok(Effort::Thorough),
        _ => Err("expected fast, balanced or thorough".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// List every workload and every reason in the text, not the first few
    #[arg(long)]
    pub(crate) all: bool,
    /// Show the BatchAddClusterNodes requests in the text
    #[arg(long)]
    pub(crate) show_requests: bool,
    /// Add to the JSON an order in which the pods can be bound (bindingOrder)
    #[arg(long)]
    pub(crate) binding_order: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// Why this pod goes where it goes, or nowhere
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(crate) pod: Option<String>,
    /// Why this node takes pods or does not
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// What this pool buys, or why nothing
    #[arg(long, value_name = "NAME")]
    pub(crate) node_pool: Option<String>,
    /// What this instance group is scaled to, or why it is not
    #[arg(long, value_name = "NAME")]
    pub(crate) instance_group: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// The plan or the disruption commands to judge, in the format that `plan` or `consolidate` prints with `--output json`
    #[arg(long, value_name = "PLAN.json")]
    pub(crate) plan: PathBuf,
    /// Judge each disruption command by itself: the commands of Karpenter's methods are alternatives
    #[arg(long)]
    pub(crate) each: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConsolidateArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Who decides: economic (the whole cluster at once), karpenter (v1.13, one command per method) or karpenter-head
    #[arg(long, default_value = "economic", value_name = "POLICY")]
    pub(crate) policy: String,
    /// Carry the commands out on the snapshot and decide again, until there is none
    #[arg(long)]
    pub(crate) converge: bool,
    /// Print one JSON object with times to standard error
    #[arg(long)]
    pub(crate) timings: bool,
    /// List every node and every pod in the text, not the first few
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PreflightArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// The IAM policy of the cluster's autoscaling role, to check its actions
    #[arg(long, value_name = "POLICY.json")]
    pub(crate) role_policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// The JSON result of an earlier run, whose states the autoscalers go on from: without it they start as after a
    /// restart of their controllers
    #[arg(long, value_name = "RESULT.json")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Files and folders of one cluster with one Simulation document, or `-`; traces are looked for beside that document.
    /// With --sweep they take the place of the sweep's inputs
    #[arg(value_name = "INPUT", required_unless_present_any = ["resume", "sweep"])]
    pub(crate) inputs: Vec<PathBuf>,
    /// Seed of everything that is random
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Run the grid of policies, traces and seeds of this Sweep document, on all cores
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "policy", "seed", "events", "series", "save"])]
    pub(crate) sweep: Option<PathBuf>,
    /// Run only slice I of N of the sweep (I from 0) and write it as JSON, for `tetrapod report merge`
    #[arg(
        long,
        value_name = "I/N",
        requires = "sweep",
        conflicts_with = "report"
    )]
    pub(crate) shard: Option<Shard>,
    /// Threads of a sweep instead of one for each core; the result does not depend on it
    #[arg(long, value_name = "N", requires = "sweep", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Only this policy of the Simulation; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Vec<String>,
    /// Keep the books of pods, nodes, requests and money at every event, and stop where they do not balance
    #[arg(long)]
    pub(crate) check: bool,
    /// Write the listed events
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) events: Option<PathBuf>,
    /// Write the series, one row per figure and moment
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) series: Option<PathBuf>,
    /// Write a page with charts, which needs nothing but itself
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write the JSON result into this file as well
    #[arg(long, value_name = "FILE.json")]
    pub(crate) result: Option<PathBuf>,
    /// Store the whole run in this file, at --save-at or at the end; of several policies the last one's stays
    #[arg(long, value_name = "FILE.json")]
    pub(crate) save: Option<PathBuf>,
    /// When to store it, since the start, such as 6h
    #[arg(long, value_name = "SPAN", requires = "save", value_parser = crate::commands::simulate::span)]
    pub(crate) save_at: Option<Span>,
    /// Go on from a stored run
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["inputs", "policy", "seed", "check"])]
    pub(crate) resume: Option<PathBuf>,
    /// Leave out objects that cannot be read, after listing them, instead of refusing the input
    #[arg(long)]
    pub(crate) skip_invalid: bool,
    /// Print the result and faults only
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// diverse, preferences, ignore-preferences, identical, gpu, packed or estimator
    pub(crate) shape: Shape,
    /// Pending pods
    #[arg(long, value_name = "N")]
    pub(crate) pods: Option<usize>,
    /// Existing nodes (packed only)
    #[arg(long, value_name = "M", default_value_t = 100)]
    pub(crate) nodes: usize,
    /// Seed of every random choice
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// File to write instead of standard output; a name that ends in .gz is compressed
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    /// How many schedules
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) runs: u64,
    /// Seed of the first; the others follow
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Stop and resume the machine at random points
    #[arg(long)]
    pub(crate) crash: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ReportCommand>,
    /// What `simulate` printed with `--output json`, once or several times
    #[arg(value_name = "RESULT.json", required = true)]
    pub(crate) results: Vec<PathBuf>,
    /// File to write instead of standard output
    #[arg(long, short = 'o', value_name = "FILE.html")]
    pub(crate) output_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// Join the slices of a sweep: the same table, JSON and page as of a sweep that was run at once
    Merge(MergeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// What `simulate --sweep FILE --shard I/N` wrote, of all shards
    #[arg(value_name = "SHARD.json", required = true)]
    pub(crate) shards: Vec<PathBuf>,
    /// Write a page with tables and cost against SLO attainment, which needs nothing but itself
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write the JSON result into this file as well
    #[arg(long, value_name = "FILE.json")]
    pub(crate) result: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    pub(crate) command: SweepCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SweepCommand {
    /// Write a Kubernetes Indexed Job that runs a sweep, a shard in each pod
    Manifest(ManifestArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// The Sweep document
    #[arg(value_name = "FILE")]
    pub(crate) sweep: PathBuf,
    /// Image that has the command `tetrapod`
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: String,
    /// How many shards, which are pods of the Job
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) shards: u32,
    /// Pods at a time; all when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) parallelism: Option<u32>,
    /// CPUs of a pod, which are its threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) cpus: u16,
    /// Memory of a pod
    #[arg(long, value_name = "QUANTITY", default_value = "2Gi")]
    pub(crate) memory: Quantity,
    /// Namespace of the objects
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// PersistentVolumeClaim that pods write their slices to; without one they print them
    #[arg(long, value_name = "NAME")]
    pub(crate) results_claim: Option<String>,
    /// PersistentVolumeClaim that has the sweep's folder at its root; without one the files are put into a ConfigMap
    #[arg(long, value_name = "NAME")]
    pub(crate) input_claim: Option<String>,
}
