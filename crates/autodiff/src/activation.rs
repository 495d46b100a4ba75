//! Activations: the values that modules hand on.

use std::collections::BTreeSet;

use crate::{
    Graph, Value,
    error::{Error, Result},
    network::{Network, Traced},
};

/// The output \[N, ...\] of `module` in a network from `x` to `outputs`: the last value emitted in the module that depends on the
/// input and is used outside.
///
/// # Errors
/// When there is none, or its first axis is not that of the samples.
pub(crate) fn activation(graph: &Graph, x: Value, outputs: Value, module: &str) -> Result<Value> {
    let depends = graph.dependents(&[x]);
    let inside = |value: Value| is_within(graph.location(value), module);
    let used: BTreeSet<Value> = (graph.ancestors(&[outputs], &[]).into_iter())
        .filter(|&value| !inside(value))
        .flat_map(|value| graph.args(value).to_vec())
        .chain([outputs])
        .collect();
    let output = used.into_iter().rev().find(|&value| inside(value) && depends[value.index()]);
    let Some(value) = output else {
        return Err(Error::Unsupported(format!("the network has no activation \"{module}\"")));
    };
    let (shape, samples) = (graph.shape(value), graph.shape(x).first());
    if shape.first() == samples {
        Ok(value)
    } else {
        let problem = format!("its shape {shape:?} does not begin with the number of samples");
        Err(Error::shape(format!("activation {module}"), problem))
    }
}

impl Network {
    /// The modules that have an activation, with the shape of one sample's, in the order in which they are computed.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn activations(&self) -> Result<Vec<(String, Vec<usize>)>> {
        let Traced { graph, x, outputs, .. } = self.trace(1)?;
        let mut modules: Vec<&str> = Vec::new();
        for value in graph.ancestors(&[outputs], &[]) {
            for module in prefixes(graph.location(value)) {
                if !modules.contains(&module) {
                    modules.push(module);
                }
            }
        }
        let named = |module: &str| {
            activation(&graph, x, outputs, module).ok().map(|value| (value, module.to_owned()))
        };
        let mut activations: Vec<(Value, String)> = modules.into_iter().filter_map(named).collect();
        activations.sort();
        let shape = |value: Value| graph.shape(value)[1..].to_vec();
        Ok(activations.into_iter().map(|(value, module)| (module, shape(value))).collect())
    }
}

