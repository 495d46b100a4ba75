//! From a state dict to a network's weights.

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Network, Parameter};
use eigenscape_core::{Error, Result};
use safetensors::Dtype;

use super::state_dict::{Item, StateDict, short};
use crate::weights::Weights;

/// PyTorch counts a BatchNorm's batches in a tensor that no computation uses.
const UNUSED: &str = "num_batches_tracked";
/// At most so many lines of a list of differences are shown.
const SHOWN: usize = 20;
/// At most so many prefixes are tried for a remedy.
const PREFIXES: usize = 8;

/// The parameters and buffers of a network in its order, in f64 where all are and in f32 otherwise.
pub(super) fn weights(subject: &str, network: &Network, state: &StateDict) -> Result<Weights> {
    let differences = differences(network, state);
    if !differences.is_empty() {
        return Err(Error::input(
            subject,
            format!("does not fit the network:\n{}", table(&differences)),
            remedy(network, state, &differences),
        ));
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
    let double = declared(network).all(
        |declared| matches!(lookup(network, state, &declared.name), Some(Item::Tensor(stored)) if stored.dtype() == Dtype::F64),
    );
    let dtype = if double { DType::F64 } else { DType::F32 };
    let take =
        |declared: &Parameter| usable(subject, &declared.name, lookup(network, state, &declared.name), dtype);
    Ok(Weights {
        parameters: network.parameters().iter().map(take).collect::<Result<_>>()?,
        buffers: network.buffers().iter().map(take).collect::<Result<_>>()?,
    })
}

pub(super) fn declared(network: &Network) -> impl Iterator<Item = &Parameter> {
    network.parameters().iter().chain(network.buffers())
}

/// What stands under a parameter's name, or under another name of it: a file may list tied weights once or twice.
fn lookup<'c>(network: &Network, state: &StateDict<'c>, name: &str) -> Option<Item<'c>> {
    let aliases = network.aliases().iter().filter(|(_, parameter)| parameter == name);
    state.get(name).or_else(|| aliases.into_iter().find_map(|(alias, _)| state.get(alias)))
}

fn equal(a: Item, b: Item) -> bool {
    match (a, b) {
        (Item::Tensor(a), Item::Tensor(b)) => {
            a.dtype() == b.dtype() && a.shape() == b.shape() && a.elements() == b.elements()
        }
        _ => false,
    }
}

/// A name with its shape in the network and what stands under it in the file, where these are not the same.
type Difference<'a> = (&'a str, Option<&'a [usize]>, Option<Item<'a>>);

fn differences<'a>(network: &'a Network, state: &StateDict<'a>) -> Vec<Difference<'a>> {
    let fits = |expected: &[usize], found: &Option<Item>| matches!(found, Some(Item::Tensor(stored)) if stored.shape() == expected);
    let known = declared(network).filter_map(|declared| {
        let found = lookup(network, state, &declared.name);
        let expected = declared.shape.as_slice();
        (!fits(expected, &found)).then_some((declared.name.as_str(), Some(expected), found))
    });
    let aliases = network.aliases().iter().map(|(alias, _)| alias.as_str());
    let mut names: Vec<&str> = declared(network).map(|declared| declared.name.as_str()).collect();
    names.extend(aliases.chain(network.unused().iter().map(String::as_str)));
    names.sort_unstable();
    let unexpected = state
        .iter()
        .filter(|(name, _)| !name.ends_with(UNUSED) && names.binary_search(name).is_err())
        .map(|(name, item)| (name, None, Some(item)));
    known.chain(unexpected).collect()
}

fn table(differences: &[Difference]) -> String {
    let shape = |shape: &[usize]| format!("{shape:?}");
    let missing = || "-".to_owned();
    let header = ("tensor".to_owned(), "network".to_owned(), "file".to_owned());
    let rows = differences.iter().take(SHOWN).map(|(name, expected, item)| {
        (
            short(name).into_owned(),
            expected.map_or_else(missing, shape),
            item.as_ref().map_or_else(missing, Item::to_string),
        )
    });
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let first = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let second = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(name, expected, found)| format!("  {name:first$}  {expected:second$}  {found}"))
        .collect();
    if differences.len() > SHOWN {
        lines.push(format!("  and {} more", differences.len() - SHOWN));
    }
    lines.join("\n")
}

fn remedy(network: &Network, state: &StateDict, differences: &[Difference]) -> String {
    let other = |expected: bool| {
        differences.iter().find_map(|(name, shape, item)| {
            let item = item.filter(|item| shape.is_some() == expected && matches!(item, Item::Other(_)))?;
            Some(item.refuse(name).remedy)
        })
    };
    // What stands where a parameter should; then whatever else there is beside tensors.
    other(true)
        .or_else(|| {
            let prefix = prefix(network, state)?;
            Some(format!(
                "the names fit without their prefix: checkpoint = {{ path = ..., strip_prefix = {prefix:?} }}"
            ))
        })
        .or_else(|| other(false))
        .unwrap_or_else(|| {
            "choose the architecture and settings that the checkpoint was made with".to_owned()
        })
}

/// A prefix, ending in a dot, without which the file has every name of the network.
fn prefix<'a>(network: &Network, state: &StateDict<'a>) -> Option<&'a str> {
    let first = declared(network).find(|declared| state.get(&declared.name).is_none())?;
    let candidates = state.iter().filter_map(|(name, _)| name.strip_suffix(first.name.as_str()));
    candidates.filter(|prefix| prefix.ends_with('.')).take(PREFIXES).find(|prefix| {
        declared(network).all(|declared| {
            state.get(&format!("{prefix}{}", declared.name)).is_some() || state.get(&declared.name).is_some()
        })
    })
}

fn usable(subject: &str, name: &str, item: Option<Item>, dtype: DType) -> Result<Tensor> {
    let Some(Item::Tensor(stored)) = item else {
        return Err(Error::input(subject, format!("has no tensor {name}"), "save the file again"));
    };
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
    let tensor = stored.to_tensor(float, dtype)?;
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
