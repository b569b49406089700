//! 5.3 Flapping
