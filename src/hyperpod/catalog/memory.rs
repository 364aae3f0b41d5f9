//! Memory- and storage-optimised families: r and i.

use super::Arch::Amd64;
use super::{TypeFacts, UNKNOWN, row};

// Name, architecture, vCPUs, cores, memory in MiB, local NVMe in GB, pods, price in us-east-1.
#[rustfmt::skip]
pub(super) const TABLE: [TypeFacts; 26] = [
    row("ml.i3en.large", Amd64, 2, 1, 16384, 1250, 9, UNKNOWN),
    row("ml.i3en.xlarge", Amd64, 4, 2, 32768, 2500, 14, UNKNOWN),
    row("ml.i3en.2xlarge", Amd64, 8, 4, 65536, 5000, 14, UNKNOWN),
    row("ml.i3en.3xlarge", Amd64, 12, 6, 98304, 7500, 14, UNKNOWN),
    row("ml.i3en.6xlarge", Amd64, 24, 12, 196608, 15000, 29, UNKNOWN),
    row("ml.i3en.12xlarge", Amd64, 48, 24, 393216, 30000, 29, UNKNOWN).efa(1),
    row("ml.i3en.24xlarge", Amd64, 96, 48, 786432, 60000, 49, UNKNOWN).efa(1),
    row("ml.r5d.16xlarge", Amd64, 64, 32, 524288, 2400, 49, UNKNOWN),
    row("ml.r6i.large", Amd64, 2, 1, 16384, 0, 9, "0.1512"),
    row("ml.r6i.xlarge", Amd64, 4, 2, 32768, 0, 14, "0.3024"),
    row("ml.r6i.2xlarge", Amd64, 8, 4, 65536, 0, 14, "0.6048"),
    row("ml.r6i.4xlarge", Amd64, 16, 8, 131072, 0, 29, "1.2096"),
    row("ml.r6i.8xlarge", Amd64, 32, 16, 262144, 0, 29, "2.4192"),
    row("ml.r6i.12xlarge", Amd64, 48, 24, 393216, 0, 29, "3.6288"),
    row("ml.r6i.16xlarge", Amd64, 64, 32, 524288, 0, 49, "4.8384"),
    row("ml.r6i.24xlarge", Amd64, 96, 48, 786432, 0, 49, "7.2576"),
    row("ml.r6i.32xlarge", Amd64, 128, 64, 1048576, 0, 49, "9.6768").efa(1),
    row("ml.r7i.large", Amd64, 2, 1, 16384, 0, 9, "0.15876"),
    row("ml.r7i.xlarge", Amd64, 4, 2, 32768, 0, 14, "0.31752"),
    row("ml.r7i.2xlarge", Amd64, 8, 4, 65536, 0, 14, "0.63504"),
    row("ml.r7i.4xlarge", Amd64, 16, 8, 131072, 0, 29, "1.27008"),
    row("ml.r7i.8xlarge", Amd64, 32, 16, 262144, 0, 29, "2.54016"),
    row("ml.r7i.12xlarge", Amd64, 48, 24, 393216, 0, 29, "3.81024"),
    row("ml.r7i.16xlarge", Amd64, 64, 32, 524288, 0, 49, "5.08032"),
    row("ml.r7i.24xlarge", Amd64, 96, 48, 786432, 0, 49, "7.62048"),
    row("ml.r7i.48xlarge", Amd64, 192, 96, 1572864, 0, 49, "15.24096").efa(1),
];
