//! Data sets for Eigenscape
