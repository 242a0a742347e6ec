//! A cluster in one thread from one seed.
