//! A small world for sweeps, shared with the tests of the command.

/// A service that comes from zero and goes back to it within half an hour, under two policies.
pub(crate) const WORLD: &str = r#"
apiVersion: karpenter.sagemaker.amazonaws.com/v1
kind: HyperpodNodeClass
metadata: {name: main}
spec: {instanceGroups: [one]}
status:
  instanceGroups:
  - {name: one, instanceTypes: [ml.g5.2xlarge], subnets: [{id: subnet-a, zone: us-west-2a}]}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: gpu}
spec:
  disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 1m}
  template:
    spec:
      nodeClassRef: {group: karpenter.sagemaker.amazonaws.com, kind: HyperpodNodeClass, name: main}
      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat, namespace: default}
spec:
  replicas: 0
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec:
      containers:
      - name: server
        resources: {requests: {cpu: "4", memory: 16Gi, nvidia.com/gpu: "1"}, limits: {nvidia.com/gpu: "1"}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: chat, namespace: default}
spec:
  scaleTargetRef: {name: chat}
  minReplicaCount: 0
  maxReplicaCount: 4
  cooldownPeriod: 60
  triggers:
  - {type: aws-sqs-queue, name: queue, metadata: {queueURL: chat, queueLength: "4", awsRegion: us-west-2}}
---
apiVersion: tetrapod/v1alpha1
kind: Simulation
metadata: {name: small}
start: "2026-01-05T00:00:00Z"
duration: 30m
tick: 20s
services:
- workload: {name: chat}
  replica: {concurrency: 4, baseSeconds: 2}
  metrics: [{name: queue, reads: outstanding}]
  load: {trace: load.csv}
nodes: {scriptFails: 200, breaks: 300, troubleWithin: 10m}
policies:
- {name: economic}
- {name: kept, consolidation: none}
"#;

pub(crate) const LOAD: &str = "seconds,requests\n0,0\n120,900\n720,0\n";
pub(crate) const OTHER: &str = "seconds,requests\n0,200\n600,600\n1200,0\n";
