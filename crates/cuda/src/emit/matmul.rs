//! Tensor contractions, as batches of matrix products.

use candle_core::DType;
use eigenscape_program::operations::MatMul;
use eigenscape_runtime::{Layout, ProductAxes, lead_is_rows};

use super::{aligned, place};
use crate::{
    Result,
    builder::{Builder, Home, View},
    command::Place,
    cublas::{Factor, Product, Stored},
};

/// An operand as a batch of matrices: its place, the strides of the batch axes, and (size, stride)
/// of the free and the contracted axis.
struct Arranged {
    at: Place,
    batch: Vec<usize>,
    free: (usize, usize),
    contracted: (usize, usize),
}

/// How cuBLAS can read a matrix with this (size, stride) of its rows and columns: the storage order
/// and the leading dimension. `None` if it cannot.
fn stored(rows: (usize, usize), columns: (usize, usize)) -> Option<(Stored, usize)> {
    let unit = |(size, step): (usize, usize)| size == 1 || step == 1;
    let leads = |(size, step): (usize, usize), (inner, _): (usize, usize)| size == 1 || step >= inner;
    if unit(rows) && leads(columns, rows) {
        let leading = if columns.0 == 1 { rows.0 } else { columns.1 };
        return Some((Stored::AsIs, leading.max(1)));
    }
    if unit(columns) && leads(rows, columns) {
        let leading = if rows.0 == 1 { columns.0 } else { rows.1 };
        return Some((Stored::Transposed, leading.max(1)));
    }
    None
}

/// Emits a product; four operands give the sum of two products.
pub(super) fn emit(builder: &mut Builder, dot: &MatMul, args: &[View], out: &View) -> Result<()> {
    if out.layout.elements() == 0 {
        return Ok(());
    }
    // The first product writes the result, so it must have the leading axis if the result has it.
    let (mut pairs, has_lead) =
        (args.chunks_exact(2).collect::<Vec<_>>(), |pair: &[View]| pair.iter().any(|operand| operand.led));
    pairs.sort_by_key(|pair| !has_lead(pair));
    for (index, pair) in pairs.into_iter().enumerate() {
        if has_lead(pair) == out.led {
            once(builder, dot, pair, out, index > 0)?;
            continue;
        }
        let declared = out.declared();
        let term = builder.scratch(declared.iter().product(), builder.compute());
        let term = View::in_order(term, declared, builder.compute());
        once(builder, dot, pair, &term, false)?;
        super::add(builder, &[out.clone(), term], out)?;
    }
    Ok(())
}

/// Emits one product, which is added to the result if it `accumulates`.
fn once(builder: &mut Builder, dot: &MatMul, args: &[View], out: &View, accumulates: bool) -> Result<()> {
    let led = [args[0].led, args[1].led];
    let dtype = builder.compute();
    let left = arrange(builder, dot, 0, args, led, dtype)?;
    let right = arrange(builder, dot, 1, args, led, dtype)?;
    let lead = (led[0] || led[1]) && !lead_is_rows(dot, led);
    let sizes: Vec<usize> = lead
        .then(|| builder.lead())
        .into_iter()
        .chain(dot.batch.iter().map(|[l, _]| args[0].declared()[*l]))
        .collect();
    let with_lead = |side: usize, arranged: &Arranged| -> Vec<usize> {
        let repeated = (lead && !led[side]).then_some(0);
        repeated.into_iter().chain(arranged.batch.iter().copied()).collect()
    };
    let steps = [with_lead(0, &left), with_lead(1, &right)];
    let (m, n, k) = (left.free.0, right.free.0, left.contracted.0);
    let to = place(out)?;
    let bytes = dtype.size_in_bytes();
    if k == 0 && accumulates {
        return Ok(());
    }
    if k == 0 {
        builder.zero(to, out.layout.elements() * bytes);
        return Ok(());
    }
    let batches = Batches::new(&sizes, steps, m * n);
    for [l, r, o] in batches.starts() {
        // Row-major C = A·Bᵀ is column-major Cᵀ = B·Aᵀ.
        let [Some(first), Some(second)] =
            [stored(right.free, right.contracted), stored(left.contracted, left.free)]
        else {
            return Err(eigenscape_runtime::Error::unsupported(
                "a product of operands that are not arranged",
            ));
        };
        let factor = |at: Place, (stored, leading): (Stored, usize), step: usize, start: usize| Factor {
            at: at.plus(start * bytes),
            stored,
            leading,
            step,
        };
        let [left_step, right_step, out_step] = batches.inner_steps;
        let product = Product {
            sizes: [n, m, k],
            batch: batches.inner,
            factors: [factor(right.at, first, right_step, r), factor(left.at, second, left_step, l)],
            result: factor(to, (Stored::AsIs, n), out_step, o),
            accumulates,
            dtype,
        };
        if builder.tf32() && aligned::pays(&product) {
            aligned::emit(builder, product)?;
        } else {
            builder.multiply(product);
        }
    }
    Ok(())
}

