//! Third floor: the solver. Dense ids only.
