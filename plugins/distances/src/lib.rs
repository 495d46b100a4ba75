//! Distances between spectra
