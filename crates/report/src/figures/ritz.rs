//! What the Ritz values of an estimated spectrum stand for.
//!
//! Stochastic Lanczos quadrature (Ubaru, Chen & Saad 2017) gives one Gauss rule per probe; a record
//! holds the union of the rules. A node of a Gauss rule stands for the mass around it, up to its
//! neighbours in the same rule (the Chebyshev-Markov-Stieltjes inequalities), and says nothing
//! about where between them that mass lies.

use eigenscape_analysis::uncertainty::probes;
use eigenscape_core::results::ProbeRecord;

/// The finite nodes as (node, weight), in ascending order.
pub fn nodes(record: &ProbeRecord) -> Vec<(f64, f64)> {
    let listed = record.eigenvalues.iter().copied().zip(record.weights.iter().copied());
    let mut nodes: Vec<_> = listed.filter(|(node, _)| node.is_finite()).collect();
    nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
    nodes
}

/// Whether every rule has as many nodes as the operator has dimensions. Then all nodes are
/// eigenvalues, there are none between them, and only their weights are estimates.
pub fn complete(record: &ProbeRecord, nodes: &[(f64, f64)]) -> bool {
    nodes.len() >= probes(record).saturating_mul(record.dimension)
}

/// Spreads the weight of each node over the interval between its neighbours in the same rule, which
/// are the nodes `probes` places to its left and right. The density rises linearly from the left
/// neighbour to the node and falls linearly to the right one, so that a single rule becomes its
/// density (weight over spacing), interpolated linearly; outside the nodes it is zero. Returns
/// atoms closer to one another than `step`; the total weight is unchanged.
pub fn spread(nodes: &[(f64, f64)], probes: usize, step: f64) -> Vec<(f64, f64)> {
    let last = nodes.len().saturating_sub(1);
    let hat = |(i, &(node, weight)): (usize, &(f64, f64))| {
        let (left, right) = (nodes[i.saturating_sub(probes)].0, nodes[(i + probes).min(last)].0);
        hat((left, node, right), weight, step)
    };
    nodes.iter().enumerate().flat_map(hat).collect()
}

/// Atoms that share `weight` in proportion to the height of a triangle over (left, top, right).
fn hat((left, top, right): (f64, f64, f64), weight: f64, step: f64) -> Vec<(f64, f64)> {
    let count = ((right - left) / step).ceil();
    if count.is_nan() || count <= 1.0 {
        return vec![(top, weight)];
    }
    let height = |x: f64| if x < top { (x - left) / (top - left) } else { (right - x) / (right - top) };
    let middles = (0..count as usize).map(|i| left + (i as f64 + 0.5) * (right - left) / count);
    let atoms: Vec<_> = middles.map(|x| (x, height(x))).collect();
    let total: f64 = atoms.iter().map(|a| a.1).sum();
    atoms.into_iter().map(|(x, height)| (x, weight * height / total)).collect()
}

/// The mass that cannot be distinguished from zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearZero {
    /// The share of the total mass.
    pub share: f64,
    /// The mass lies within ± this radius.
    pub radius: f64,
}

/// The mass of the nodes nearest to zero, one per probe, and the radius up to their neighbours
/// within which it lies; `None` if no node is inside that radius or the rules are [`complete`].
pub fn near_zero(record: &ProbeRecord) -> Option<NearZero> {
    let nodes = nodes(record);
    if complete(record, &nodes) {
        return None;
    }
    let probes = probes(record);
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by(|&a, &b| nodes[a].0.abs().total_cmp(&nodes[b].0.abs()));
    let nearest = || order.iter().take(probes).copied();
    let left = nearest().min()?.saturating_sub(probes);
    let right = (nearest().max()? + probes).min(nodes.len() - 1);
    let radius = nodes[left].0.abs().max(nodes[right].0.abs());
    let inside: Vec<f64> = nodes.iter().filter(|n| n.0.abs() < radius).map(|n| n.1).collect();
    let share = inside.iter().sum::<f64>() + record.mass_at_zero();
    (!inside.is_empty()).then_some(NearZero { share, radius })
}

#[cfg(test)]
mod tests {
    use eigenscape_core::results::ProbeRecord;

    use super::{NearZero, complete, near_zero, spread};
    use crate::sample::probe;

