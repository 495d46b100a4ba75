//! Reduces a band matrix to a tridiagonal matrix by chasing bulges (K. Murata & K. Horikoshi, "A
//! new method for the tridiagonalization of the symmetric band matrix", Information Processing in
//! Japan 15, 1975).
//!
//! A sweep makes one column tridiagonal by a reflection of the WIDTH rows below its diagonal entry.
//! Applied from the other side, the reflection fills entries below the band: a bulge. The next step
//! of the sweep eliminates the first column of the bulge by a reflection of the next WIDTH rows,
//! which creates the next bulge, and so on down to the last row.
//!
//! Step k of sweep s works on the WIDTH columns from s + 1 + (k − 1) WIDTH on (step 0 on column s).
//! It must follow step k + 1 of sweep s − 1, with which it has one column in common.

use std::{collections::VecDeque, ops::Range};

use eigenscape_core::{Interrupt, Result};
use eigenscape_runtime::arch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    band::{Column, WIDTH},
    reflection::{add, annihilate, dot},
};

/// The number of sweeps in a group, and of steps that they take together on columns that fit into a
/// cache.
const DEPTH: usize = 8;

/// The diagonal and the subdiagonal of a tridiagonal matrix with the eigenvalues of a band matrix
/// of n rows.
///
/// Several groups of sweeps run at the same time on disjoint columns, so that the bits do not
/// depend on the number of threads.
pub(super) fn tridiagonal(
    mut band: Vec<Column>,
    n: usize,
    interrupt: &Interrupt,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut waiting = (0..n.saturating_sub(2)).step_by(DEPTH).map(|first| Group::new(first, n));
    let mut under_way = VecDeque::new();
    loop {
        under_way.extend(waiting.next());
        if under_way.is_empty() {
            break;
        }
        interrupt.check()?;
        // Each group starts two stretches after the one before it.
        advance(&mut under_way, &mut band);
        advance(&mut under_way, &mut band);
    }
    let below = (1..n).map(|row| band[row - 1][1]).collect();
    Ok((band[..n].iter().map(|column| column[0]).collect(), below))
}

/// Advances each group by one stretch.
fn advance(groups: &mut VecDeque<Group>, band: &mut [Column]) {
    let (mut rest, mut passed) = (band, 0);
    // Later groups are further left.
    let stretches = groups.iter_mut().rev().map(|group| {
        let Range { start, end } = group.columns();
        let (until, after) = std::mem::take(&mut rest).split_at_mut(end - passed);
        let columns = &mut until[start - passed..];
        (rest, passed) = (after, end);
        Stretch { group, part: Part { left: start, columns } }
    });
    let stretches: Vec<Stretch> = stretches.collect();
    stretches.into_par_iter().for_each(|stretch| arch().dispatch(stretch));
    while groups.front().is_some_and(Group::is_done) {
        groups.pop_front();
    }
}

/// DEPTH consecutive sweeps, each one step behind the one before it.
struct Group {
    /// The column of the first sweep.
    first: usize,
    /// The number of finished stretches of DEPTH steps each.
    done: usize,
    /// The reflection that the last step of each sweep has made.
    reflections: [Reflection; DEPTH],
    /// Rows of the matrix.
    n: usize,
}

impl Group {
    fn new(first: usize, n: usize) -> Self {
        let none = Reflection { v: [0.0; WIDTH], scale: 0.0 };
        Self { first, done: 0, reflections: [none; DEPTH], n }
    }

    /// The columns of the next stretch, from those of the last sweep's first step to those of the
    /// first sweep's last.
    fn columns(&self) -> Range<usize> {
        let start = match self.done.checked_sub(1) {
            None => self.first,
            Some(before) => self.first + DEPTH + before * DEPTH * WIDTH,
        };
        let last = (self.done + 1) * DEPTH - 1;
        start..(self.first + 1 + last * WIDTH).min(self.n + WIDTH)
    }

