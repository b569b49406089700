//! 6.7 Invalidation
