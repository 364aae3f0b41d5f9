//! KEDA's polling decision: 0 to 1, idle to the least, and back (K-60..K-70).

use serde::Serialize;

use crate::base::time::Timestamp;
use crate::model::autoscaling::keda::{
    FORCE_ACTIVATION, PAUSED_SCALE_IN, PAUSED_SCALE_OUT, ScaledObject,
};

/// What a poll does to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// The object is paused (K-61).
    Paused,
    /// Active, from 0 or idle: to the least, 1 or more (K-63).
    Activate,
    /// Active, and scaling out is paused (K-63).
    ScaleOutPaused,
    /// Active, and there is nothing to do: the HPA decides (K-63, K-69).
    StayActive,
    /// Active, with some trigger failing: the time of activity stays as it was (K-63).
    StayActiveDespiteErrors,
    /// Inactive, failing, and the fallback will come (K-64 a).
    AwaitFallback,
    /// Inactive, failing, and there is no fallback: nothing is touched (K-64 b).
    Failed,
    /// Inactive long enough: to idle or 0 (K-65).
    Deactivate,
    /// Inactive, and the cooldown is not over (K-65).
    CoolDown,
    /// Inactive, and scaling in is paused (K-65).
    ScaleInPaused,
    /// Inactive, and below the least: to the least (K-64 d).
    RaiseToMin,
    /// Inactive, and there is nothing to do (K-64 e).
    StayInactive,
}

/// What a poll decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScaleRequest {
    /// What it does.
    pub action: Action,
    /// The count that it writes, if it writes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Whether the time of last activity becomes now.
    pub sets_last_active_time: bool,
    /// When the cooldown is over, where it is not over yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<Timestamp>,
}

/// Status and reason of the conditions that a poll sets, as in `True:ScalerActive`; `None` where it sets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Conditions {
    /// `Active`.
    pub active: Option<&'static str>,
    /// `Ready`.
    pub ready: &'static str,
    /// `Paused`.
    pub paused: Option<&'static str>,
}

impl ScaleRequest {
    fn new(action: Action) -> Self {
        Self {
            action,
            replicas: None,
            sets_last_active_time: false,
            cooldown_until: None,
        }
    }

    fn write(action: Action, replicas: i32) -> Self {
        Self {
            replicas: Some(replicas),
            ..Self::new(action)
        }
    }

    /// The conditions that follow.
    #[must_use]
    pub fn conditions(&self) -> Conditions {
        let good = "True:ScaledObjectReady";
        let of = |active, ready| Conditions {
            active: Some(active),
            ready,
            paused: None,
        };
        match self.action {
            Action::Paused => Conditions {
                active: None,
                ready: good,
                paused: Some("True:ScaledObjectPaused"),
            },
            Action::Activate | Action::ScaleOutPaused | Action::StayActive => {
                of("True:ScalerActive", good)
            }
            Action::StayActiveDespiteErrors => {
                of("True:ScalerActive", "Unknown:PartialTriggerError")
            }
            Action::Failed => of("False:ScalerNotActive", "False:TriggerError"),
            Action::CoolDown => of("False:ScalerCooldown", good),
            Action::AwaitFallback
            | Action::Deactivate
            | Action::ScaleInPaused
            | Action::RaiseToMin
            | Action::StayInactive => of("False:ScalerNotActive", good),
        }
    }
}

/// Decides what a poll does to the count `current` (K-61..K-65), given whether some trigger is active and whether some
/// failed (K-60). O(1).
///
/// ```
/// use tetrapod::model::autoscaling::keda::ScaledObject;
/// use tetrapod::scaling::executor::{Action, request_scale};
/// let object = ScaledObject::new("ml", "chat", Vec::new());
/// let now = "2026-01-01T00:00:00Z".parse().unwrap();
/// let request = request_scale(&object, None, true, false, 0, now);
/// assert_eq!((request.action, request.replicas), (Action::Activate, Some(1)));
/// ```
#[must_use]
pub fn request_scale(
    object: &ScaledObject,
    last_active: Option<Timestamp>,
    active: bool,
    error: bool,
    current: i32,
    now: Timestamp,
) -> ScaleRequest {
    if object.is_paused() {
        return ScaleRequest::new(Action::Paused);
    }
    let min = object.min_replica_count.unwrap_or(0);
    let idle = object.idle_replica_count;
    if active || object.is_on(FORCE_ACTIVATION) {
        if (idle.is_some() && current < min) || current == 0 {
            if object.is_on(PAUSED_SCALE_OUT) {
                return ScaleRequest::new(Action::ScaleOutPaused);
            }
            let mut request = ScaleRequest::write(Action::Activate, min.max(1));
            request.sets_last_active_time = true;
            return request;
        }
        if error {
            return ScaleRequest::new(Action::StayActiveDespiteErrors);
        }
        let mut request = ScaleRequest::new(Action::StayActive);
        request.sets_last_active_time = true;
        return request;
    }
    let to_idle = idle.is_some_and(|idle| current > idle) || (current > 0 && min == 0);
    match object.fallback {
        Some(fallback) if error && fallback.replicas != 0 => {
            ScaleRequest::new(Action::AwaitFallback)
        }
        None if error => ScaleRequest::new(Action::Failed),
        _ if to_idle => deactivate(object, last_active, now),
        _ if idle.is_none() && current < min => ScaleRequest::write(Action::RaiseToMin, min),
        _ => ScaleRequest::new(Action::StayInactive),
    }
}

/// K-65
fn deactivate(
    object: &ScaledObject,
    last_active: Option<Timestamp>,
    now: Timestamp,
) -> ScaleRequest {
    if object.is_on(PAUSED_SCALE_IN) {
        return ScaleRequest::new(Action::ScaleInPaused);
    }
    let over = match last_active {
        Some(last) => Some(last.plus(object.cooldown_period)),
        // An object without a creation time is older than any period.
        None => object
            .created
            .map(|created| created.plus(object.initial_cooldown_period)),
    };
    match over.filter(|over| *over >= now) {
        Some(over) => ScaleRequest {
            cooldown_until: Some(over),
            ..ScaleRequest::new(Action::CoolDown)
        },
        None => {
            let min = object.min_replica_count.unwrap_or(0);
            let to = object.idle_replica_count.unwrap_or(min);
            ScaleRequest::write(Action::Deactivate, to)
        }
    }
}