    fn is_done(&self) -> bool {
        self.columns().start >= self.n
    }
}

/// I − s v vᵀ.
#[derive(Clone, Copy)]
struct Reflection {
    v: [f64; WIDTH],
    scale: f64,
}

/// Columns of the band from `left` on.
struct Part<'a> {
    left: usize,
    columns: &'a mut [Column],
}

impl Part<'_> {
    /// The WIDTH columns from `column` on.
    #[inline(always)]
    fn from(&mut self, column: usize) -> &mut [Column] {
        &mut self.columns[column - self.left..][..WIDTH]
    }

    /// The WIDTH entries of `column` from `row` down.
    #[inline(always)]
    fn piece(&mut self, row: usize, column: usize) -> &mut [f64] {
        &mut self.columns[column - self.left][row - column..][..WIDTH]
    }
}

/// A group and the columns of its next stretch.
struct Stretch<'a> {
    group: &'a mut Group,
    part: Part<'a>,
}

// The functions below are inlined into `with_simd`, which `dispatch` compiles for the processor's
// vector units.

impl WithSimd for Stretch<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { group, mut part } = self;
        let first = group.done * DEPTH;
        for (later, reflection) in group.reflections.iter_mut().enumerate() {
            let sweep = group.first + later;
            for step in first.saturating_sub(later)..first + DEPTH - later {
                match step.checked_sub(1) {
                    None => *reflection = Reflection::of(part.piece(sweep + 1, sweep)),
                    Some(before) => reflection.step(simd, &mut part, sweep + 1 + before * WIDTH, group.n),
                }
            }
        }
        group.done += 1;
    }
}

impl Reflection {
    /// The reflection that eliminates all but the first entry of a piece of a column, applied to
    /// it.
    #[inline(always)]
    fn of(piece: &mut [f64]) -> Self {
        let scale = annihilate(piece);
        let mut v = [1.0; WIDTH];
        v[1..].copy_from_slice(&piece[1..]);
        piece[1..].fill(0.0);
        Self { v, scale }
    }

    /// Applies the reflection to the rows and columns from `start` on; then replaces it by the
    /// sweep's next reflection, which is applied to the rows below in the same columns.
    #[inline(always)]
    fn step<S: Simd>(&mut self, simd: S, part: &mut Part, start: usize, n: usize) {
        if start >= n {
            return;
        }
        self.reflect(simd, part.from(start));
        let next = start + WIDTH;
        if next >= n {
            return;
        }
        *self = Self::of(part.piece(next, start));
        for column in start + 1..next {
            let piece = part.piece(next, column);
            let along = self.scale * dot(simd, piece, &self.v);
            add(simd, piece, -along, &self.v);
        }
    }

    /// A ← (I − s v vᵀ) A (I − s v vᵀ) = A − v wᵀ − w vᵀ, where w = s A v − ½ s² (vᵀA v) v, for
    /// WIDTH columns from their diagonal entries down. v is 0 on the rows of the next bulge, which
    /// follow its own, and A is 0 below those.
    #[inline(always)]
    fn reflect<S: Simd>(&self, simd: S, columns: &mut [Column]) {
        const LEN: usize = 2 * WIDTH;
        let (mut v, mut w) = ([0.0; WIDTH + LEN], [0.0; WIDTH + LEN]);
        v[..WIDTH].copy_from_slice(&self.v);
        for (c, column) in columns.iter().enumerate() {
            let right = dot(simd, column, &v[c..][..LEN]) - column[0] * v[c];
            add(simd, &mut w[c..][..LEN], v[c], column);
            w[c] += right;
        }
        let along = 0.5 * self.scale * dot(simd, &v, &w);
        add(simd, &mut w, -along, &v);
        for w in &mut w {
            *w *= self.scale;
        }
        for (c, column) in columns.iter_mut().enumerate() {
            add(simd, column, -w[c], &v[c..][..LEN]);
            add(simd, column, -v[c], &w[c..][..LEN]);
        }
    }
}
