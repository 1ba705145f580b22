//! Smart HTTP on loopback.
