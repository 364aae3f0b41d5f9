//! What must hold for the provisioning machine, whatever it is told in whatever order. Shared by the fuzz target and by
//! `tests/house/fuzz_corpora.rs`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::resources::Name;
use tetrapod::provisioning::ids::CallId;
use tetrapod::provisioning::{Input, Machine, Output};

/// Inputs that bytes spell: two zones, three groups, two pools, and names that often meet.
struct Speller<'a> {
    bytes: &'a [u8],
    calls: Vec<CallId>,
    logical_ids: Vec<String>,
    number: u32,
    /// Instances that the machine has asked to drain.
    drained: BTreeSet<Name>,
}

impl Speller<'_> {
    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    fn group(&mut self) -> String {
        format!("group-{}", self.below(4))
    }

    fn pods(&mut self) -> Vec<String> {
        (0..self.below(4))
            .map(|_| format!("ns/p{}", self.below(12)))
            .collect()
    }

    fn offering(&mut self) -> Value {
        json!({"instanceType": format!("ml.t{}", self.below(3)), "zone": format!("z{}", self.below(2)),
            "capacityType": if self.below(2) == 0 { "spot" } else { "on-demand" },
            "price": if self.below(3) == 0 { Value::Null } else { json!(f64::from(self.byte()) / 16.0) },
            "instanceGroup": if self.below(8) == 0 { Value::Null } else { json!(self.group()) }})
    }

    fn instance(&mut self) -> String {
        format!("i-{}", self.below(10))
    }

    fn logical_id(&mut self) -> String {
        let at = usize::from(self.byte());
        match self.logical_ids.get(at % self.logical_ids.len().max(1)) {
            Some(id) if at < 224 => id.clone(),
            _ => format!("l-{}", at % 7),
        }
    }

    fn time(&mut self, now: Timestamp) -> Timestamp {
        let millis = i64::from(self.byte()) * i64::from(self.byte()) * 10 - 100_000;
        now.plus(Span::from_millis(millis))
    }

    fn config(&mut self) -> Value {
        let pool = |speller: &mut Self, name: &str| {
            let limits = match speller.below(3) {
                0 => json!({}),
                1 => json!({"nodes": speller.below(6).to_string()}),
                _ => json!({"cpu": speller.byte().to_string()}),
            };
            json!({"name": name, "nodeClass": "class", "deleted": speller.below(8) == 0, "limits": limits,
                "maxInFlight": speller.below(9), "hold": format!("{}s", speller.byte()),
                "grace": if speller.below(2) == 0 { Value::Null } else { json!(format!("{}s", speller.byte())) },
                "repairAfter": if speller.below(2) == 0 { Value::Null } else { json!(format!("{}m", speller.byte())) },
                "priceCap": if speller.below(3) == 0 { json!(speller.byte().to_string()) } else { Value::Null }})
        };
        let pools = [pool(self, "pool-0"), pool(self, "pool-1")];
        json!({"clusterName": "c", "pools": pools, "classes": [{"name": "class", "deleted": self.below(9) == 0,
            "instanceGroups": ["group-0", "group-1", "group-2"]}],
            "groups": [{"name": "group-0", "zones": ["z0"], "instanceTypes": ["ml.t0"]},
                {"name": "group-1", "zones": ["z0", "z1"], "instanceTypes": ["ml.t0", "ml.t1"]}],
            "types": {"ml.t0": {"cpu": "4"}, "ml.t1": {"cpu": "16"}},
            "sharedLimits": [{"name": "both", "pools": ["pool-0", "pool-1"], "limits": {"nodes": "9"}}],
            "quotas": {"perType": {"ml.t0": self.below(9)}, "cluster": null, "total": self.byte()},
            "capacityBackoff": {"first": format!("{}s", self.byte()), "cap": "10m", "jitterPercent": self.byte()},
            "answerDeadline": format!("{}s", self.byte()), "breakerPause": format!("{}s", self.byte())})
    }

    fn outcome(&mut self) -> Value {
        match self.below(8) {
            0 => json!({"Failed": "Throttled"}),
            1 => json!({"Failed": "NoAnswer"}),
            2 => json!({"Failed": {"LimitExceeded": "quota"}}),
            3 => json!({"Failed": {"Refused": "no"}}),
            4 => json!({"Failed": {"NotFound": "no cluster"}}),
            5 => {
                let ids: Vec<String> = (0..self.below(4)).map(|_| self.logical_id()).collect();
                let code = ["NodeLogicalIdNotFound", "NodeIdInUse"][usize::from(self.below(2))];
                let failed =
                    json!({"Code": code, "Message": "", "NodeLogicalId": self.logical_id()});
                json!({"Deleted": {"SuccessfulNodeLogicalIds": ids, "FailedNodeLogicalIds": [failed]}})
            }
            _ => {
                let mut added = Vec::new();
                for _ in 0..self.below(5) {
                    self.number += 1;
                    let id = if self.below(9) == 0 {
                        self.logical_id()
                    } else {
                        format!("n-{}", self.number)
                    };
                    self.logical_ids.push(id.clone());
                    let status = ["Pending", "NotFound", "Running"][usize::from(self.below(8) % 3)];
                    added.push(json!({"NodeLogicalId": id, "InstanceGroupName": self.group(), "Status": status}));
                }
                let code = ["InvalidInstanceGroupStatus", "IncompatibleInstanceTypes"]
                    [usize::from(self.below(2))];
                let failed = json!({"InstanceGroupName": self.group(), "ErrorCode": code,
                    "FailedCount": self.below(4), "Message": ""});
                json!({"Added": {"Successful": added, "Failed": [failed]}})
            }
        }
    }

    /// The next input as its serde form, so that reading inputs is tried too.
    fn input(&mut self, now: Timestamp) -> Value {
        match self.below(14) {
            0 => json!("Tick"),
            1 => json!({"Config": self.config()}),
            2 | 3 => {
                let claims: Vec<Value> = (0..=self.below(4))
                    .map(|_| {
                        let fallbacks: Vec<Value> = (0..self.below(4)).map(|_| self.offering()).collect();
                        json!({"nodePool": format!("pool-{}", self.below(3)), "pods": self.pods(),
                            "instanceTypes": [], "zones": [], "capacityTypes": [], "cheapest": self.offering(),
                            "fallbacks": fallbacks})
                    })
                    .collect();
                json!({"Plan": {"madeAt": self.time(now), "claims": claims}})
            }
            4 => json!({"Withdraw": self.pods()}),
            5 => json!({"Remove": {"nodes": [self.byte(), self.byte()], "why": "fuzz"}}),
            6 | 7 => {
                let at = usize::from(self.byte());
                let call = self
                    .calls
                    .get(at % self.calls.len().max(1))
                    .copied()
                    .unwrap_or_default();
                json!({"Answer": [call, self.outcome()]})
            }
            8 => {
                let status =
                    ["InService", "InService", "Failed", "Creating"][usize::from(self.below(4))];
                // Of three groups that the class names; without one it launches nothing (H-12).
                let count = if self.below(8) == 0 { self.below(4) } else { 3 };
                let groups: Vec<Value> = (0..count)
                    .map(|n| {
                        let status =
                            ["InService", "Updating", "InService"][usize::from(self.below(3))];
                        let min_count = u8::from(self.below(9) == 0);
                        json!({"name": format!("group-{n}"), "status": status, "minCount": min_count})
                    })
                    .collect();
                json!({"Cluster": {"name": "c", "status": "InService", "autoscalingMode": "Enable",
                    "autoscalingStatus": status, "instanceGroups": groups}})
            }
            9 | 10 => {
                let records: Vec<Value> = (0..self.below(6))
                    .map(|_| {
                        let status = ["Pending", "Running", "Failure", "ShuttingDown", "NotFound", "Odd"]
                            [usize::from(self.below(6))];
                        let instance = if self.below(3) == 0 { Value::Null } else { json!(self.instance()) };
                        json!({"InstanceGroupName": self.group(), "NodeLogicalId": self.logical_id(),
                            "InstanceId": instance, "InstanceType": "ml.t0", "InstanceStatus": status,
                            "LaunchTime": self.time(now), "AvailabilityZone": "z0"})
                    })
                    .collect();
                json!({"Listing": {"began": self.time(now), "records": records, "last": self.below(2) == 0}})
            }
            11 => {
                let (level, failure) = if self.below(2) == 0 {
                    ("Error", json!("Insufficient capacity"))
                } else {
                    ("Info", Value::Null)
                };
                let script = [
                    Value::Null,
                    json!("Started"),
                    json!("Succeeded"),
                    json!("Failed"),
                ][usize::from(self.below(4))]
                .clone();
                json!({"Event": {"EventId": "e", "ResourceType": "Instance", "EventLevel": level,
                    "EventTime": self.time(now), "InstanceId": self.instance(), "NodeLogicalId": self.logical_id(),
                    "FailureMessage": failure, "LcsExecutionState": script,
                    "Description": if self.below(3) == 0 { "terminating" } else { "" }}})
            }
            12 => json!({"Kube": {"instanceId": self.instance(), "change": self.change()}}),
            _ => json!("Restarted"),
        }
    }

    fn change(&mut self) -> Value {
        match self.below(9) {
            0 => json!("Registered"),
            1 => json!({"Ready": self.below(2) == 0}),
            2 => json!("Initialized"),
            3 => json!({"Health": "UnschedulablePendingReplacement"}),
            4 => json!("Interrupted"),
            5 => json!("Drained"),
            6 => json!("Gone"),
            _ => json!("Joined"),
        }
    }
}

