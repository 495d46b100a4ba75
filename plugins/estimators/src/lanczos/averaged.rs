//! The mean of two successive Gauss quadrature rules.
//!
//! The nodes of the rules of m − 1 and m steps interlace, and each rule's distribution function
//! crosses the true one once at each node and once between two (Chebyshev, Markov and Stieltjes;
//! Szegő, "Orthogonal Polynomials", §3.41), so that the errors of the two mostly have opposite
//! signs: Laurie's averaged rules (1996) rest on the same. That matters most where one eigenvalue
//! has much of the weight, as 0 has in a network's Hessian: whether a rule of a given number of
//! steps has a node there or two beside it is a matter of parity.

use eigenscape_core::Node;

/// Nodes of the two rules that are nearer than this share of the largest are one, which moves the
/// measure by no more than that.
const SAME: f64 = 1e-6;

/// The mean of the rules of m and of m − 1 steps. Where both have found the same eigenvalue it is
/// listed once, as the longer one has it.
pub(super) fn mean(mut rule: Vec<Node>, shorter: Vec<Node>) -> Vec<Node> {
    let scale = rule.iter().fold(0.0, |largest: f64, node| largest.max(node.value.abs()));
    rule.iter_mut().for_each(|node| node.weight *= 0.5);
    let nodes = rule.len();
    for Node { value, weight, residual } in shorter {
        let after = rule[..nodes].partition_point(|other| other.value < value);
        let beside = [after.checked_sub(1), Some(after).filter(|index| *index < nodes)];
        let is_same = |index: &usize| (rule[*index].value - value).abs() <= SAME * scale;
        match beside.into_iter().flatten().find(is_same) {
            Some(index) => rule[index].weight += 0.5 * weight,
            None => rule.push(Node { value, weight: 0.5 * weight, residual }),
        }
    }
    rule
}

#[cfg(test)]
mod tests {
    use eigenscape_core::Node;

    use super::mean;

    fn nodes<const N: usize>(of: [(f64, f64); N]) -> Vec<Node> {
        of.map(|(value, weight)| Node { value, weight, residual: 0.0 }).to_vec()
    }

    #[test]
    fn common_nodes_are_one_and_others_keep_half_their_weight() {
        let longer = nodes([(-1.0, 0.25), (0.5, 0.5), (100.0, 0.25)]);
        let shorter = nodes([(0.0, 0.75), (99.99999, 0.25)]);
        let expected = nodes([(-1.0, 0.125), (0.5, 0.25), (100.0, 0.25), (0.0, 0.375)]);
        assert_eq!(mean(longer, shorter), expected);
        assert_eq!(mean(nodes([(-100.0, 1.0)]), nodes([(-100.00001, 1.0)])), nodes([(-100.0, 1.0)]));
        assert_eq!(mean(nodes([(0.0, 1.0)]), nodes([(0.0, 1.0)])), nodes([(0.0, 1.0)]));
    }
}
