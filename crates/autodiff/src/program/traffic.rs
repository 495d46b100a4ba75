//! How many numbers an evaluation moves, known from shapes alone.

use super::Program;
use crate::primitive::Storage;

impl Program {
    /// Numbers that the operations of one [evaluation](Self::evaluate) read and write, in which the inputs with `batched` have a leading
    /// axis of size `lead`: each operation reads every operand once and writes its result; views move nothing, and what is
    /// repeated by a view is read once. What really passes through memory is less where a result is still in a cache, and more
    /// where an operation reads an operand again.
    pub(crate) fn numbers_moved(&self, batched: &[bool], lead: usize) -> usize {
        let mut batched = batched.to_vec();
        // The numbers that stand behind each slot.
        let mut stored: Vec<usize> =
            self.shapes[..self.inputs].iter().map(|shape| shape.iter().product()).collect();
        let mut moved = 0;
        for (step, shape) in self.steps.iter().zip(&self.shapes[self.inputs..]) {
            let size: usize = shape.iter().product();
            let numbers = |slot: usize| stored[slot] * if batched[slot] { lead } else { 1 };
            let has_lead = step.args.iter().any(|&slot| batched[slot]);
            let own = match (step.primitive.storage(), step.args.first()) {
                (Storage::New, _) => {
                    let read: usize = step.args.iter().map(|&slot| numbers(slot)).sum();
                    moved += read + size * if has_lead { lead } else { 1 };
                    size
                }
                (Storage::Same | Storage::Strided, Some(&viewed)) => size.min(stored[viewed]),
                (Storage::Same | Storage::Strided, None) => 1,
            };
            stored.push(own);
            batched.push(has_lead);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ElementwiseFunction, Graph, Result};

    #[test]
    fn counts_operands_and_results_and_no_views() -> Result<()> {
        let mut graph = Graph::default();
        let (x, b) = (graph.input("x", &[4, 5]), graph.input("b", &[5]));
        let wide = graph.broadcast_along(b, 1, &[4, 5])?;
        let sum = graph.add(x, wide)?; // 20 + 5 + 20
        let turned = graph.permute(sum, &[1, 0])?;
        let exp = graph.function(ElementwiseFunction::Exp, turned)?; // 20 + 20
        let program = Program::new(&graph, &[x, b], &[exp])?;
        assert_eq!(program.numbers_moved(&[false, false], 1), 85);
        // Three x share one b.
        assert_eq!(program.numbers_moved(&[true, false], 3), 3 * 80 + 5);
        Ok(())
    }
}