/// The machine takes any sequence of inputs: it never panics, its requests keep to the API's limits, its wake-ups are in
/// the future, no drain is skipped for a node that it knows to have joined, no order has two nodes, and its stored form is the
/// machine.
pub(crate) fn machine(data: &[u8]) {
    let mut speller = Speller {
        bytes: data,
        calls: Vec::new(),
        logical_ids: Vec::new(),
        number: 0,
        drained: BTreeSet::new(),
    };
    let mut now = Timestamp::from_millis(1_767_225_600_000);
    let config = serde_json::from_value(speller.config()).expect("a configuration");
    let mut machine = Machine::new(7, config, now);
    for step in 0..200 {
        if speller.bytes.is_empty() {
            break;
        }
        let spelled = speller.input(now);
        let input: Input = match serde_json::from_value(spelled.clone()) {
            Ok(input) => input,
            Err(error) => panic!("{spelled}: {error}"),
        };
        machine.handle(input, now);
        let wake = drain(&mut machine, &mut speller, now);
        let mut orders = BTreeSet::new();
        let mut of_orders = machine.nodes().filter_map(|node| node.order);
        assert!(
            of_orders.all(|order| orders.insert(order)),
            "two nodes of one order"
        );
        if step % 16 == 15 {
            let stored = serde_json::to_vec(&machine).expect("a machine can be stored");
            let again: Machine =
                serde_json::from_slice(&stored).expect("what was stored can be read");
            assert!(again == machine, "stored and read again it differs");
        }
        // Time stands still, runs to the next wake-up, or jumps.
        now = match speller.below(4) {
            0 => now,
            1 => now.plus(Span::from_secs(i64::from(speller.byte()))),
            2 => now.plus(Span::from_secs(i64::from(speller.byte()) * 120)),
            _ => wake.unwrap_or(now),
        };
    }
    let totals = machine.ledger().totals(now);
    let pools = totals
        .pools
        .values()
        .fold(0, |sum, amount| sum + amount.exact());
    assert_eq!(totals.total.exact(), pools, "pools add up to the whole");
}

