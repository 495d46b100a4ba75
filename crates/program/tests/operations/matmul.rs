//! Laws of `operations/matmul.rs`.

use proptest::prelude::*;

use crate::common::*;

#[test]
fn laws_of_linear_layers() {
    Subject::new(1, &[&[3, 4], &[5, 4]], |g, x| g.linear(x[0], x[1])).must_be_multilinear().obeys_all();
    Subject::new(2, &[&[2, 3, 4], &[5, 4]], |g, x| g.linear(x[0], x[1])).must_be_multilinear().obeys_all();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Operands with any order of batch, contracted and free axes.
    #[test]
    fn laws(seed in any::<u64>(), lhs in Just([0, 1, 2, 3]).prop_shuffle(), rhs in Just([0, 1, 2, 3]).prop_shuffle()) {
        // Axes by role: shared, contracted, contracted, free.
        let (left, right) = ([2, 3, 2, 2], [2, 3, 2, 3]);
        let place = |order: [usize; 4], role: usize| order.iter().position(|&r| r == role).unwrap_or(0);
        let pair = |role: usize| [place(lhs, role), place(rhs, role)];
        let dot = MatMul { batch: vec![pair(0)], contract: vec![pair(2), pair(1)] };
        let left: Vec<usize> = lhs.iter().map(|&role| left[role]).collect();
        let right: Vec<usize> = rhs.iter().map(|&role| right[role]).collect();
        Subject::new(seed, &[&left, &right], |g, x| g.matmul(x[0], x[1], dot.clone())).must_be_multilinear().obeys_all();
    }
}
