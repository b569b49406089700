//! 5.6 Passive
