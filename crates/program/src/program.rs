//! Programs: a graph cut down to what some outputs need.

use std::collections::HashMap;

use crate::{
    Graph, Value,
    error::{Error, Result},
    operation::Operation,
};

/// An operation on slots of a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// The operation.
    pub operation: Operation,
    /// The slots of its operands.
    pub args: Vec<usize>,
}

/// A closed program: inputs, steps in order, outputs. Dead code is gone.
///
/// Its slots are numbered: the inputs first, then one slot a step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    shapes: Vec<Vec<usize>>,
    inputs: usize,
    steps: Vec<Step>,
    outputs: Vec<usize>,
}

impl Program {
    /// What `outputs` need, given `inputs` (any values of the graph: nothing behind them is
    /// computed).
    ///
    /// # Errors
    /// When an input of the graph is needed that is not among `inputs`, or a value is one of
    /// another graph.
    pub fn new(graph: &Graph, inputs: &[Value], outputs: &[Value]) -> Result<Self> {
        graph.check("program", &[inputs, outputs].concat())?;
        let mut slots: HashMap<Value, usize> = inputs.iter().enumerate().map(|(i, v)| (*v, i)).collect();
        let mut shapes: Vec<Vec<usize>> = inputs.iter().map(|v| graph.shape(*v).to_vec()).collect();
        let mut steps = Vec::new();
        for value in graph.ancestors(outputs, inputs) {
            if slots.contains_key(&value) {
                continue;
            }
            let node = graph.operation(value).ok_or_else(|| {
                Error::Unsupported(format!("{} is needed and not given", graph.describe(value)))
            })?;
            let args = node.args.iter().map(|arg| slots[arg]).collect();
            slots.insert(value, shapes.len());
            shapes.push(graph.shape(value).to_vec());
            steps.push(Step { operation: node.operation, args });
        }
        let outputs = outputs.iter().map(|value| slots[value]).collect();
        Ok(Self { shapes, inputs: inputs.len(), steps, outputs })
    }

    /// Emits the program on these operands; its outputs.
    ///
    /// # Errors
    /// When an operand has another shape than the input, or is a value of another graph.
    pub fn emit(&self, graph: &mut Graph, operands: &[Value]) -> Result<Vec<Value>> {
        let declared: Vec<&[usize]> = operands.iter().map(|operand| graph.shape(*operand)).collect();
        self.check_inputs(&declared)?;
        let mut slots = operands.to_vec();
        for step in &self.steps {
            let args: Vec<Value> = step.args.iter().map(|&slot| slots[slot]).collect();
            slots.push(graph.emit(step.operation.clone(), &args)?);
        }
        Ok(self.outputs.iter().map(|&slot| slots[slot]).collect())
    }

    /// Refuses operands of other shapes than the inputs.
    pub(crate) fn check_inputs(&self, shapes: &[&[usize]]) -> Result<()> {
        let declared = &self.shapes[..self.inputs];
        if shapes == declared {
            return Ok(());
        }
        Err(Error::shape("program", format!("operands of shapes {shapes:?} instead of {declared:?}")))
    }

    /// How many inputs there are.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The shape of each slot.
    #[must_use]
    pub fn shapes(&self) -> &[Vec<usize>] {
        &self.shapes
    }

    /// The steps in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The slots of the outputs.
    #[must_use]
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }
}
