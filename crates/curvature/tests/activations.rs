//! Activations of modules: how they are found, and curvature in them.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Cpu;
use eigenscape_curvature::{Objective, Point};
use eigenscape_losses::mean_squared_error;
use eigenscape_program::{Network, Scope, Traced, Value, Variables, activation, nn};
use eigenscape_runtime::{Error, Result};

fn block(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
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
    // A path around a module does not depend on the module's activation.
    let objective = Objective::new(&network, &mean_squared_error(), 1)?;
    let level =
        |module: &str| Ok::<_, Error>(objective.affinity(Variables::Activation(module.to_owned()))?.0);
    assert_eq!(level("fc")?, level("drop")?);
    let point = Point {
        backend: Cpu::shared(),
        parameters: vec![
            Tensor::zeros((3, 3), DType::F64, &Device::Cpu)?,
            Tensor::new(&[0.5, 1.0, 1.5], &Device::Cpu)?,
        ],
        buffers: vec![],
        inputs: Tensor::zeros((1, 3), DType::F64, &Device::Cpu)?,
        targets: Tensor::zeros((1, 3), DType::F64, &Device::Cpu)?,
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
        backend: Cpu::shared(),
        parameters: parameters.collect::<candle_core::Result<_>>()?,
        buffers: vec![],
        inputs: wave(&[SAMPLES, 3])?,
        targets: wave(&[SAMPLES, 2])?,
        masks: vec![],
    };
    let objective = Objective::new(&network, &mean_squared_error(), SAMPLES)?;
    let (bias, hidden) = (Variables::from(&[1]), Variables::Activation("fc".to_owned()));
    let same = |in_bias: &Tensor, in_hidden: &Tensor| -> Result<()> {
        let summed = in_hidden.reshape((SAMPLES, 5))?.sum(0)?;
        let distance = (summed - in_bias.reshape(5)?)?.abs()?.max_all()?.to_scalar::<f64>()?;
        assert!(distance < 1e-14, "{distance:e}");
        Ok(())
    };
    let gradient = |group: &Variables| Ok::<_, Error>(objective.gradient(group)?.at(&point, &[])?.remove(2));
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
