//! The mean of two successive Gauss quadrature rules.
//!
//! The nodes of the rules of m − 1 and m steps interlace, and each rule's distribution function crosses the true one once at each node and once
//! between two (Chebyshev, Markov and Stieltjes; Szegő, "Orthogonal Polynomials", §3.41), so that the errors of the two mostly have opposite
//! signs: Laurie's averaged rules (1996) rest on the same. That matters most where one eigenvalue has much of the weight, as 0 has in a network's
//! Hessian: whether a rule of a given number of steps has a node there or two beside it is a matter of parity.

/// Nodes of the two rules that are nearer than this share of the largest are one, which moves the measure by no more than that.
const SAME: f64 = 1e-6;

/// The mean of the rules of m and of m − 1 steps. Where both have found the same eigenvalue it is listed once.
pub(super) fn mean(mut rule: Vec<(f64, f64)>, shorter: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let scale = rule.iter().fold(0.0, |largest: f64, (value, _)| largest.max(value.abs()));
    rule.iter_mut().for_each(|(_, weight)| *weight *= 0.5);
    let nodes = rule.len();
    for (value, weight) in shorter {
        let after = rule[..nodes].partition_point(|(other, _)| *other < value);
        let beside = [after.checked_sub(1), Some(after).filter(|index| *index < nodes)];
        let same = beside.into_iter().flatten().find(|index| (rule[*index].0 - value).abs() <= SAME * scale);
        match same {
            Some(index) => rule[index].1 += 0.5 * weight,
            None => rule.push((value, 0.5 * weight)),
        }
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::mean;

    #[test]
    fn common_nodes_are_one_and_others_keep_half_their_weight() {
        let longer = vec![(-1.0, 0.25), (0.5, 0.5), (100.0, 0.25)];
        let shorter = vec![(0.0, 0.75), (99.99999, 0.25)];
        let expected = vec![(-1.0, 0.125), (0.5, 0.25), (100.0, 0.25), (0.0, 0.375)];
        assert_eq!(mean(longer, shorter), expected);
        assert_eq!(mean(vec![(-100.0, 1.0)], vec![(-100.00001, 1.0)]), [(-100.0, 1.0)]);
        assert_eq!(mean(vec![(0.0, 1.0)], vec![(0.0, 1.0)]), [(0.0, 1.0)]);
    }
}
