//! Upper bounds of the workspaces of steps, which are reordered copies of operands and partial
//! results, computed for the widest vectors.

mod convolution;

use candle_core::DType;
use eigenscape_program::{Operation, operations::MatMul};
use eigenscape_runtime::{Kernel, Operand, ProductAxes, aligned};

use crate::kernels::{DEPTH, ONE_THREAD_EACH, is_by_rows};

/// The width of a panel of matrix columns: three of the widest vectors, in bytes.
const PANEL: usize = 3 * VECTOR;

/// The width of the widest vectors, in bytes.
const VECTOR: usize = 64;

/// Bytes of an operand's elements without gaps.
fn bytes(arg: &Operand) -> usize {
    array(arg.layout.elements(), arg.dtype)
}

/// Bytes of a copy as indices, needed if the numbers are floating-point or not in row-major order.
fn index(arg: &Operand) -> usize {
    if arg.dtype.is_float() { array(arg.layout.elements(), DType::U32) } else { copy(arg) }
}

/// Bytes of a copy, needed if the elements are not in row-major order.
fn copy(arg: &Operand) -> usize {
    if arg.layout.is_in_order() { 0 } else { bytes(arg) }
}

/// Bytes of an array of this many numbers, rounded up to the alignment.
fn array(numbers: usize, dtype: DType) -> usize {
    aligned(numbers.saturating_mul(dtype.size_in_bytes()))
}

/// The most bytes that a step holds in addition to its operands and its result.
pub(crate) fn workspace(kernel: &Kernel, args: &[Operand], result: Operand, compute: DType) -> usize {
    let copies = || args.iter().map(copy).sum();
    let operation = match kernel {
        Kernel::Chain(chain) => {
            let Some(axes) = &chain.sum else { return 0 };
            let led = args.iter().find(|arg| arg.led).map(|arg| arg.layout.dims[0]);
            let dims: Vec<usize> = led.into_iter().chain(chain.shape.iter().copied()).collect();
            return sums(&dims, axes, led.is_some());
        }
        Kernel::TwoConvolutions(convolution) => {
            return copies() + convolution::workspace(convolution, args, result.layout, compute);
        }
        // A scan's follows from the plan of its body; two products are not fused here.
        Kernel::Scan(_) | Kernel::TwoProducts(_) => return 0,
        Kernel::Operation(operation) => operation,
    };
    match operation {
        Operation::Conv2d(convolution) => {
            copies() + convolution::workspace(convolution, args, result.layout, compute)
        }
        Operation::MatMul(dot) => product(dot, args, compute),
        Operation::Sum(sum) => args.first().map_or(0, |arg| sums(&arg.layout.dims, &sum.axes, arg.led)),
        // The memory that a plugin's definition takes is not planned.
        Operation::Custom(_) => 0,
        // These read their operands by their strides.
        Operation::Add(_)
        | Operation::Concat(_)
        | Operation::Function(_)
        | Operation::Mul(_)
        | Operation::Pad(_)
        | Operation::Reshape(_)
        | Operation::Scale(_) => 0,
        // An index may come as floating-point numbers.
        Operation::Take(_)
        | Operation::PutRows(_)
        | Operation::Gather(_)
        | Operation::ScatterAdd(_)
        | Operation::Differences(_)
        | Operation::DifferencesTranspose(_) => copy(&args[0]) + index(&args[1]),
        // The others need their operands in row-major order.
        _ => copies(),
    }
}

/// The number of entries along the leading axes of an array, if these are kept by a sum over `axes`
/// and many enough to share the work: each task then computes some of the sums alone. It depends on
/// shapes alone, like the order of summation.
pub(crate) fn separate_sums(dims: &[usize], axes: &[usize]) -> Option<usize> {
    const FEWEST: usize = 64;
    let leading = dims.iter().enumerate().take_while(|(axis, _)| !axes.contains(axis));
    Some(leading.map(|(_, size)| size).product()).filter(|&rows| rows >= FEWEST)
}

/// The number of partial sums of each number that a sum over `axes` keeps: ranges of elements of
/// about equal size, whose sums are added at the end. Few enough that they are cheap.
pub(crate) fn partial_sums(dims: &[usize], axes: &[usize]) -> usize {
    const MOST: usize = 16;
    const FEWEST_TERMS: usize = 1 << 15;
    if separate_sums(dims, axes).is_some() {
        return 1;
    }
    let elements: usize = dims.iter().product();
    (elements / FEWEST_TERMS.max(4 * kept(dims, axes))).clamp(1, MOST)
}

/// How many numbers a sum over `axes` keeps.
fn kept(dims: &[usize], axes: &[usize]) -> usize {
    let kept = dims.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    kept.map(|(_, size)| size).product()
}

/// Bytes of the partial sums, in f64, of an array over some of its declared axes.
fn sums(dims: &[usize], axes: &[usize], led: bool) -> usize {
    let axes: Vec<usize> = axes.iter().map(|axis| axis + usize::from(led)).collect();
    array(kept(dims, &axes) * partial_sums(dims, &axes), DType::F64)
}

/// Bytes of a matrix product: copies of operands that no single stride walks, and panels and
/// partial sums of products with few rows or columns.
fn product(dot: &MatMul, args: &[Operand], compute: DType) -> usize {
    let sides = [Side::new(dot, 0, args), Side::new(dot, 1, args)];
    let [rows, columns] = [sides[0].free, sides[1].free];
    let (terms, count) = (sides[0].contracted, sides[0].batch.max(sides[1].batch));
    let copies = sides.iter().map(|side| side.copy).sum::<usize>();
    copies + if count < ONE_THREAD_EACH { of_few_rows(rows, columns, terms, compute) } else { 0 }
}

/// Bytes of one product that all threads share: with few rows or columns, panels of these and the
/// products with them; for a long product with a vector, its partial sums.
fn of_few_rows(rows: usize, columns: usize, terms: usize, compute: DType) -> usize {
    let (few, many) = (rows.min(columns), rows.max(columns));
    let part = array(if few == 1 && terms > DEPTH { many } else { 0 }, compute);
    if !is_by_rows(few, many, terms) {
        return part;
    }
    let padded = few.next_multiple_of(PANEL / compute.size_in_bytes());
    part.max(array(padded * terms, compute) + array(padded * many, compute))
}

/// One operand of a product.
struct Side {
    batch: usize,
    free: usize,
    contracted: usize,
    /// Bytes of the copy, needed if no single stride walks the free or the contracted axes.
    copy: usize,
}

impl Side {
    fn new(dot: &MatMul, side: usize, args: &[Operand]) -> Self {
        let Operand { layout, led, .. } = &args[side];
        let rank = layout.dims.len() - usize::from(*led);
        let ProductAxes { batch, free, contracted } =
            ProductAxes::new(dot, side, rank, [args[0].led, args[1].led]);
        let (b, f) = (batch.len(), batch.len() + free.len());
        let arranged = layout.permute(&[batch, free, contracted].concat());
        let size = |axes: &[usize]| axes.iter().product();
        let end = arranged.dims.len();
        let is_copied = arranged.merged(b..f).is_none() || arranged.merged(f..end).is_none();
        Self {
            batch: size(&arranged.dims[..b]),
            free: size(&arranged.dims[b..f]),
            contracted: size(&arranged.dims[f..]),
            copy: if is_copied { bytes(&args[side]) } else { 0 },
        }
    }
}
