//! Known bugs, planted in the broadcast, are found within a few seeds. Knows no invariant's inside.
