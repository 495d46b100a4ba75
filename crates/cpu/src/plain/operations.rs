//! The definition of each operation.

use eigenscape_program::{
    ElementwiseFunction as Function, Operation, Primitive,
    operations::{Conv2d, ConvArgument, ConvSettings, MatMul, PoolWindows},
};
use eigenscape_runtime::{Array, Definitions, Error};

use super::array::{index, positions};
use crate::Result;

/// Evaluates an operation on operands without a leading axis, into `out`.
pub(super) fn evaluate(
    operation: &Operation,
    definitions: &Definitions,
    args: &[Array],
    out: &mut [f64],
) -> Result<()> {
    match operation {
        Operation::Add(_) => each(out, |i| args[0].numbers[i] + args[1].numbers[i]),
        Operation::Mul(_) => each(out, |i| args[0].numbers[i] * args[1].numbers[i]),
        Operation::Scale(scale) => each(out, |i| scale.factor.0 * args[0].numbers[i]),
        Operation::Function(function) => each(out, |i| apply(*function, args[0].numbers[i])),
        Operation::Reshape(_) | Operation::Detach(_) => out.copy_from_slice(args[0].numbers),
        Operation::Fill(fill) => out.fill(fill.value.0),
        Operation::Literal(literal) => out.copy_from_slice(literal.numbers()),
        Operation::Matrix(matrix) => each(out, |i| matrix.element(i / matrix.columns, i % matrix.columns)),
        Operation::Broadcast(broadcast) => {
            let x = args[0];
            for (out, position) in out.iter_mut().zip(positions(&broadcast.shape)) {
                let kept: Vec<usize> = position.iter().zip(x.dims).map(|(&p, &size)| p % size).collect();
                *out = x.numbers[index(&kept, x.dims)];
            }
        }
        Operation::Permute(permute) => {
            let x = args[0];
            let dims: Vec<usize> = permute.axes.iter().map(|&axis| x.dims[axis]).collect();
            for (out, position) in out.iter_mut().zip(positions(&dims)) {
                let mut from = vec![0; dims.len()];
                permute.axes.iter().zip(position).for_each(|(&axis, place)| from[axis] = place);
                *out = x.numbers[index(&from, x.dims)];
            }
        }
        Operation::Slice(slice) => {
            let mut dims = args[0].dims.to_vec();
            dims[slice.axis] = slice.len;
            for (out, mut position) in out.iter_mut().zip(positions(&dims)) {
                position[slice.axis] += slice.start;
                *out = args[0].numbers[index(&position, args[0].dims)];
            }
        }
        Operation::Pad(pad) => {
            let mut dims = args[0].dims.to_vec();
            dims[pad.axis] += pad.before + pad.after;
            for (mut position, x) in positions(args[0].dims).zip(args[0].numbers) {
                position[pad.axis] += pad.before;
                out[index(&position, &dims)] = *x;
            }
        }
        Operation::Concat(concat) => {
            let mut dims = args[0].dims.to_vec();
            dims[concat.axis] = args.iter().map(|arg| arg.dims[concat.axis]).sum();
            let mut start = 0;
            for arg in args {
                for (mut position, x) in positions(arg.dims).zip(arg.numbers) {
                    position[concat.axis] += start;
                    out[index(&position, &dims)] = *x;
                }
                start += arg.dims[concat.axis];
            }
        }
        Operation::Sum(sum) => {
            let kept = |axis: usize, size: usize| if sum.axes.contains(&axis) { 1 } else { size };
            let dims: Vec<usize> = args[0].dims.iter().enumerate().map(|(a, &size)| kept(a, size)).collect();
            for (mut position, x) in positions(args[0].dims).zip(args[0].numbers) {
                sum.axes.iter().for_each(|&axis| position[axis] = 0);
                out[index(&position, &dims)] += x;
            }
        }
        Operation::MatMul(dot) => product(dot, args, out)?,
        Operation::Conv2d(convolution) => convolve(convolution, args, out),
        Operation::Argmax(argmax) => {
            let size = args[0].dims.last().copied().unwrap_or(1);
            let rows = args[0].numbers.chunks(size.max(1));
            out.iter_mut().zip(rows).for_each(|(out, row)| *out = first_near_largest(row, argmax.slack.0));
        }
        Operation::ArgmaxPool(pool) => largest_of_windows(&pool.0, args[0].numbers, out),
        Operation::SumPool(pool) => {
            let window = |out: &mut f64, at: usize| *out += args[0].numbers[at];
            windows(&pool.0).zip(out).for_each(|(elements, out)| elements.for_each(|at| window(out, at)));
        }
        Operation::SumPoolTranspose(pool) => {
            for (elements, y) in windows(&pool.0).zip(args[0].numbers) {
                elements.for_each(|at| out[at] += y);
            }
        }
        Operation::Differences(_) => by_row(args, out, |x, m, out| {
            out.iter_mut().zip(x).for_each(|(out, element)| *out = element - x[m]);
        })?,
        Operation::DifferencesTranspose(_) => by_row(args, out, |x, m, out| {
            out.copy_from_slice(x);
            out[m] = 0.0;
            out[m] = -out.iter().sum::<f64>();
        })?,
        Operation::Gather(_) => {
            let [from, picks] = [args[0].dims[1], args[1].dims[1]];
            for (i, out) in out.iter_mut().enumerate() {
                let at = within(args[1].numbers[i], from)?;
                *out = args[0].numbers[i / picks * from + at];
            }
        }
        Operation::ScatterAdd(scatter) => {
            let picks = args[1].dims[1];
            for (i, x) in args[0].numbers.iter().enumerate() {
                let at = within(args[1].numbers[i], scatter.size)?;
                out[i / picks * scatter.size + at] += x;
            }
        }
        Operation::Take(_) => {
            let [rows, width] = [args[0].dims[0], args[0].dims[1]];
            for (out, row) in out.chunks_mut(width.max(1)).zip(args[1].numbers) {
                let row = within(*row, rows)?;
                out.copy_from_slice(&args[0].numbers[row * width..][..width]);
            }
        }
        Operation::PutRows(put) => {
            let width = args[0].dims.last().copied().unwrap_or(1);
            for (x, row) in args[0].numbers.chunks(width.max(1)).zip(args[1].numbers) {
                let row = within(*row, put.rows)?;
                out[row * width..][..width].iter_mut().zip(x).for_each(|(out, x)| *out += x);
            }
        }
        Operation::Scan(scan) => super::scan::evaluate(scan, definitions, args, out)?,
        Operation::Custom(operation) => definitions.evaluate(&**operation, args, out)?,
    }
    Ok(())
}

