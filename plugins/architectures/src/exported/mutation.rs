//! In-place operations. Every translated operation returns a new value, so an in-place change of a
//! view is repeated on the tensors that it is a view of (its bases).

use std::collections::HashMap;

use eigenscape_formats::pt2::{Argument, Graph, Node, Size};
use eigenscape_program::{Error, Result};

use super::{
    aten,
    emitter::Emitter,
    interpreter::each_name,
    tensor::{Item, Tensor},
};

/// The views in a graph.
#[derive(Debug, Default)]
pub(super) struct Views<'n> {
    /// For each view, its base and the operation that created it.
    of: HashMap<&'n str, (&'n str, &'n Node)>,
    /// Whether the graph has in-place operations; otherwise views need not be recorded.
    watching: bool,
}

impl<'n> Views<'n> {
    /// Starts to record views if the graph has in-place operations.
    pub fn watch(&mut self, graph: &Graph) {
        self.watching = graph.nodes.iter().any(|node| is_in_place(super::name::operation(&node.target)));
    }

    /// Whether the value of this name has views.
    pub fn is_base(&self, name: &str) -> bool {
        self.of.values().any(|(base, _)| *base == name)
    }

    /// Records the views that an operation creates. After an in-place operation, replaces the value
    /// of its operand, and the values of the operand's bases as far as `later` says that they are
    /// used.
    pub fn follow(
        &mut self,
        node: &'n Node,
        operation: &str,
        values: &mut HashMap<&'n str, Item>,
        emit: &mut Emitter,
        later: &dyn Fn(&str) -> bool,
    ) -> Result<()> {
        let operand = node.inputs.first().map(|input| &input.arg).filter(|_| self.watching);
        let Some(Argument::Tensor(operand)) = operand else { return Ok(()) };
        if aten::is_view(operation) {
            for output in &node.outputs {
                each_name(output, &mut |view| {
                    self.of.insert(view, (operand, node));
                });
            }
            return Ok(());
        }
        let Some(Argument::Tensor(result)) = node.outputs.first().filter(|_| is_in_place(operation)) else {
            return Ok(());
        };
        let mut changed = match values.get(result.as_str()) {
            Some(Item::Tensor(tensor)) => tensor.clone(),
            _ => return Ok(()),
        };
        let mut name = operand.as_str();
        values.insert(name, Item::Tensor(changed.clone()));
        // The number of steps is bounded, because a damaged file may contain views of each other.
        for _ in 0..self.of.len() {
            let Some(&(base, made)) = self.of.get(name) else { return Ok(()) };
            if !self.asked_for(base, later) {
                return Ok(());
            }
            let Some(Item::Tensor(whole)) = values.get(base) else { return Ok(()) };
            changed = put(emit, whole, &changed, made)?;
            values.insert(base, Item::Tensor(changed.clone()));
            name = base;
        }
        Ok(())
    }

    /// Whether a name, or one of its bases, is used later.
    fn asked_for(&self, name: &str, later: &dyn Fn(&str) -> bool) -> bool {
        let mut name = name;
        for _ in 0..=self.of.len() {
            match self.of.get(name) {
                _ if later(name) => return true,
                Some((base, _)) => name = base,
                None => return false,
            }
        }
        false
    }
}

/// Whether an operation changes its first operand in place.
fn is_in_place(operation: &str) -> bool {
    operation.starts_with("aten.") && operation.ends_with('_') && !operation.ends_with("__")
}

/// `whole` after `part`, the view that the operation `made` takes of it, has changed.
fn put(emit: &mut Emitter, whole: &Tensor, part: &Tensor, made: &Node) -> Result<Tensor> {
    let number = |name: &str, default: i64| {
        let given = made.inputs.iter().find(|input| input.name == name).map(|input| &input.arg);
        match given {
            None | Some(Argument::None) => Some(default),
            Some(Argument::Int(Size::Known(number))) => Some(*number),
            Some(_) => None,
        }
    };
    let unsupported = || Error::Unsupported(format!("a view by {} is changed in place", made.target));
    let target = super::name::operation(&made.target);
    let same_elements =
        ["aten.view", "aten.reshape", "aten.squeeze", "aten.unsqueeze", "aten.flatten", "aten.alias"];
    if same_elements.contains(&target) {
        return emit.reshape(part, whole.shape());
    }
    let dim = number("dim", 0).ok_or_else(unsupported)?;
    let axis = usize::try_from(if dim < 0 { dim + whole.rank() as i64 } else { dim }).unwrap_or(usize::MAX);
    let Some(&size) = whole.shape().get(axis) else { return Err(unsupported()) };
    let bound = |place: i64| {
        (if place < 0 { place.saturating_add(size as i64) } else { place }).clamp(0, size as i64) as usize
    };
    let (start, end, part) = match target {
        "aten.select" => {
            let place = bound(number("index", 0).ok_or_else(unsupported)?);
            let mut shape = whole.shape().to_vec();
            shape[axis] = 1;
            (place, place + 1, emit.reshape(part, &shape)?)
        }
        "aten.slice" if number("step", 1) == Some(1) => {
            let (start, end) = (
                number("start", 0).ok_or_else(unsupported)?,
                number("end", i64::MAX).ok_or_else(unsupported)?,
            );
            (bound(start), bound(end), part.clone())
        }
        _ => return Err(unsupported()),
    };
    let mut parts = Vec::new();
    if start > 0 {
        parts.push(emit.slice(whole, axis, 0, start)?);
    }
    parts.push(part);
    if end < size {
        parts.push(emit.slice(whole, axis, end, size - end)?);
    }
    emit.concat(&parts, axis)
}
