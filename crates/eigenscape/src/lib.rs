//! Curvature of neural networks.
