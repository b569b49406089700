//! 6.3 Stampede
