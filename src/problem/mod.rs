//! Second floor: the compiled form of a snapshot.