    fn estimated(nodes: &[(f64, f64)], trace_stderr: Option<f64>) -> ProbeRecord {
        let (values, weights): (Vec<f64>, Vec<f64>) = nodes.iter().rev().copied().unzip();
        ProbeRecord { exact: false, weights, trace_stderr, ..probe(1, "full", "lanczos", 1000, &values) }
    }

    #[test]
    fn spreading_keeps_the_mass_between_the_neighbours() {
        let nodes = [(-2.0, 0.1), (0.0, 0.6), (1.0, 0.2), (4.0, 0.1)];
        let step = 1e-3;
        let atoms = spread(&nodes, 1, step);
        let mass =
            |low: f64, high: f64| atoms.iter().filter(|a| low < a.0 && a.0 < high).map(|a| a.1).sum::<f64>();
        assert!((mass(-2.0, 4.0) - 1.0).abs() < 1e-12);
        // A hat over (−2, 1) with its top at 0 has two thirds of its mass to the left; the node −2
        // has all its mass to the right of it, the node 1 a quarter between 0 and 1.
        assert!((mass(-2.0, 0.0) - (0.1 + 0.6 * 2.0 / 3.0)).abs() < 1e-3);
        assert!((mass(0.0, 1.0) - (0.6 / 3.0 + 0.2 / 4.0)).abs() < 1e-3);
    }

    #[test]
    fn the_rules_of_several_probes_are_spread_as_each_alone() {
        let one = [(-1.0, 0.5), (0.5, 0.25), (3.0, 0.25)];
        let twice: Vec<_> = one.iter().flat_map(|&(x, w)| [(x, 0.5 * w); 2]).collect();
        let mass = |atoms: Vec<(f64, f64)>| atoms.iter().filter(|a| a.0 < 0.2).map(|a| a.1).sum::<f64>();
        let (alone, united) = (mass(spread(&one, 1, 1e-3)), mass(spread(&twice, 2, 1e-3)));
        assert!((alone - united).abs() < 1e-12, "{alone} {united}");
        // Attributed to a single probe, the same nodes would imply twice the resolution.
        assert!((mass(spread(&twice, 1, 1e-3)) - alone).abs() > 0.01);
    }

    #[test]
    fn nodes_without_neighbours_stay() {
        assert_eq!(spread(&[(2.0, 1.0)], 1, 0.1), [(2.0, 1.0)]);
        assert_eq!(spread(&[(2.0, 0.5), (2.0, 0.5)], 1, 0.1), [(2.0, 0.5), (2.0, 0.5)]);
        assert!(spread(&[], 1, 0.1).is_empty());
        assert_eq!(near_zero(&estimated(&[(2.0, 1.0)], None)), None);
        assert_eq!(near_zero(&estimated(&[], Some(1.0))), None);
    }

    #[test]
    fn complete_rules_are_all_eigenvalues() {
        let nodes = [(0.0, 0.25), (0.0, 0.25), (1.0, 0.25), (1.0, 0.25)];
        let of_dimension = |dimension| ProbeRecord { dimension, ..estimated(&nodes, Some(0.1)) };
        assert!(complete(&of_dimension(2), &nodes) && !complete(&of_dimension(3), &nodes));
        assert_eq!(near_zero(&of_dimension(2)), None);
        assert!(near_zero(&of_dimension(3)).is_some());
    }

    #[test]
    fn the_mass_near_zero_reaches_to_the_neighbours() {
        let one =
            [(-0.7, 0.01), (-0.036, 0.013), (-0.001, 0.81), (0.007, 0.13), (0.043, 0.0116), (8.0, 0.0254)];
        let NearZero { share, radius } = near_zero(&estimated(&one, None)).unwrap();
        assert_eq!(radius, 0.036);
        assert!((share - 0.94).abs() < 1e-12, "{share}");
        // Positive semidefinite with a known null space: the nodes have neighbours on one side
        // only.
        let semidefinite = [(2e-7, 0.45), (3e-7, 0.45), (0.2, 0.02), (0.3, 0.02), (8.0, 0.03), (8.0, 0.03)];
        let NearZero { share, radius } = near_zero(&estimated(&semidefinite, Some(1.0))).unwrap();
        assert_eq!(radius, 0.3);
        assert!((share - 0.92).abs() < 1e-12, "{share}");
    }
}
