//! What a file need not have, because the architecture or the loss knows it.

use candle_core::{DType, Tensor};
use eigenscape_core::{Architecture, Loss, ModelInput, Result};
use eigenscape_program::Needs;

use super::File;
use crate::{diagnostic::Located, inputs, plan::LossPlan};

impl File {
    /// Adds what the architecture brings, and what follows from a loss that needs no targets.
    pub(super) fn complete(&mut self, architecture: &dyn Architecture, loss: &LossPlan) -> Result<()> {
        for (name, tensor) in architecture.weights().into_iter().flatten() {
            self.tensors.entry(name.clone()).or_insert_with(|| Ok(tensor.clone()));
        }
        self.inputs(architecture.inputs())?;
        let asks_for_none = |loss: &Located<Loss>| loss.value.needs() == Needs::Nothing;
        let without_targets = match &loss.named {
            Some(named) => asks_for_none(named),
            None => !self.tensors.contains_key("y"),
        };
        if without_targets && (loss.named.is_some() || loss.defaults.nothing.is_some()) {
            self.own_loss = loss.named.is_none();
            self.without_targets()?;
        }
        Ok(())
    }

    /// Puts what the network is given under `x`, as numbers: a graph computes with tokens, too.
    fn inputs(&mut self, inputs: &[ModelInput]) -> Result<()> {
        if inputs.is_empty() || (self.tensors.contains_key("x") && inputs.len() == 1) {
            return self.numbers(inputs);
        }
        let parts = inputs.iter().map(|input| self.get(&input.name).cloned()).collect::<Result<Vec<_>>>()?;
        let x = inputs::joined(&parts)?;
        self.tensors.insert("x".to_owned(), Ok(x));
        self.numbers(inputs)
    }

    fn numbers(&mut self, inputs: &[ModelInput]) -> Result<()> {
        if let (false, Some(Ok(x))) = (inputs.is_empty(), self.tensors.get_mut("x"))
            && !x.dtype().is_float()
        {
            *x = x.to_dtype(DType::F64)?;
        }
        Ok(())
    }

    fn without_targets(&mut self) -> Result<()> {
        let logits = self.get("logits")?.clone();
        if !self.tensors.contains_key("y") {
            let targets = Tensor::zeros(logits.shape(), DType::F64, logits.device())?;
            self.tensors.insert("y".to_owned(), Ok(targets));
        }
        // The Hessian of the loss in the outputs is 0.
        let missing: Vec<(String, Tensor)> = (self.tensors.iter())
            .filter_map(|(name, tensor)| Some((name.strip_prefix("hv.")?, tensor.as_ref().ok()?)))
            .map(|(name, tensor)| (format!("ggnv.{name}"), tensor.clone()))
            .filter(|(name, _)| !self.tensors.contains_key(name))
            .collect();
        for (name, tensor) in missing {
            self.tensors.insert(name, Ok(tensor.zeros_like()?));
        }
        Ok(())
    }
}