/// Whether a module, by its full name, is `ancestor` or in it.
fn is_within(module: &str, ancestor: &str) -> bool {
    module.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// "a", "a.b", "a.b.c" for "a.b.c".
fn prefixes(module: &str) -> impl Iterator<Item = &str> {
    let dots = module.match_indices('.').map(|(at, _)| at);
    dots.chain([module.len()]).map(|end| &module[..end]).filter(|prefix| !prefix.is_empty())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::{Objective, Point, Scope, Variables, nn, testing::squared_error};

    fn block(scope: &mut Scope, x: Value) -> Result<Value> {
        let y = nn::linear(&mut scope.at("fc"), x, 3, true)?;
        let y = nn::activation(&mut scope.at("act"), y, nn::Activation::Tanh)?;
        scope.graph().add(x, y)
    }

    #[test]
    fn are_found_by_what_is_used_outside() -> Result<()> {
        let network = Network::new(&[3], |scope, x| {
            let x = block(&mut scope.at("blocks.0"), x)?;
            let x = block(&mut scope.at("blocks.1"), x)?;
            nn::linear(&mut scope.at("head"), x, 2, true)
        })?;
        let names: Vec<String> = network.activations()?.into_iter().map(|(name, _)| name).collect();
        let expected = [
            "blocks.0.fc",
            "blocks.0.act",
            "blocks.0",
            "blocks.1.fc",
            "blocks.1.act",
            "blocks",
            "blocks.1",
            "head",
        ];
        assert_eq!(names, expected);
        let Traced { graph, x, outputs, .. } = network.trace(5)?;
        let of = |module: &str| activation(&graph, x, outputs, module);
        assert_eq!(graph.shape(of("blocks.0.fc")?), [5, 3]);
        assert_eq!(graph.describe(of("blocks.0")?), "add in blocks.0");
        assert_eq!(of("head")?, outputs);
        assert!(of("block").is_err());
        Ok(())
    }

    #[test]
    fn of_the_same_operation_in_two_modules_are_two() -> Result<()> {
        let network = Network::new(&[3], |scope, x| {
            let a = nn::activation(&mut scope.at("a"), x, nn::Activation::Tanh)?;
            let b = nn::activation(&mut scope.at("b"), x, nn::Activation::Tanh)?;
            scope.graph().add(a, b)
        })?;
        let names: Vec<String> = network.activations()?.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        Ok(())
    }

    #[test]
    fn a_module_that_changes_nothing_has_one_too() -> Result<()> {
        let network = Network::new(&[3], |scope, x| {
            let x = nn::linear(&mut scope.at("fc"), x, 3, true)?;
            let y = nn::dropout(&mut scope.at("drop"), x, 0.5)?;
            let y = nn::flatten(&mut scope.at("flat"), y)?;
            let y = nn::activation(&mut scope.at("same"), y, nn::Activation::Identity)?;
            let y = nn::activation(&mut scope.at("act"), y, nn::Activation::Tanh)?;
            scope.graph().add(x, y)
        })?;
        let names: Vec<String> = network.activations()?.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["fc", "drop", "flat", "same", "act"]);
        // What goes around a module is not behind its activation.
        let objective = Objective::new(&network, &squared_error(), 1)?;
        let level =
            |module: &str| Ok::<_, Error>(objective.affinity(Variables::Activation(module.to_owned()))?.0);
        assert_eq!(level("fc")?, level("drop")?);
        let point = Point {
            parameters: vec![
                Tensor::zeros((3, 3), candle_core::DType::F64, &Device::Cpu)?,
                Tensor::new(&[0.5, 1.0, 1.5], &Device::Cpu)?,
            ],
            buffers: vec![],
            inputs: Tensor::zeros((1, 3), candle_core::DType::F64, &Device::Cpu)?,
            targets: Tensor::zeros((1, 3), candle_core::DType::F64, &Device::Cpu)?,
            masks: vec![],
        };
        let gradient = |module: &str| -> Result<Vec<f64>> {
            let group = Variables::Activation(module.to_owned());
            Ok(objective.gradient(group)?.at(&point, &[])?.remove(2).flatten_all()?.to_vec1()?)
        };
        let (through, around) = (gradient("drop")?, gradient("fc")?);
        assert_eq!((gradient("flat")?, gradient("same")?), (through.clone(), through.clone()));
        for (i, x) in [0.5_f64, 1.0, 1.5].into_iter().enumerate() {
            let residual = 2.0 / 3.0 * (x + x.tanh());
            assert!((through[i] - residual * (1.0 - x.tanh().powi(2))).abs() < 1e-15);
            assert!((around[i] - residual * (2.0 - x.tanh().powi(2))).abs() < 1e-15);
        }
        Ok(())
    }

    /// h = W x + b: the gradient and curvature in b are those in h, summed over samples.
    #[test]
    fn of_a_linear_layer_have_the_curvature_of_its_bias() -> Result<()> {
        const SAMPLES: usize = 4;
        let network = Network::new(&[3], |scope, x| {
            let x = nn::linear(&mut scope.at("fc"), x, 5, true)?;
            let x = nn::activation(&mut scope.at("act"), x, nn::Activation::Tanh)?;
            nn::linear(&mut scope.at("head"), x, 2, true)
        })?;
        let wave = |shape: &[usize]| {
            let count = shape.iter().product::<usize>() as u32;
            Tensor::from_iter((0..count).map(|i| (1.3 * f64::from(i + count)).sin()), &Device::Cpu)?
                .reshape(shape)
        };
        let parameters = network.parameters().iter().map(|p| wave(&p.shape));
        let point = Point {
            parameters: parameters.collect::<candle_core::Result<_>>()?,
            buffers: vec![],
            inputs: wave(&[SAMPLES, 3])?,
            targets: wave(&[SAMPLES, 2])?,
            masks: vec![],
        };
        let objective = Objective::new(&network, &squared_error(), SAMPLES)?;
        let (bias, hidden) = (Variables::from(&[1]), Variables::Activation("fc".to_owned()));
        let same = |in_bias: &Tensor, in_hidden: &Tensor| -> Result<()> {
            let summed = in_hidden.reshape((SAMPLES, 5))?.sum(0)?;
            let distance = (summed - in_bias.reshape(5)?)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(distance < 1e-14, "{distance:e}");
            Ok(())
        };
        let gradient =
            |group: &Variables| Ok::<_, Error>(objective.gradient(group)?.at(&point, &[])?.remove(2));
        same(&gradient(&bias)?, &gradient(&hidden)?)?;
        let v = wave(&[1, 5])?;
        let everywhere = v.repeat((1, SAMPLES))?;
        for product in [Objective::hessian, Objective::gauss_newton, Objective::residual] {
            let in_bias = product(&objective, &point, bias.clone())?.apply_rows(&v)?;
            assert!(in_bias.abs()?.max_all()?.to_scalar::<f64>()? > 1e-3);
            same(&in_bias, &product(&objective, &point, hidden.clone())?.apply_rows(&everywhere)?)?;
        }
        Ok(())
    }
}
