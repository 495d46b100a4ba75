//! The mean of two successive Gauss quadrature rules.
//!
//! The nodes of the rules of m − 1 and m steps interlace, and the distribution function of each
//! rule crosses the true one once at each node and once between neighbouring nodes (Chebyshev,
//! Markov and Stieltjes; Szegő, "Orthogonal Polynomials", §3.41). The errors of the two rules
//! therefore mostly have opposite signs, which Laurie's averaged rules (1996) use, too. The effect
//! is largest where one eigenvalue has much of the weight, as 0 has in a network's Hessian: whether
//! a rule has one node there or two nodes beside it depends on the parity of the number of steps.

use eigenscape_core::Node;

/// Nodes of the two rules that differ by at most this share of the largest are merged, which moves
/// the measure by no more than that.
const SAME: f64 = 1e-6;

/// The mean of the rules of m and of m − 1 steps. An eigenvalue that both have found is listed
/// once, with the value of the longer rule.
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
