//! From a state dict to a network's weights.

use candle_core::{DType, Tensor};
use eigenscape_core::{Error, Result};
use eigenscape_formats::Refusal;
use eigenscape_program::{ElementwiseFunction, Network, Parameter};
use safetensors::Dtype;

use super::{
    difference::{declared, differences, lookup, table},
    orientation, remedy,
    state_dict::{Item, Selection, StateDict},
};
use crate::weights::Weights;

/// The parameters and buffers of a network in its order, in f64 where all are and in f32 otherwise,
/// and what should be known about them.
pub(super) fn weights(
    selection: &Selection,
    network: &Network,
    state: &StateDict,
) -> Result<(Weights, Option<String>)> {
    let subject = &selection.path.display().to_string();
    if let Some(misfit) = misfit(selection, network, state) {
        return Err(misfit.about(subject).into());
    }
    for (alias, name) in network.aliases() {
        if let (Some(a), Some(b)) = (state.get(alias), state.get(name))
            && !equal(a, b)
        {
            return Err(Error::input(
                subject,
                format!("{alias} and {name} differ, and are one parameter of the network"),
                "choose an architecture in which these weights are not tied",
            ));
        }
    }
    let note = orientation::doubt(selection, network, state).map_err(|refusal| refusal.about(subject))?;
    let found = |declared: &Parameter| lookup(network, state, &declared.name).map(|entry| entry.item);
    let is_double = |item: Item| item.stored().is_some_and(|stored| stored.dtype() == Dtype::F64);
    let double = declared(network).all(|declared| found(declared).is_some_and(is_double));
    let dtype = if double { DType::F64 } else { DType::F32 };
    let take = |declared: &Parameter| usable(subject, &declared.name, found(declared), dtype);
    let weights = Weights {
        parameters: network.parameters().iter().map(take).collect::<Result<_>>()?,
        buffers: network.buffers().iter().map(take).collect::<Result<_>>()?,
    };
    Ok((weights, note))
}

/// How names or shapes differ from the network's, where they do.
pub(super) fn misfit(selection: &Selection, network: &Network, state: &StateDict) -> Option<Refusal> {
    let differences = differences(network, state);
    (!differences.is_empty()).then(|| {
        let problem = format!("does not fit the network:\n{}", table(&differences));
        Refusal::new(problem, remedy::of(selection, network, state, &differences))
    })
}

/// A warning where a file of Hugging Face's GPT-2, whose GELU is the tanh form, is read into a
/// network with the exact one: names and shapes are the same.
pub(super) fn other_gelu(network: &Network, state: &StateDict) -> Result<Option<String>> {
    let is_other = orientation::is_of_gpt2(network, state)
        && network.applies(ElementwiseFunction::NormalCdf).map_err(Error::from)?;
    Ok(is_other.then(|| {
        "the checkpoint is of Hugging Face's GPT-2 (its layers are Conv1D), whose GELU is the tanh form, and the network's is the exact one: \
         add gelu = \"tanh\" to [model]"
            .to_owned()
    }))
}

/// Whether two tensors, both stored the same way round, are the same bits.
fn equal(a: Item, b: Item) -> bool {
    match (a, b) {
        (Item::Tensor(a), Item::Tensor(b)) | (Item::Transposed(a), Item::Transposed(b)) => {
            a.dtype() == b.dtype() && a.shape() == b.shape() && a.elements() == b.elements()
        }
        _ => false,
    }
}

fn usable(subject: &str, name: &str, item: Option<Item>, dtype: DType) -> Result<Tensor> {
    let missing = || Error::input(subject, format!("has no tensor {name}"), "save the file again");
    let (item, stored) = item.and_then(|item| Some((item, item.stored()?))).ok_or_else(missing)?;
    let Some(float) = stored.candle_dtype().filter(DType::is_float) else {
        return Err(Error::input(
            subject,
            format!(
                "the tensor {name} is of type {:?}, and weights are read in float16, bfloat16, float32 and float64",
                stored.dtype()
            ),
            "save it as float32, as in tensor.float()",
        ));
    };
    let tensor = item.read(float, dtype).ok_or_else(missing)??;
    let values = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::input(
            subject,
            format!("the tensor {name} holds {} (element {index})", values[index]),
            "use a checkpoint from before the training diverged",
        ));
    }
    Ok(tensor)
}
