//! The exact factor over all samples, in parts.

use super::{MeanLoss, split::Need};
use crate::{
    error::{Error, Result},
    factor::{Factor, PullBack},
    objective::Objective,
    variables::Variables,
};

impl MeanLoss {
    /// Hands out Φ with G = Φᵀ Φ for the Gauss-Newton matrix of `group`, in parts of whole variables, in the group's order: a quarter
    /// of the memory holds a part, the rest the backward passes behind it or a copy in f64. See [`Objective::factor`].
    ///
    /// # Errors
    /// When samples see each other, one variable's rows do not fit into memory, or `take` fails.
    pub fn factor<E: From<Error>>(
        &self,
        group: impl Into<Variables>,
        take: &mut dyn FnMut(Factor) -> Result<(), E>,
    ) -> Result<(), E> {
        let group = group.into();
        let whole = PullBack::new(&self.network, &group, self.columns()?)?;
        let stored: Vec<usize> = whole.stored(self.point.samples());
        let parts = parts(&stored, self.part());
        match (&group, parts.as_slice()) {
            (Variables::Parameters(indices), [_, _, ..]) => {
                for part in parts {
                    let variables = Variables::from(&indices[part]);
                    let pull_back = PullBack::new(&self.network, &variables, self.columns()?)?;
                    take(self.fill(&pull_back)?)?;
                }
                Ok(())
            }
            _ => take(self.fill(&whole)?),
        }
    }

    /// Whether [`Self::factor`] hands out the factor of these variables in one part.
    ///
    /// # Errors
    /// When samples see each other.
    pub fn factor_fits(&self, group: impl Into<Variables>) -> Result<bool> {
        let pull_back = PullBack::new(&self.network, &group.into(), self.columns()?)?;
        Ok(pull_back.stored(self.point.samples()).iter().sum::<usize>() <= self.part())
    }

    /// Whether each variable's rows fit into memory, without computing any.
    ///
    /// # Errors
    /// How much memory the largest takes; or when samples see each other.
    pub fn check_factor(&self, group: impl Into<Variables>) -> Result<()> {
        let pull_back = PullBack::new(&self.network, &group.into(), self.columns()?)?;
        let largest = pull_back.stored(self.point.samples()).into_iter().max().unwrap_or(0);
        let need = self.number() * largest + pull_back.evaluating(1, self.number());
        if need <= self.memory { Ok(()) } else { Err(too_large(need, self.memory)) }
    }

    /// Numbers that a part may hold.
    fn part(&self) -> usize {
        self.memory / 4 / self.number()
    }

    /// Rows of the factor a sample.
    fn columns(&self) -> Result<usize> {
        Objective::new(&self.network, self.loss, 1)?.loss_factor_columns()
    }

    fn fill(&self, pull_back: &PullBack) -> Result<Factor> {
        let (samples, place) = (self.point.samples(), self.point.place());
        let stored = self.number() * pull_back.stored(samples).iter().sum::<usize>();
        let need = |n| Ok(Need { residuals: 0, peak: pull_back.evaluating(n, self.number()) });
        let split = self.split(self.memory.saturating_sub(stored), need).map_err(|error| match error {
            Error::Memory { need, .. } => too_large(need + stored, self.memory),
            other => other,
        })?;
        let mut rows = pull_back.allocate(samples, place.dtype, &place.device)?;
        for index in 0..split.count {
            let range = split.range(index);
            let (start, count) = (range.start, range.len());
            let point = self.point.narrow(range)?;
            let cotangents = Objective::new(&self.network, self.loss, count)?.loss_factor(&point)?;
            let share = (count as f64 / samples as f64).sqrt();
            pull_back.fill(&mut rows, &point, &cotangents.affine(share, 0.0)?, start)?;
        }
        pull_back.finish(rows, samples)
    }
}

fn too_large(need: usize, allowed: usize) -> Error {
    Error::Memory { what: "the exact factor of one variable", need, allowed }
}

/// Neighbours together while their sum is at most `most`; at least one a part.
fn parts(sizes: &[usize], most: usize) -> Vec<std::ops::Range<usize>> {
    let (mut parts, mut start, mut sum) = (Vec::new(), 0, 0);
    for (i, &size) in sizes.iter().enumerate() {
        if i > start && sum + size > most {
            parts.push(start..i);
            (start, sum) = (i, 0);
        }
        sum += size;
    }
    parts.push(start..sizes.len());
    parts
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_are_as_large_as_fits() {
        assert_eq!(parts(&[3, 3, 3, 9, 1, 1], 6), [0..2, 2..3, 3..4, 4..6]);
        assert_eq!(parts(&[7, 6], 6), [0..1, 1..2]);
    }
}
