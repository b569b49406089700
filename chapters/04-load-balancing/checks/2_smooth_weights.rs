//! 4.2 Smooth weights
