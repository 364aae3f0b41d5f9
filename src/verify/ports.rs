//! Host ports (S-110).

use crate::model::pod::HostPort;
use crate::model::resources::Name;

use super::view::{Cluster, PodIx};

/// Ports taken on one node, with who holds each.
#[derive(Debug, Default)]
pub(super) struct PortTable {
    held: Vec<(HostPort, Name)>,
}

impl PortTable {
    /// Takes `ports` for `holder` without a test.
    pub(super) fn hold(&mut self, ports: &[HostPort], holder: &Name) {
        self.held
            .extend(ports.iter().map(|port| (port.clone(), Name::clone(holder))));
    }

    /// Takes the ports of `pod` and says which of them clash with whose.
    pub(super) fn place(&mut self, cluster: &Cluster<'_>, pod: PodIx) -> Vec<String> {
        let view = &cluster.pods[pod];
        let ports = view.pod.spec.host_ports();
        let clashes = ports.iter().filter_map(|port| {
            let (_, holder) = self.held.iter().find(|(held, _)| held.clashes_with(port))?;
            Some(format!("host port {} is held by {holder}", port.port))
        });
        let clashes = clashes.collect();
        self.hold(&ports, &view.key);
        clashes
    }
}
