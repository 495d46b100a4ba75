//! Recurrences: steps that run a program of their own once for each element of their sequences.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_program::operations::Scan;

use crate::{
    backend::Fusion,
    lowered::Lowered,
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

    /// Bytes that are held beside operands and result: the state, what one application of the body
    /// holds, and copies of what does not lie in order, of sequences one element at a time.
    pub(crate) fn workspace(&self, body: &Plan, args: &[Operand]) -> usize {
        let bytes =
            |slot: usize| body.layout(slot).elements().saturating_mul(body.dtype(slot).size_in_bytes());
        let copied = |i: &usize| match i {
            0 => true,
            &i if self.scan.is_sequence(i) => args[i].led || !args[i].layout.is_in_order(),
            &i => !args[i].layout.is_in_order(),
        };
        let copies: usize = (0..args.len()).filter(copied).map(bytes).sum();
        body.footprint().peak.saturating_add(copies)
    }

    /// Bytes that all applications of the body read and write.
    pub(crate) fn bytes_moved(&self, body: &Plan) -> usize {
        self.scan.length.saturating_mul(body.bytes_moved())
    }
}
