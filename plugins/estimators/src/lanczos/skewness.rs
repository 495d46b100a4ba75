//! How far Student's interval of the trace can be trusted where a few eigenvalues dominate.
//!
//! A sample of the trace is about Σ λᵢ gᵢ² with independent normal gᵢ, as skewed as a χ² variable with
//! d = (tr H²)³ / (tr H³)² degrees of freedom: 1 for one eigenvalue alone, many for a flat spectrum. Of such
//! samples, too few are large, and the mean of k of them with its standard error lies too low too often: of
//! one dominating eigenvalue Student's 95 % interval with k − 1 degrees of freedom covers 82 % with k = 4.

use super::Nodes;

/// Degrees of freedom ν ≤ k − 1 with which Student's 95 % interval covers the trace.
///
/// ν = (k − 1) d / (d + 4 (k − 1)/(k + 5)), fitted to the coverage of means of k samples of Gamma(d/2)
/// variables for k from 2 to 32 and d from 1 to ∞. d is estimated from the moments vᵀH²v and vᵀH³v of the
/// same random vectors, which a rule of two steps has exactly, and is at least 1 whatever H is. For spectra
/// of one to a hundred eigenvalues, definite and not, intervals then cover 92 to 98 %.
pub(super) fn degrees_of_freedom(probes: usize, dimension: usize, rules: &[Nodes]) -> f64 {
    let nodes = || rules.iter().flatten();
    // Relative to the largest, since cubes overflow.
    let largest = nodes().fold(0.0, |largest: f64, node| largest.max(node.value.abs()));
    let samples = (probes - 1) as f64;
    if largest == 0.0 {
        return samples;
    }
    // Of all eigenvalues together; the weights of each rule sum to 1.
    let moment = |power: i32| {
        let terms = nodes().map(|node| node.weight * (node.value / largest).powi(power));
        terms.sum::<f64>() * dimension as f64 / probes as f64
    };
    let (square, cube) = (moment(2), moment(3));
    let effective = (square.powi(3) / cube.powi(2)).max(1.0);
    if effective.is_infinite() {
        return samples;
    }
    samples * effective / (effective + 4.0 * samples / (probes as f64 + 5.0))
}

#[cfg(test)]
mod tests {
    use eigenscape_core::Node;

    use super::*;

    /// Of four probes that have found the same.
    fn of(nodes: &[(f64, f64)]) -> f64 {
        let node = |&(value, weight): &(f64, f64)| Node { value, weight, residual: 0.0 };
        degrees_of_freedom(4, 100, &vec![nodes.iter().map(node).collect(); 4])
    }

    #[test]
    fn a_flat_spectrum_has_nearly_all_and_one_eigenvalue_few() {
        // Of 100 equal eigenvalues d = 100; of one among 100, with its expected weight, d = 1.
        assert!((of(&[(2.0, 1.0)]) - 3.0 * 100.0 / (100.0 + 4.0 / 3.0)).abs() < 1e-12);
        let one = of(&[(1e200, 0.01), (0.0, 0.99)]);
        assert!((one - 3.0 / (1.0 + 4.0 / 3.0)).abs() < 1e-12, "{one}");
        // A weight below what one eigenvalue has is chance.
        assert_eq!(of(&[(1e200, 0.001), (0.0, 0.999)]), one);
        // Symmetric spectra are not skewed, and neither is 0.
        assert_eq!((of(&[(-1.0, 0.5), (1.0, 0.5)]), of(&[(0.0, 1.0)])), (3.0, 3.0));
    }
}
