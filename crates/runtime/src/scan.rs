//! Recurrences: steps that run a program of their own once for each element of their sequences.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_program::operations::Scan;

use crate::{
    backend::Fusion,
    layout::Layout,
    lowered::Lowered,
    placement::aligned,
    plan::{Input, Plan, Signature},
    workspace::Operand,
};

/// A scan as a backend runs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LoweredScan {
    /// The operation.
    pub scan: Scan,
    /// Its body, fused as other steps are.
    pub body: Arc<Lowered>,
}

impl LoweredScan {
    pub(crate) fn new(scan: Scan, fusion: Fusion) -> Self {
        let body = Arc::new(Lowered::new(&scan.body, fusion));
        Self { scan, body }
    }

    /// Where the elements of an operand lie that one application of the body, planned as `body`,
    /// reads at a position along the sequences; of the first operand the state to start with. The
    /// body reads them in row-major order: what lies otherwise is copied.
    #[must_use]
    pub fn operand(&self, body: &Plan, index: usize, layout: &Layout, position: usize) -> Layout {
        match index {
            // It may be without the leading axis that the states have.
            0 if layout.dims.len() < body.layout(0).dims.len() => layout.behind(body.signature().lead),
            i if self.scan.is_sequence(i) => layout.at(usize::from(body.is_led(i)), position),
            _ => layout.clone(),
        }
    }

    /// Where a state lies in the result.
    #[must_use]
    pub fn state(&self, body: &Plan, result: &Layout, position: usize) -> Layout {
        result.at(usize::from(body.is_led(0)), position)
    }

    /// The plan of one application of the body. The operands of the scan come with their types and
    /// whether they have the leading axis, of size `lead`; the state has it where any operand does.
    pub(crate) fn plan(&self, args: &[(DType, bool)], lead: usize, compute: DType) -> Plan {
        let any_led = args.iter().any(|(_, led)| *led);
        let input = |(i, &(dtype, led)): (usize, &(DType, bool))| match i {
            0 => Input { dtype: compute, led: any_led },
            _ => Input { dtype, led },
        };
        let inputs = args.iter().enumerate().map(input).collect();
        Plan::new(&self.body, Signature { inputs, lead, compute, outputs: compute })
    }

    /// Bytes that are held beside operands and result: the arena of the body, copies of operands
    /// that do not lie in order, of sequences one element at a time, and two states where those in
    /// the result do not lie in order.
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

    /// Bytes that all applications of the body read and write.
    pub(crate) fn bytes_moved(&self, body: &Plan) -> usize {
        self.scan.length.saturating_mul(body.bytes_moved())
    }
}