fn each(out: &mut [f64], element: impl Fn(usize) -> f64) {
    out.iter_mut().enumerate().for_each(|(i, out)| *out = element(i));
}

/// Converts an index to a position below `size`.
fn within(index: f64, size: usize) -> Result<usize> {
    let at = index as usize;
    if at < size { Ok(at) } else { Err(Error::shape("index", format!("{index} among {size}"))) }
}

fn apply(function: Function, x: f64) -> f64 {
    match function {
        Function::Relu => x.max(0.0),
        Function::LeakyRelu { slope } => {
            if x > 0.0 {
                x
            } else {
                slope.0 * x
            }
        }
        Function::Step { slope } => {
            if x > 0.0 {
                1.0
            } else {
                slope.0
            }
        }
        Function::Tanh => x.tanh(),
        Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Function::SigmoidComplement => 1.0 / (1.0 + x.exp()),
        Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Function::Elu { order: 0 } => {
            if x > 0.0 {
                x
            } else {
                x.exp_m1()
            }
        }
        Function::Elu { order: 1 } => {
            if x > 0.0 {
                1.0
            } else {
                x.exp()
            }
        }
        Function::Elu { .. } => {
            if x < 0.0 {
                x.exp()
            } else {
                0.0
            }
        }
        Function::NormalCdf => 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::LogOnePlus => x.ln_1p(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        Function::Atan => x.atan(),
        Function::Sqrt => x.sqrt(),
        Function::Recip => 1.0 / x,
        Function::Floor => x.floor(),
    }
}

/// out\[b, i, j\] = Σ_k lhs\[b, i, k\] rhs\[b, j, k\].
fn product(dot: &MatMul, args: &[Array], out: &mut [f64]) -> Result<()> {
    let [lhs, rhs] = [args[0], args[1]];
    let free = [dot.free(0, lhs.dims.len()), dot.free(1, rhs.dims.len())];
    let contracted: Vec<usize> = dot.contract.iter().map(|[l, _]| lhs.dims[*l]).collect();
    let shape = dot.shape(&[lhs.dims, rhs.dims])?;
    for (out, position) in out.iter_mut().zip(positions(&shape)) {
        let mut at = [vec![0; lhs.dims.len()], vec![0; rhs.dims.len()]];
        let (batch, rest) = position.split_at(dot.batch.len());
        let (left, right) = rest.split_at(free[0].len());
        for side in 0..2 {
            dot.batch.iter().zip(batch).for_each(|(pair, &place)| at[side][pair[side]] = place);
            let own = if side == 0 { left } else { right };
            free[side].iter().zip(own).for_each(|(&axis, &place)| at[side][axis] = place);
        }
        for inner in positions(&contracted) {
            for (pair, place) in dot.contract.iter().zip(inner) {
                at[0][pair[0]] = place;
                at[1][pair[1]] = place;
            }
            *out += lhs.numbers[index(&at[0], lhs.dims)] * rhs.numbers[index(&at[1], rhs.dims)];
        }
    }
    Ok(())
}

/// The gradient of the trilinear form Σ y\[n, o, p\] x\[n, c, p'\] w\[o, c, k\] with respect to the
/// argument `convolution.of`: the convolution or one of its transposes.
fn convolve(convolution: &Conv2d, args: &[Array], out: &mut [f64]) {
    let shapes = &convolution.shapes;
    let ConvSettings { stride, padding, dilation, groups } = shapes.settings;
    let outputs_a_group = shapes.w[0] / groups;
    for y in positions(&shapes.y) {
        for tap in positions(&shapes.w[1..]) {
            let channel = y[1] / outputs_a_group * shapes.w[1] + tap[0];
            let pixel = |axis: usize| (y[axis] * stride + tap[axis - 1] * dilation).checked_sub(padding);
            let (Some(row), Some(column)) = (pixel(2), pixel(3)) else { continue };
            if row >= shapes.x[2] || column >= shapes.x[3] {
                continue;
            }
            let x = index(&[y[0], channel, row, column], &shapes.x);
            let w = index(&[y[1], tap[0], tap[1], tap[2]], &shapes.w);
            let y = index(&y, &shapes.y);
            match convolution.of {
                ConvArgument::Y => out[y] += args[0].numbers[x] * args[1].numbers[w],
                ConvArgument::X => out[x] += args[0].numbers[y] * args[1].numbers[w],
                ConvArgument::W => out[w] += args[0].numbers[x] * args[1].numbers[y],
            }
        }
    }
}

fn first_near_largest(row: &[f64], slack: f64) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter().position(|x| *x >= largest - slack).unwrap_or(0) as f64
}

