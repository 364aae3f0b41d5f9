//! What happens to the fake's nodes over time.

use super::{Act, BillLine, Fake, FakeNode, Instance, Market, Signal};
use crate::base::time::{Span, Timestamp};
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::provisioning::events::ClusterEvent;
use crate::provisioning::input::{Health, KubeChange, KubeEvent};

/// How long a group waits for its MinCount (H-34).
const MIN_COUNT_DEADLINE: Span = Span::from_secs(3 * 3600);

impl Fake {
    /// Lets time pass until `now`.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.agenda.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let (logical, epoch, act) = entry.remove();
            self.now = self.now.max(at);
            if act == Act::RollsBack {
                self.roll_back(&logical);
            } else if let Act::Tells(event) = act {
                self.signals.push_back(Signal::Event(*event));
            } else if self.nodes.get(&logical).is_some_and(|n| n.epoch == epoch) {
                self.act(&logical, epoch, act);
            }
        }
        self.now = self.now.max(now);
    }

    fn act(&mut self, logical: &Name, epoch: u32, act: Act) {
        match act {
            Act::Look => self.look(logical, epoch),
            Act::ScriptStarts => self.script_starts(logical, epoch),
            Act::ScriptEnds => self.script_ends(logical, epoch),
            Act::Joins => self.joins(logical, epoch),
            Act::Initializes => self.kube(logical, KubeChange::Initialized),
            Act::Breaks => {
                self.event(
                    logical,
                    "Error",
                    "",
                    Some("hardware failure"),
                    "Instance failed",
                );
                self.replace(logical);
            }
            Act::FallsIll => {
                let heals = self.chance(500);
                let health = if heals {
                    Health::UnschedulablePendingReboot
                } else {
                    Health::UnschedulablePendingReplacement
                };
                self.kube(logical, KubeChange::Health(health));
                let at = self.soon(Span::from_secs(300));
                let act = if heals { Act::Heals } else { Act::Breaks };
                self.plan(logical, epoch, at, act);
            }
            Act::Heals => self.kube(logical, KubeChange::Health(Health::Schedulable)),
            Act::Notice => {
                self.kube(logical, KubeChange::Interrupted);
                let at = self.now.plus(Span::from_secs(120));
                self.plan(logical, epoch, at, Act::Reclaim);
            }
            Act::Reclaim => self.replace(logical),
            Act::Drained => self.kube(logical, KubeChange::Drained),
            Act::Gone => {
                self.nodes.remove(logical);
                if !self.forgets {
                    self.removed.push(Name::clone(logical));
                }
            }
            // Of no node, and done by then.
            Act::RollsBack | Act::Tells(_) => {}
        }
    }

    /// HyperPod looks for an instance: there is one, or it says so and looks again (H-31, H-40).
    fn look(&mut self, logical: &Name, epoch: u32) {
        let Some(node) = self.nodes.get(logical) else {
            return;
        };
        let now = self.now;
        let free = match self.capacity.get_mut(&node.market) {
            None => true,
            Some((steps, used)) => {
                let step = steps.iter().rev().find(|(from, _)| *from <= now);
                let free = step.is_none_or(|(_, count)| *used < *count);
                *used += u32::from(free);
                free
            }
        };
        if !free {
            let message = format!(
                "Insufficient capacity for {} in {}",
                node.market.0, node.market.1
            );
            self.event(
                logical,
                "Error",
                "",
                Some(&message),
                "Instance launch failed",
            );
            let at = self.soon(self.weather.look_again);
            self.plan(logical, epoch, at, Act::Look);
            return;
        }
        self.sequence += 1;
        let id = Name::from(format!("i-{:08x}", self.sequence));
        if let Some(node) = self.nodes.get_mut(logical) {
            node.failed = false;
            node.instance = Some(Instance {
                id: Name::clone(&id),
                launched: now,
                scripted: false,
                running: false,
                joined: false,
                registered: false,
            });
        }
        self.by_instance.insert(id, Name::clone(logical));
        let at = self.soon(self.weather.launch);
        self.plan(logical, epoch, at, Act::ScriptStarts);
    }

    /// Billing starts (H-33).
    fn script_starts(&mut self, logical: &Name, epoch: u32) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(logical) else {
            return;
        };
        let Some(instance) = &mut node.instance else {
            return;
        };
        instance.scripted = true;
        instance.launched = now;
        let key = (Name::clone(&node.market.0), node.market.2);
        let line = BillLine {
            price: self.prices.get(&key).map_or(Price::ZERO, |exact| exact.0),
            logical: Name::clone(logical),
            group: Name::clone(&node.group),
            start: now,
            end: None,
        };
        self.bill.insert(Name::clone(&instance.id), line);
        self.event(logical, "Info", "Started", None, "Lifecycle script started");
        let at = self.soon(self.weather.script);
        self.plan(logical, epoch, at, Act::ScriptEnds);
    }

    fn script_ends(&mut self, logical: &Name, epoch: u32) {
        if self.chance(self.weather.script_fails) {
            self.event(
                logical,
                "Error",
                "Failed",
                Some("the lifecycle script exited with 1"),
                "Lifecycle script failed",
            );
            self.replace(logical);
            return;
        }
        if let Some(instance) = self
            .nodes
            .get_mut(logical)
            .and_then(|n| n.instance.as_mut())
        {
            instance.running = true;
        }
        self.event(logical, "Info", "Succeeded", None, "Instance is running");
        self.min_count_reached(logical);
        if !self.chance(self.weather.never_joins) {
            let at = self.soon(self.weather.join);
            self.plan(logical, epoch, at, Act::Joins);
        }
    }

    /// H-34: the group `name` is updated with a MinCount: HyperPod launches `count` nodes of its own, and until all run the
    /// group is `Updating` and refuses additions and deletions. After three hours it rolls back.
    pub fn set_min_count(&mut self, name: &Name, count: u32) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        group.status = Name::from("Updating");
        group.min_count = count;
        let group = group.clone();
        let (Some(instance_type), Some(zone)) = (group.instance_types.first(), group.zones.first())
        else {
            return;
        };
        let market = (
            Name::clone(instance_type),
            Name::clone(zone),
            group.capacity_type,
        );
        let mut own = Vec::new();
        for _ in 0..count {
            let logical = self.want(name, market.clone());
            own.push(logical);
        }
        self.min_counts.insert(Name::clone(name), own);
        let at = self.now.plus(MIN_COUNT_DEADLINE);
        self.plan(name, 0, at, Act::RollsBack);
    }

    fn min_count_reached(&mut self, logical: &Name) {
        let Some(group) = self.nodes.get(logical).map(|node| Name::clone(&node.group)) else {
            return;
        };
        let running = |of: &Name| {
            let node = self.nodes.get(of);
            node.and_then(|n| n.instance.as_ref())
                .is_some_and(|i| i.running)
        };
        if self
            .min_counts
            .get(&group)
            .is_some_and(|own| own.iter().all(running))
        {
            self.min_counts.remove(&group);
            self.set_group_status(&group, "InService");
        }
    }

    fn roll_back(&mut self, group: &Name) {
        let Some(own) = self.min_counts.remove(group) else {
            return;
        };
        for logical in own {
            self.terminate(&logical);
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.min_count = 0;
        }
        self.set_group_status(group, "InService");
    }

    fn joins(&mut self, logical: &Name, epoch: u32) {
        let Some(node) = self.nodes.get_mut(logical) else {
            return;
        };
        let spot = node.market.2 == CapacityType::Spot;
        if let Some(instance) = &mut node.instance {
            instance.joined = true;
        }
        self.kube(logical, KubeChange::Joined);
        self.kube(logical, KubeChange::Ready(true));
        let weather = self.weather.clone();
        let troubles = [
            (true, weather.breaks, Act::Breaks),
            (true, weather.falls_ill, Act::FallsIll),
            (spot, weather.reclaimed, Act::Notice),
        ];
        for (possible, chance, act) in troubles {
            if possible && self.chance(chance) {
                let silent = act == Act::Notice && self.chance(weather.without_notice);
                let act = if silent { Act::Reclaim } else { act };
                let at = self.soon(weather.trouble_within);
                self.plan(logical, epoch, at, act);
            }
        }
    }

    /// The controller has put the claim's labels and taints on the Node behind which `instance` stands.
    pub fn register(&mut self, instance_id: &str) {
        let Some(logical) = self.by_instance.get(instance_id).cloned() else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&logical) else {
            return;
        };
        let epoch = node.epoch;
        let Some(instance) = &mut node.instance else {
            return;
        };
        if &*instance.id != instance_id || instance.registered {
            return;
        }
        instance.registered = true;
        self.kube(&logical, KubeChange::Registered);
        if !self.chance(self.weather.never_initializes) {
            let at = self.soon(self.weather.initialize);
            self.plan(&logical, epoch, at, Act::Initializes);
        }
    }

    /// The controller has asked for the pods on the Node to be evicted, which takes up to `longest`.
    pub fn drain(&mut self, instance_id: &str, longest: Span) {
        let Some(logical) = self.by_instance.get(instance_id).cloned() else {
            return;
        };
        let Some(node) = self.nodes.get(&logical) else {
            return;
        };
        if node
            .instance
            .as_ref()
            .is_some_and(|i| &*i.id == instance_id)
        {
            let epoch = node.epoch;
            let at = self.soon(longest);
            self.plan(&logical, epoch, at, Act::Drained);
        }
    }

    /// The instance ends; HyperPod looks for another behind the same logical id (H-29).
    fn replace(&mut self, logical: &Name) {
        self.end_instance(logical);
        let Some(node) = self.nodes.get_mut(logical) else {
            return;
        };
        node.failed = true;
        node.epoch += 1;
        let epoch = node.epoch;
        let at = self.soon(Span::from_secs(30));
        self.plan(logical, epoch, at, Act::Look);
    }

    /// The node is deleted: the target goes down, the instance ends.
    pub(super) fn terminate(&mut self, logical: &Name) {
        self.end_instance(logical);
        let gone = self.soon(self.weather.shut_down);
        let Some(node) = self.nodes.get_mut(logical) else {
            return;
        };
        node.epoch += 1;
        node.ending = Some(gone);
        let epoch = node.epoch;
        self.plan(logical, epoch, gone, Act::Gone);
    }

    fn end_instance(&mut self, logical: &Name) {
        let now = self.now;
        let Some(node) = self.nodes.get(logical) else {
            return;
        };
        let Some(instance) = node.instance.clone() else {
            return;
        };
        if let Some((_, used)) = self.capacity.get_mut(&node.market) {
            *used = used.saturating_sub(1);
        }
        if self.forgets {
            self.bill.remove(&instance.id);
        } else if let Some(line) = self.bill.get_mut(&instance.id) {
            line.end = Some(now);
        }
        if instance.scripted {
            self.event(logical, "Info", "", None, "Instance is terminating");
        }
        if instance.joined {
            self.kube(logical, KubeChange::Gone);
        }
        self.by_instance.remove(&instance.id);
        if let Some(node) = self.nodes.get_mut(logical) {
            node.instance = None;
        }
    }

    fn kube(&mut self, logical: &Name, change: KubeChange) {
        let instance = self.nodes.get(logical).and_then(|n| n.instance.as_ref());
        if let Some(instance) = instance {
            let event = KubeEvent::new(Name::clone(&instance.id), change);
            self.signals.push_back(Signal::Kube(event));
        }
    }

    /// One more node is wanted.
    pub(super) fn want(&mut self, group: &Name, market: Market) -> Name {
        self.sequence += 1;
        let logical = Name::from(format!("{group}-{:06}", self.sequence));
        self.nodes.insert(
            Name::clone(&logical),
            FakeNode {
                group: Name::clone(group),
                market,
                instance: None,
                failed: false,
                ending: None,
                epoch: 0,
            },
        );
        let at = self.soon(Span::from_secs(8));
        self.plan(&logical, 0, at, Act::Look);
        logical
    }

    fn event(
        &mut self,
        logical: &Name,
        level: &str,
        script: &str,
        failure: Option<&str>,
        text: &str,
    ) {
        self.sequence += 1;
        let id = Name::from(format!("e-{}", self.sequence));
        let mut event = ClusterEvent::instance(id, level, self.now, Name::clone(logical));
        if let Some(node) = self.nodes.get(logical) {
            event.instance_group_name = Some(Name::clone(&node.group));
            event.instance_id = node.instance.as_ref().map(|i| Name::clone(&i.id));
        }
        event.failure_message = failure.map(Name::from);
        event.lcs_execution_state = (!script.is_empty()).then(|| Name::from(script));
        event.description = Name::from(text);
        if !self.forgets {
            self.log.push(event.clone());
        }
        if self.chance(self.weather.event_lost) {
            return;
        }
        if self.chance(self.weather.event_doubled) {
            self.tell(event.clone());
        }
        self.tell(event);
    }

    fn tell(&mut self, event: ClusterEvent) {
        let late = self.weather.event_late;
        if late == Span::ZERO {
            self.signals.push_back(Signal::Event(event));
        } else {
            let at = self.soon(late);
            self.plan(&Name::from(""), 0, at, Act::Tells(Box::new(event)));
        }
    }
}
