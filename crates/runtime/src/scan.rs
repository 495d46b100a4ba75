//! Recurrences: steps that run the plan of another program once for each element of their
//! sequences.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_program::operations::Scan;

use crate::{
    backend::Planning,
    layout::Layout,
    lowered::Lowered,
    placement::aligned,
    plan::{Input, Plan, Signature},
    workspace::Operand,
};

/// A scan as a backend runs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LoweredScan {
    /// The scan itself.
    pub scan: Scan,
    /// The body of the scan, fused like the steps of any program.
    pub body: Arc<Lowered>,
}

impl LoweredScan {
    pub(crate) fn new(scan: Scan, planning: Planning) -> Self {
        let body = Arc::new(Lowered::new(&scan.body, planning));
        Self { scan, body }
    }

    /// The layout of what one application of the body, planned as `body`, reads of an operand at a
    /// position along the sequences; for operand 0, the layout of the initial state. The body
    /// requires row-major order: elements in another order are copied first.
    #[must_use]
    pub fn operand(&self, body: &Plan, index: usize, layout: &Layout, position: usize) -> Layout {
        match index {
            // The initial state may lack the leading axis that the states have.
            0 if layout.dims.len() < body.layout(0).dims.len() => layout.behind(body.signature().lead),
            i if self.scan.is_sequence(i) => layout.at(usize::from(body.is_led(i)), position),
            _ => layout.clone(),
        }
    }

    /// The layout of the state at a position of the result.
    #[must_use]
    pub fn state(&self, body: &Plan, result: &Layout, position: usize) -> Layout {
        result.at(usize::from(body.is_led(0)), position)
    }

    /// The plan of one application of the body. `args` are the types of the scan's operands and
    /// whether they have the leading axis, whose size is `lead`. The state has the leading axis if
    /// any operand has it.
    pub(crate) fn plan(&self, args: &[(DType, bool)], lead: usize, compute: DType) -> Plan {
        let any_led = args.iter().any(|(_, led)| *led);
        let input = |(i, &(dtype, led)): (usize, &(DType, bool))| match i {
            0 => Input { dtype: compute, led: any_led },
            _ => Input { dtype, led },
        };
        let inputs = args.iter().enumerate().map(input).collect();
        Plan::new(&self.body, Signature { inputs, lead, compute, outputs: compute })
    }

    /// Bytes of memory needed besides operands and result: the arena of the body; copies of
    /// operands that are not in row-major order, for sequences of one element at a time; and two
    /// states if those in the result are not in row-major order.
    pub(crate) fn workspace(&self, body: &Plan, args: &[Operand], result: &Layout) -> usize {
        let bytes = |slot: usize| {
            aligned(body.layout(slot).elements().saturating_mul(body.dtype(slot).size_in_bytes()))
        };
        let states = if self.state(body, result, 0).is_in_order() { 0 } else { 2 };
        let copied = |&i: &usize| {
            let is_copied = !self.operand(body, i, args[i].layout, 0).is_in_order();
            is_copied && (i > 0 || states == 0)
        };
        let copies: usize = (0..args.len()).filter(copied).map(bytes).sum();
        body.arena().saturating_add(copies).saturating_add(bytes(0).saturating_mul(states))
    }

    /// Bytes that all applications of the body together read and write.
    pub(crate) fn bytes_moved(&self, body: &Plan) -> usize {
        self.scan.length.saturating_mul(body.bytes_moved())
    }
}
