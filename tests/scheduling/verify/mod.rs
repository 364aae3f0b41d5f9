//! Ways to damage a valid plan.

pub(crate) mod damage;
pub(crate) mod damage_state;
