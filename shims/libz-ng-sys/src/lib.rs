//! Pingora asks flate2 for zlib-ng, whose build needs cmake. flate2 calls only functions that zlib has too.
pub use libz_sys::*;
