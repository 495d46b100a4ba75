//! Adapts sizes in a graph to the number of samples N that the network is built for.

use super::emitter::Emitter;

impl Emitter<'_, '_> {
    /// The sizes, with N as the first one if that is the number of samples that the graph was
    /// exported for.
    pub fn batched(&self, sizes: &[i64]) -> Vec<i64> {
        let mut sizes = sizes.to_vec();
        if let (Some(first), Some(exported)) = (sizes.first_mut(), self.fixed)
            && *first == exported as i64
        {
            *first = self.samples as i64;
        }
        sizes
    }

    /// The shape `wanted` for elements of shape `from`, adapted to N. One size may be −1: it
    /// follows from the number of elements. `None` if the numbers of elements differ.
    pub fn reshaped(&self, from: &[usize], wanted: &[i64]) -> Option<Vec<usize>> {
        let exported = self.fixed.filter(|exported| *exported != self.samples && *exported > 0);
        if let (Some(exported), Some(&first)) = (exported, wanted.first())
            && first > 0
            && first % exported as i64 == 0
        {
            // The leading axis is the batch axis, alone or merged with other axes.
            let mut batched = wanted.to_vec();
            batched[0] = (first / exported as i64).saturating_mul(self.samples as i64);
            if let Some(shape) = filled(from, &batched) {
                return Some(shape);
            }
        }
        filled(from, wanted)
    }
}

fn filled(from: &[usize], wanted: &[i64]) -> Option<Vec<usize>> {
    let total: usize = from.iter().product();
    let known = wanted.iter().filter(|size| **size != -1);
    let known = known.map(|size| usize::try_from(*size).ok()).collect::<Option<Vec<_>>>()?;
    let product = known.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))?;
    let left = match wanted.len() - known.len() {
        0 => (product == total).then_some(0),
        1 => (product > 0 && total.is_multiple_of(product)).then(|| total / product),
        _ => None,
    }?;
    Some(wanted.iter().map(|size| usize::try_from(*size).unwrap_or(left)).collect())
}
