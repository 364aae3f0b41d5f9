//! Fifth floor: an independent, naive and complete checker of (snapshot, plan). Shares no code with the solver.
