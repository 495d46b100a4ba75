//! Sizes that a graph states, for another number of samples than it was exported for.

use super::emitter::Emitter;

impl Emitter<'_, '_> {
    /// Sizes with N in place of the number of samples that the graph was exported for.
    pub fn batched(&self, sizes: &[i64]) -> Vec<i64> {
        let mut sizes = sizes.to_vec();
        if let (Some(first), Some(exported)) = (sizes.first_mut(), self.fixed)
            && *first == exported as i64
        {
            *first = self.samples as i64;
        }
        sizes
    }

    /// The shape in which elements of shape `from` are read as `wanted`, of which one size may be
    /// −1: what is left. `None` where there is none.
    pub fn reshaped(&self, from: &[usize], wanted: &[i64]) -> Option<Vec<usize>> {
        let exported = self.fixed.filter(|exported| *exported != self.samples && *exported > 0);
        if let (Some(exported), Some(&first)) = (exported, wanted.first())
            && first > 0
            && first % exported as i64 == 0
        {
            // The number of samples, alone or joined with other axes.
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
