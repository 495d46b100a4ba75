//! Figures and the self-contained HTML page of an experiment's results
