//! A large day: twenty services whose replicas follow their queues from a fifth at night to 40,000 pods on 2,000 nodes by day,
//! with a million requests, which hold a replica for half an hour each.

use std::fmt::Write as _;

/// Services.
const SERVICES: u32 = 20;

const CLUSTER: &str = r#"
apiVersion: karpenter.sagemaker.amazonaws.com/v1
kind: HyperpodNodeClass
metadata: {name: main}
spec: {instanceGroups: [m5-a, m5-b, m5-c]}
status:
  instanceGroups:
  - {name: m5-a, instanceTypes: [ml.m5.4xlarge], subnets: [{id: subnet-a, zone: us-west-2a}]}
  - {name: m5-b, instanceTypes: [ml.m5.4xlarge], subnets: [{id: subnet-b, zone: us-west-2b}]}
  - {name: m5-c, instanceTypes: [ml.m5.2xlarge], subnets: [{id: subnet-c, zone: us-west-2c}]}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: cpu}
spec:
  disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 5m, budgets: [{nodes: "10%"}]}
  template:
    spec:
      nodeClassRef: {group: karpenter.sagemaker.amazonaws.com, kind: HyperpodNodeClass, name: main}
      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]
"#;

/// The manifests of `days` such days, under the policies `economic`, `karpenter` and `none` of consolidation.
pub(crate) fn manifests(days: u32) -> String {
    let mut text = CLUSTER.to_owned();
    let mut services = String::new();
    for number in 0..SERVICES {
        let (cpu, memory) = (500 + 25 * (number % 21), 1_024 + 128 * (number % 13));
        let _ = write!(
            text,
            r#"---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: svc-{number:02}, namespace: default}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: svc-{number:02}}}}}
  template:
    metadata: {{labels: {{app: svc-{number:02}}}}}
    spec:
      containers: [{{name: main, resources: {{requests: {{cpu: {cpu}m, memory: {memory}Mi}}}}}}]
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: svc-{number:02}, namespace: default}}
spec:
  scaleTargetRef: {{name: svc-{number:02}}}
  minReplicaCount: 0
  maxReplicaCount: 2400
  cooldownPeriod: 300
  triggers:
  - {{type: aws-sqs-queue, name: queue, metadata: {{queueURL: svc-{number:02}, queueLength: "1", awsRegion: us-west-2}}}}
"#
        );
        let _ = write!(
            services,
            r"- workload: {{name: svc-{number:02}}}
  imagePull: 60s
  startup: 30s
  replica: {{concurrency: 1, baseSeconds: 1980}}
  load: {{generate: {{low: 0.157, high: 1, peakAt: {}h, burstsPerDay: 4, burstFactor: 1.1, burstLength: 5m}}}}
  metrics: [{{name: queue, reads: outstanding}}]
",
            12 + number / 4
        );
    }
    let _ = write!(
        text,
        r#"---
apiVersion: tetrapod/v1alpha1
kind: Simulation
metadata: {{name: large-day}}
start: "2026-01-05T00:00:00Z"
duration: {}h
slo: 60s
services:
{services}policies:
- {{name: economic}}
- {{name: karpenter, consolidation: karpenter}}
- {{name: none, consolidation: none}}
"#,
        24 * days
    );
    text
}
