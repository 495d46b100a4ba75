//! Network architectures for Eigenscape
