//! Volumes as alternatives of requirements (S-102..S-109).

use crate::base::hash::FastMap;
use crate::explain::reason::{Code, Reason};
use crate::model::cluster::Snapshot;
use crate::model::label::HOSTNAME;
use crate::model::pod::Pod;
use crate::model::requirement::Requirements;
use crate::model::resources::Name;
use crate::model::volume::{
    ClaimPhase, PersistentVolume, PersistentVolumeClaim, PodVolume, StorageClass,
};

/// Volumes of a snapshot by name.
#[derive(Debug)]
pub struct Volumes<'a> {
    claims: FastMap<(&'a str, &'a str), &'a PersistentVolumeClaim>,
    volumes: FastMap<&'a str, &'a PersistentVolume>,
    classes: FastMap<&'a str, &'a StorageClass>,
}

/// How many alternatives one pod may have; the cross product of many multi-zone volumes is cut there.
const MAX_ALTERNATIVES: usize = 256;

impl<'a> Volumes<'a> {
    /// Indexes the volumes of `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            claims: snapshot
                .volume_claims
                .iter()
                .map(|c| ((c.namespace.as_ref(), c.name.as_ref()), c))
                .collect(),
            volumes: snapshot
                .volumes
                .iter()
                .map(|v| (v.name.as_ref(), v))
                .collect(),
            classes: snapshot
                .storage_classes
                .iter()
                .map(|c| (c.name.as_ref(), c))
                .collect(),
        }
    }

    /// The name of the claim behind a pod's volume (S-103).
    #[must_use]
    pub fn claim_name(pod: &Pod, volume: &PodVolume) -> Name {
        match volume {
            PodVolume::Claim(name) => Name::clone(name),
            PodVolume::Ephemeral(name) => Name::from(format!("{}-{name}", pod.name)),
        }
    }

    /// The CSI driver that attaches a claim (S-108): its volume's, or its class's provisioner while it is unbound; `None`
    /// where nothing counts it.
    #[must_use]
    pub fn driver(&self, namespace: &str, claim: &str) -> Option<Name> {
        let claim = self.claims.get(&(namespace, claim))?;
        match &claim.volume_name {
            Some(volume) => self.volumes.get(volume.as_ref())?.driver.clone(),
            None => {
                let class = self.classes.get(claim.storage_class_name.as_deref()?)?;
                Some(Name::clone(&class.provisioner))
            }
        }
    }

    /// What the volumes of `pod` ask of a node: any of the returned alternatives may hold. Without volumes that
    /// constrain, one alternative without requirements. All volumes' alternatives are combined (W-34).
    ///
    /// # Errors
    /// Why a volume can never be mounted (S-109).
    pub fn alternatives(&self, pod: &Pod) -> Result<Vec<Requirements>, Reason> {
        let mut combined = vec![Requirements::new()];
        for volume in &pod.spec.volumes {
            let name = Self::claim_name(pod, volume);
            let own = self.of_claim(&pod.namespace, &name).map_err(|message| {
                Reason::new(
                    format!("PersistentVolumeClaim {}/{name}", pod.namespace),
                    Code::Volume,
                    message,
                )
            })?;
            if own.is_empty() {
                continue;
            }
            let mut next = Vec::new();
            for (held, asked) in combined
                .iter()
                .flat_map(|held| own.iter().map(move |asked| (held, asked)))
            {
                if held.intersects(asked).is_ok() && next.len() < MAX_ALTERNATIVES {
                    let mut joined = held.clone();
                    joined.add_all(asked);
                    next.push(joined);
                }
            }
            if next.is_empty() {
                let message = "its volumes are in places that exclude each other".to_owned();
                return Err(Reason::new(
                    format!("Pod {}", pod.key()),
                    Code::Volume,
                    message,
                ));
            }
            combined = next;
        }
        Ok(combined)
    }

    /// The alternatives of one claim; empty when it does not constrain.
    fn of_claim(&self, namespace: &str, name: &str) -> Result<Vec<Requirements>, String> {
        let claim = self
            .claims
            .get(&(namespace, name))
            .ok_or("the claim does not exist")?;
        if claim.deleting {
            return Err("the claim is being deleted".to_owned());
        }
        if claim.phase == ClaimPhase::Lost {
            return Err("the claim has lost its volume".to_owned());
        }
        if let Some(volume) = &claim.volume_name {
            return self.of_volume(claim, volume);
        }
        let class = claim
            .storage_class_name
            .as_deref()
            .filter(|name| !name.is_empty());
        let class = class.ok_or("the claim is not bound and names no storage class")?;
        let class = self
            .classes
            .get(class)
            .ok_or_else(|| format!("its storage class {class} does not exist"))?;
        if !class.wait_for_first_consumer {
            return Err(format!(
                "its storage class {} binds immediately, yet the claim is not bound",
                class.name
            ));
        }
        Ok(class
            .allowed_topologies
            .iter()
            .filter(|t| !t.is_empty())
            .map(Requirements::from_specs)
            .collect())
    }

    fn of_volume(
        &self,
        claim: &PersistentVolumeClaim,
        volume: &str,
    ) -> Result<Vec<Requirements>, String> {
        if claim
            .annotations
            .get("pv.kubernetes.io/bind-completed")
            .is_none()
        {
            return Err(format!(
                "the claim names volume {volume} but is not bound to it yet"
            ));
        }
        let volume = self
            .volumes
            .get(volume)
            .ok_or_else(|| format!("its volume {volume} does not exist"))?;
        if volume.deleting {
            return Err(format!("its volume {} is being deleted", volume.name));
        }
        let Some(terms) = &volume.node_affinity else {
            return Ok(Vec::new());
        };
        let mut alternatives = Vec::new();
        for term in terms {
            let mut asked = Requirements::from_specs(&term.match_expressions);
            if volume.host_bound {
                asked.remove(HOSTNAME);
            }
            if asked.is_empty() {
                if volume.host_bound {
                    return Ok(Vec::new());
                }
                continue;
            }
            alternatives.push(asked);
        }
        Ok(alternatives)
    }
}
