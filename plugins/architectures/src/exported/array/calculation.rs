//! What is computed from constant tensors.

use eigenscape_program::{Result, operations::MatMul};

use super::{Array, USUAL, common_shape, count, each_position, misfit, row_major};

impl Array {
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Result<Self> {
        let compact = self.compact();
        let numbers = compact.elements()?.into_iter().map(f).collect();
        Self::new(&compact.shape, numbers).within(self.limit).broadcast(&self.shape)
    }

    /// Element by element, with axes of size 1 repeated.
    pub fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Result<Self> {
        let shape = common_shape(&self.shape, &other.shape)?;
        let (a, b) = (self.broadcast(&shape)?, other.broadcast(&shape)?);
        let compact = common_shape(&a.compact().shape, &b.compact().shape)?;
        let within = |array: Self| Self { shape: compact.clone(), ..array };
        let (a, b) = (within(a), within(b));
        let limit = self.limit.max(other.limit);
        Self::by(limit, &compact, |position| f(a.at(position), b.at(position)))?.broadcast(&shape)
    }

    pub fn concat(parts: &[Self], axis: usize) -> Result<Self> {
        let mut shape = parts.first().map(|part| part.shape.clone()).unwrap_or_default();
        let fits = |part: &Self| {
            let same = |(i, (a, b)): (usize, (&usize, &usize))| i == axis || a == b;
            part.shape.len() == shape.len() && part.shape.iter().zip(&shape).enumerate().all(same)
        };
        if let Some(other) = parts.iter().find(|part| !fits(part)) {
            return Err(misfit(&shape, &other.shape));
        }
        let Some(size) = shape.get_mut(axis) else { return Err(misfit(&shape, &[])) };
        *size = parts.iter().fold(0, |total: usize, part| total.saturating_add(part.shape[axis]));
        let limit = parts.iter().map(|part| part.limit).max().unwrap_or(USUAL);
        count(&shape, limit)?;
        let mut ends = Vec::new();
        parts.iter().fold(0, |start, part| {
            ends.push(start + part.shape[axis]);
            start + part.shape[axis]
        });
        let mut position = vec![0; shape.len()];
        Self::by(limit, &shape, |at| {
            let part = ends.partition_point(|end| *end <= at[axis]);
            position.copy_from_slice(at);
            position[axis] -= ends[part] - parts[part].shape[axis];
            parts[part].at(&position)
        })
    }

    /// f over all elements along `axes`, from `start` on; these axes keep the size 1.
    pub fn reduce(&self, axes: &[usize], start: f64, f: impl Fn(f64, f64) -> f64) -> Result<Self> {
        let size = |axis: usize| if axes.contains(&axis) { 1 } else { self.shape[axis] };
        let shape: Vec<usize> = (0..self.shape.len()).map(size).collect();
        let over = |axis: usize| if axes.contains(&axis) { self.shape[axis] } else { 1 };
        let inner: Vec<usize> = (0..self.shape.len()).map(over).collect();
        count(&inner, self.limit)?;
        let mut place = vec![0; shape.len()];
        Self::by(self.limit, &shape, |position| {
            let mut total = start;
            each_position(&inner, |along| {
                place.iter_mut().zip(position.iter().zip(along)).for_each(|(place, (a, b))| *place = a + b);
                total = f(total, self.at(&place));
            });
            total
        })
    }

    /// Sums of the elements up to each along an axis.
    pub fn running_sums(&self, axis: usize) -> Result<Self> {
        let mut sums = self.elements()?;
        let (block, size) = (row_major(&self.shape)[axis], self.shape[axis]);
        for group in sums.chunks_mut((block * size).max(1)) {
            for place in block..group.len() {
                group[place] += group[place - block];
            }
        }
        Ok(Self::new(&self.shape, sums).within(self.limit))
    }

    /// The general product of two arrays.
    pub fn matmul(&self, other: &Self, axes: &MatMul) -> Result<Self> {
        let wrong = axes.batch.iter().chain(&axes.contract).any(|[l, r]| self.shape[*l] != other.shape[*r]);
        if wrong {
            return Err(misfit(&self.shape, &other.shape));
        }
        let free = [axes.free(0, self.shape.len()), axes.free(1, other.shape.len())];
        let batch = axes.batch.iter().map(|[l, _]| self.shape[*l]);
        let [left, right] = [(&self.shape, &free[0]), (&other.shape, &free[1])]
            .map(|(shape, free)| free.iter().map(|&axis| shape[axis]).collect::<Vec<_>>());
        let shape: Vec<usize> = batch.chain(left).chain(right).collect();
        let inner: Vec<usize> = axes.contract.iter().map(|[l, _]| self.shape[*l]).collect();
        let mut at = [vec![0; self.shape.len()], vec![0; other.shape.len()]];
        Self::by(self.limit.max(other.limit), &shape, |position| {
            let (batch, rest) = position.split_at(axes.batch.len());
            let (left, right) = rest.split_at(free[0].len());
            for side in 0..2 {
                axes.batch.iter().zip(batch).for_each(|(pair, &place)| at[side][pair[side]] = place);
                let own = if side == 0 { left } else { right };
                free[side].iter().zip(own).for_each(|(&axis, &place)| at[side][axis] = place);
            }
            let mut sum = 0.0;
            each_position(&inner, |along| {
                for side in 0..2 {
                    axes.contract.iter().zip(along).for_each(|(pair, &place)| at[side][pair[side]] = place);
                }
                sum += self.at(&at[0]) * other.at(&at[1]);
            });
            sum
        })
    }
}
