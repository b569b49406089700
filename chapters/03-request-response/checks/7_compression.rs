//! 3.7 Compression
