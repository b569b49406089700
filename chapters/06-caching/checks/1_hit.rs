//! 6.1 Hit, miss, expiry