fn drain(machine: &mut Machine, speller: &mut Speller<'_>, now: Timestamp) -> Option<Timestamp> {
    for _ in 0..100_000 {
        match machine.poll() {
            Output::Add {
                call,
                request,
                launches,
            } => {
                let entries = &request.body.nodes_to_add;
                let nodes: u32 = entries.iter().map(|e| e.increment_target_count_by).sum();
                assert!((1..=5).contains(&entries.len()) && (1..=50).contains(&nodes));
                assert!(entries.iter().all(|e| e.increment_target_count_by > 0));
                assert_eq!(launches.len(), nodes as usize);
                assert!(request.client_token.len() <= 64);
                speller.calls.push(call);
            }
            Output::Delete { call, request } => {
                assert!((1..=50).contains(&request.node_logical_ids.len()));
                let nodes = request.node_logical_ids.iter();
                for node in nodes.filter_map(|id| machine.by_logical_id(id)) {
                    let instance = node.instance_id.as_ref();
                    let drained = instance.is_some_and(|id| speller.drained.contains(id));
                    assert!(!node.joined || drained, "{node:?} was not drained");
                }
                speller.calls.push(call);
            }
            Output::Wake { at, .. } => {
                assert!(at > now, "a wake-up at {at}, now is {now}");
                return Some(at);
            }
            Output::Idle => return None,
            Output::Drain { instance_id, .. } => {
                speller.drained.insert(instance_id);
            }
            Output::Register { .. }
            | Output::Replan(_)
            | Output::Notice(_)
            | Output::Status(_)
            | Output::Release { .. } => {}
            other => panic!("an output that is new: {other:?}"),
        }
    }
    panic!("no end of outputs");
}