/// An operand with its axes in the order batch, free, contracted: in place if cuBLAS can read it
/// there, else copied.
fn arrange(
    builder: &mut Builder,
    dot: &MatMul,
    side: usize,
    args: &[View],
    led: [bool; 2],
    dtype: DType,
) -> Result<Arranged> {
    let view = &args[side];
    let ProductAxes { batch, free, contracted } = ProductAxes::new(dot, side, view.declared().len(), led);
    let (b, f) = (batch.len(), batch.len() + free.len());
    let ordered = view.layout.permute(&[batch, free, contracted].concat());
    let as_it_lies = || {
        let Home::At(at) = view.home else { return None };
        // If no single stride covers the batch axes, each element would need its own call; a copy
        // costs less.
        ordered.merged(0..b)?;
        let (free, contracted) = (ordered.merged(b..f)?, ordered.merged(f..ordered.dims.len())?);
        // cuBLAS can take either axis as the rows.
        stored(free, contracted).filter(|_| view.dtype == dtype)?;
        let at = at.plus(ordered.start * dtype.size_in_bytes());
        Some(Arranged { at, batch: ordered.strides[..b].to_vec(), free, contracted })
    };
    if let Some(arranged) = as_it_lies() {
        return Ok(arranged);
    }
    let at = builder.in_order(&view.by(ordered.clone()), dtype)?;
    let copied = Layout::in_order(&ordered.dims);
    let size = |axes: std::ops::Range<usize>| ordered.dims[axes].iter().product::<usize>();
    let contracted = (size(f..ordered.dims.len()), 1);
    let free = (size(b..f), contracted.0);
    Ok(Arranged { at, batch: copied.strides[..b].to_vec(), free, contracted })
}

/// The batch axes. The innermost ones, which a single stride covers in each operand, form one
/// batch; the others are enumerated.
struct Batches {
    inner: usize,
    inner_steps: [usize; 3],
    outer: Vec<(usize, [usize; 3])>,
}

impl Batches {
    fn new(sizes: &[usize], [left, right]: [Vec<usize>; 2], result: usize) -> Self {
        let mut batches = Self { inner: 1, inner_steps: [0; 3], outer: Vec::new() };
        let mut result_step = result;
        for axis in (0..sizes.len()).rev() {
            let (size, steps) = (sizes[axis], [left[axis], right[axis], result_step]);
            result_step *= size;
            if size == 1 {
                continue;
            }
            let Self { inner, inner_steps, outer } = &mut batches;
            let goes_on = steps.iter().zip(inner_steps.iter()).all(|(step, within)| *step == within * *inner);
            if *inner == 1 {
                (*inner, *inner_steps) = (size, steps);
            } else if outer.is_empty() && goes_on {
                *inner *= size;
            } else {
                outer.push((size, steps));
            }
        }
        batches
    }

    /// The offsets of the inner batches in the left operand, the right operand and the result.
    fn starts(&self) -> Vec<[usize; 3]> {
        let mut starts = vec![[0; 3]];
        for &(size, steps) in &self.outer {
            let all = starts.iter().flat_map(|start| {
                (0..size).map(move |i| [0, 1, 2].map(|operand| start[operand] + i * steps[operand]))
            });
            starts = all.collect();
        }
        starts
    }
}
