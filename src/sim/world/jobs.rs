//! Training jobs: some pods that run for a time once all of them are ready.

use super::World;
use super::state::{Due, Job, PodId, Stage};
use crate::base::time::Span;
use crate::model::simulation::JobStream;

impl World {
    fn stream(&self, stream: usize) -> Option<&JobStream> {
        self.state.setup.simulation.jobs.get(stream)
    }

    /// The number of the kind of a stream's pods.
    fn kind_of(&self, stream: usize) -> usize {
        self.state.setup.simulation.services.len() + stream
    }

    /// The name of a job.
    pub(super) fn job_name(&self, job: u64) -> String {
        let stream = self
            .state
            .jobs
            .get(&job)
            .and_then(|job| self.stream(job.stream));
        format!("{}-{job}", stream.map_or("job", |stream| &stream.name))
    }

    pub(super) fn job_arrives(&mut self, stream: usize, place: usize) {
        let Some(arrival) = self
            .stream(stream)
            .and_then(|s| s.arrivals.get(place))
            .copied()
        else {
            return;
        };
        let id = self.state.next_job;
        self.state.next_job += 1;
        let job = Job {
            stream,
            pods: arrival.pods,
            left: arrival.runs,
            members: std::collections::BTreeSet::new(),
            running_since: None,
            epoch: 0,
            requeues: 0,
        };
        self.state.jobs.insert(id, job);
        self.job_starts(id);
    }

    /// Makes the pods of a job.
    pub(super) fn job_starts(&mut self, id: u64) {
        let Some(job) = self.state.jobs.get_mut(&id) else {
            return;
        };
        job.epoch += 1;
        let (stream, pods, epoch) = (job.stream, job.pods, job.epoch);
        let kind = self.kind_of(stream);
        for _ in 0..pods {
            let pod = self.create_pod(kind, Some(id));
            if let Some(job) = self.state.jobs.get_mut(&id) {
                job.members.insert(pod);
            }
        }
        let timeout = self
            .stream(stream)
            .filter(|s| s.gang)
            .and_then(|s| s.ready_timeout);
        if let Some(timeout) = timeout {
            self.at(self.state.now.plus(timeout), Due::Timeout(id, epoch));
        }
    }

    /// A pod of the job has become ready: it runs once all are.
    pub(super) fn job_progresses(&mut self, id: u64) {
        let now = self.state.now;
        let pods = &self.state.pods;
        let Some(job) = self
            .state
            .jobs
            .get(&id)
            .filter(|job| job.running_since.is_none())
        else {
            return;
        };
        let ready = |pod: &&PodId| pods.get(pod).is_some_and(|pod| pod.stage == Stage::Ready);
        let count = job.members.iter().filter(ready).count();
        if count < job.pods as usize {
            return;
        }
        let name = self.job_name(id);
        let Some(job) = self.state.jobs.get_mut(&id) else {
            return;
        };
        job.running_since = Some(now);
        job.epoch += 1;
        let (left, epoch, pods) = (job.left, job.epoch, job.pods);
        self.at(now.plus(left), Due::Done(id, epoch));
        let message = format!("all {pods} pods are ready; {left} to go");
        self.state
            .record
            .event(now, "JobStarted", format!("Job {name}"), message);
    }

    /// A pod of the job lost its place: the job stops, keeps what its last checkpoint has, and gets another pod.
    pub(super) fn job_interrupted(&mut self, id: u64, pod: PodId) {
        let now = self.state.now;
        let every = self
            .state
            .jobs
            .get(&id)
            .and_then(|job| self.stream(job.stream))
            .and_then(|stream| stream.checkpoint_every);
        let Some(job) = self.state.jobs.get_mut(&id) else {
            return;
        };
        job.members.remove(&pod);
        if let Some(since) = job.running_since.take() {
            let ran = now.since(since).as_millis();
            let kept = match every.map(Span::as_millis).filter(|every| *every > 0) {
                Some(every) => ran / every * every,
                None => 0,
            };
            job.left = Span::from_millis((job.left.as_millis() - kept).max(1));
            job.epoch += 1;
        }
        let stream = job.stream;
        let kind = self.kind_of(stream);
        let replacement = self.create_pod(kind, Some(id));
        if let Some(job) = self.state.jobs.get_mut(&id) {
            job.members.insert(replacement);
        }
    }

    pub(super) fn job_done(&mut self, id: u64, epoch: u32) {
        if self
            .state
            .jobs
            .get(&id)
            .is_none_or(|job| job.epoch != epoch)
        {
            return;
        }
        let name = self.job_name(id);
        let Some(job) = self.state.jobs.remove(&id) else {
            return;
        };
        self.state.record.event(
            self.state.now,
            "JobFinished",
            format!("Job {name}"),
            "it has run as long as it should",
        );
        for pod in job.members {
            self.state.record.finished += 1;
            self.delete_pod(pod, false);
        }
    }

    /// Not all pods of a gang were ready in time: all go, and the job is queued again later (H-56).
    pub(super) fn job_times_out(&mut self, id: u64, epoch: u32) {
        let now = self.state.now;
        let name = self.job_name(id);
        let Some(job) = self
            .state
            .jobs
            .get(&id)
            .filter(|job| job.epoch == epoch && job.running_since.is_none())
        else {
            return;
        };
        let after = self
            .stream(job.stream)
            .map_or_else(Span::default, |stream| stream.requeue_after);
        let pods = &self.state.pods;
        let ready = |pod: &&PodId| pods.get(pod).is_some_and(|pod| pod.stage == Stage::Ready);
        let ready = job.members.iter().filter(ready).count();
        let Some(job) = self.state.jobs.get_mut(&id) else {
            return;
        };
        let wait = Span::from_millis(
            after
                .as_millis()
                .saturating_mul(1i64 << job.requeues.min(10)),
        );
        job.requeues += 1;
        job.epoch += 1;
        let members = std::mem::take(&mut job.members);
        let message = format!(
            "{ready} of {} pods were ready in time; queued again in {wait} (H-56)",
            members.len()
        );
        self.state
            .record
            .event(now, "GangTimedOut", format!("Job {name}"), message);
        for pod in members {
            self.state.record.evictions += 1;
            self.delete_pod(pod, false);
        }
        self.at(now.plus(wait), Due::Requeue(id));
    }
}