/// For each window, the row-major indices of its elements in the input.
fn windows(windows: &PoolWindows) -> impl Iterator<Item = impl Iterator<Item = usize>> {
    let [n, c, height, width] = windows.image;
    let ranges =
        windows.rows.iter().flat_map(|rows| windows.columns.iter().map(move |columns| (rows, columns)));
    let ranges: Vec<_> = ranges.map(|(rows, columns)| (rows.clone(), columns.clone())).collect();
    (0..n * c).flat_map(move |plane| {
        ranges.clone().into_iter().map(move |(rows, columns)| {
            rows.flat_map(move |row| {
                columns.clone().map(move |column| (plane * height + row) * width + column)
            })
        })
    })
}

/// The position in its plane of the first largest element of each window; NaN counts as the
/// largest.
fn largest_of_windows(pool: &PoolWindows, x: &[f64], out: &mut [f64]) {
    let plane = pool.image[2] * pool.image[3];
    for (elements, out) in windows(pool).zip(out) {
        let mut best = None;
        for at in elements {
            let larger = |best: usize| x[at] > x[best] || (x[at].is_nan() && !x[best].is_nan());
            if best.is_none_or(larger) {
                best = Some(at);
            }
        }
        *out = best.map_or(0.0, |at| (at % plane) as f64);
    }
}

/// Applies `map` to each row of the first operand, with the position that the second operand holds
/// for the row.
fn by_row(args: &[Array], out: &mut [f64], map: impl Fn(&[f64], usize, &mut [f64])) -> Result<()> {
    let size = args[0].dims.last().copied().unwrap_or(1).max(1);
    for ((x, m), out) in args[0].numbers.chunks(size).zip(args[1].numbers).zip(out.chunks_mut(size)) {
        map(x, within(*m, size)?, out);
    }
    Ok(())
}
