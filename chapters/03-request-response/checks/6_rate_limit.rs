//! 3.6 Rate limit
