//! What a command asks for at each stage.

use super::{Action, Key, Name, Presence, Run, Source, Stage, offerings};

impl Run {
    /// What is to be done now, as far as it is not known to be done.
    pub(in crate::disruption::queue) fn wanted(&self) -> Vec<(Key, Action)> {
        let mut wanted = Vec::new();
        let sources = self
            .command
            .candidates
            .iter()
            .zip(&self.sources)
            .enumerate();
        match &self.stage {
            Stage::Pending => {}
            Stage::Marking => {
                for (at, (candidate, _)) in sources.filter(|(_, (_, s))| !s.tainted.value) {
                    let action = Action::Taint {
                        node: Name::clone(&candidate.node),
                        node_claim: Name::clone(&candidate.node_claim),
                        reason: self.command.reason,
                    };
                    wanted.push((Key::Taint(at), action));
                }
            }
            Stage::Launching => wanted.extend(self.wanted_launches()),
            Stage::Draining(wave) => {
                let pods = self.waves.get(*wave).into_iter().flatten().enumerate();
                for (pod, leaver) in pods.filter(|(_, leaver)| !leaver.gone) {
                    let action = Action::Evict {
                        pod: Name::clone(&leaver.pod),
                        uid: Name::clone(&leaver.uid),
                        node: Name::clone(&leaver.node),
                    };
                    wanted.push((Key::Evict { wave: *wave, pod }, action));
                }
            }
            Stage::Deleting => {
                let here = |s: &Source| s.presence.value == Presence::Here;
                for (at, (candidate, _)) in sources.filter(|(_, (_, s))| here(s)) {
                    let node_claim = Name::clone(&candidate.node_claim);
                    wanted.push((Key::Delete(at), Action::Delete { node_claim }));
                }
            }
            Stage::RollingBack(_) => {
                for (at, (candidate, source)) in sources {
                    let clean = !source.tainted.value && source.tainted.since(self.entered);
                    if !clean && source.presence.value == Presence::Here {
                        let action = Action::Untaint {
                            node: Name::clone(&candidate.node),
                            node_claim: Name::clone(&candidate.node_claim),
                        };
                        wanted.push((Key::Untaint(at), action));
                    }
                }
                for (at, launch) in self.launches.iter().enumerate() {
                    let known = launch.presence.since(self.entered);
                    let here = launch.presence.value == Presence::Here;
                    if launch.sent && known && here && !self.is_kept(launch) {
                        let node_claim = Name::clone(&launch.name);
                        wanted.push((Key::Remove(at), Action::Delete { node_claim }));
                    }
                }
            }
        }
        wanted
    }

    fn wanted_launches(&self) -> impl Iterator<Item = (Key, Action)> {
        let planned = self.launches.iter().zip(&self.command.replacements);
        planned
            .enumerate()
            .filter_map(|(replacement, (launch, planned))| {
                let key = Key::Launch {
                    replacement,
                    attempt: launch.attempt,
                };
                let offering = offerings(planned).nth(launch.attempt)?;
                launch.confirmed.is_none().then(|| {
                    let action = Action::Launch {
                        node_claim: Name::clone(&launch.name),
                        planned: Box::new(planned.clone()),
                        offering: offering.clone(),
                    };
                    (key, action)
                })
            })
    }
}
