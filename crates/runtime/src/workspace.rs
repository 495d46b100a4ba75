//! Memory that a step takes for itself while it runs: copies of operands in another order, and
//! partial results.

use eigenscape_program::{Operation, operations::MatMul};

use crate::{kernel::Kernel, layout::Layout, product::ProductAxes};

/// Terms from which on sums are long.
const LONG: usize = 64;

/// An operand of a step.
pub(crate) struct Operand<'a> {
    pub layout: &'a Layout,
    pub led: bool,
}

/// How many numbers a step holds beside its operands and its result, at most.
pub(crate) fn workspace(kernel: &Kernel, args: &[Operand], result: &Layout) -> usize {
    let elements = |arg: &Operand| arg.layout.elements();
    match kernel {
        // These walk their operands as they lie.
        Kernel::Chain(_) => 0,
        // Follows from the plan of its body (`LoweredScan::workspace`).
        Kernel::Scan(_) => 0,
        // Images are laid side by side with a border or transformed, and filters packed.
        Kernel::TwoConvolutions(_) | Kernel::Operation(Operation::Conv2d(_)) => {
            args.iter().map(elements).sum::<usize>() + result.elements()
        }
        Kernel::Operation(Operation::MatMul(dot)) => {
            let copied = (0..2).filter(|&side| is_copied(dot, side, args)).map(|side| elements(&args[side]));
            let copied = copied.sum::<usize>();
            // Long products of few rows are made apart and then put in their places.
            copied + if terms(dot, &args[0]) < LONG { 0 } else { result.elements() }
        }
        Kernel::Operation(
            Operation::Add(_)
            | Operation::Mul(_)
            | Operation::Scale(_)
            | Operation::Sum(_)
            | Operation::Reshape(_),
        ) => 0,
        // The others take their operands in row-major order.
        Kernel::Operation(_) => args.iter().filter(|arg| !arg.layout.is_in_order()).map(elements).sum(),
    }
}

/// How many terms each sum of a product has.
fn terms(dot: &MatMul, left: &Operand) -> usize {
    dot.contract.iter().map(|[l, _]| left.layout.dims[l + usize::from(left.led)]).product()
}

/// Whether no single step walks the free or the contracted axes of an operand of a product, so that
/// it is copied first.
fn is_copied(dot: &MatMul, side: usize, args: &[Operand]) -> bool {
    let Operand { layout, led } = &args[side];
    let rank = layout.dims.len() - usize::from(*led);
    let ProductAxes { batch, free, contracted } =
        ProductAxes::new(dot, side, rank, [args[0].led, args[1].led]);
    let (b, f) = (batch.len(), batch.len() + free.len());
    let arranged = layout.permute(&[batch, free, contracted].concat());
    arranged.merged(b..f).is_none() || arranged.merged(f..arranged.dims.len()).is_none()
}
