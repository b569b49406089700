//! 4.1 Round robin
