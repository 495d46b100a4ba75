//! Exact and stochastic estimators of curvature spectra
