//! 4.7 Power of two choices
