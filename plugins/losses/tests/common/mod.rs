//! Losses by name, and their derivatives in the outputs by the transforms.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses some of it, and fails by panicking")]

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Registry, registry::Environment};
use eigenscape_cpu::Cpu;
use eigenscape_program::{
    Graph, Loss, Result, Value,
    transforms::{linearize, transpose},
};
use eigenscape_runtime::Executable;

/// The loss with this name, and keys in TOML.
pub fn loss(name: &str, keys: &str) -> Loss {
    built(name, keys).unwrap()
}

/// [`loss`], or the error message.
pub fn built(name: &str, keys: &str) -> std::result::Result<Loss, String> {
    let mut registry = Registry::default();
    eigenscape_losses::register(&mut registry);
    let built = registry.losses.build(name, toml::from_str(keys).unwrap(), &Environment::default());
    built.map(|built| built.plugin.into()).map_err(|error| format!("{error:?}"))
}

/// Irregular numbers from −`scale` to `scale`.
pub fn wave(shape: &[usize], phase: f64, scale: f64) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values: Vec<f64> = (0..count).map(|i| scale * (i as f64 * 1.7 + phase).sin()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The loss, its gradient in the outputs, H v, and the gradient of vᵀHv.
pub struct Derivatives {
    program: Executable,
}

impl Derivatives {
    pub fn new(loss: &Loss, z: &[usize], t: &[usize]) -> eigenscape_runtime::Result<Self> {
        let mut graph = Graph::default();
        let (zs, ts, v) = (graph.input("z", z), graph.input("t", t), graph.input("v", z));
        let value = loss.emit(&mut graph, zs, ts)?;
        let gradient = gradient(&mut graph, value, zs)?;
        let product = along(&mut graph, gradient, zs, v)?;
        let form = graph.mul(product, v)?;
        let form = graph.sum_all(form)?;
        let third = self::gradient(&mut graph, form, zs)?;
        Ok(Self { program: Executable::new(&graph, &[zs, ts, v], &[value, gradient, product, third])? })
    }

    pub fn at(&self, z: &Tensor, t: &Tensor, v: &Tensor) -> Vec<Vec<f64>> {
        let found =
            self.program.run(&Cpu::default(), vec![z.clone(), t.clone(), v.clone()], DType::F64).unwrap();
        found.iter().map(numbers).collect()
    }
}

/// ∂`of`/∂z.
pub fn gradient(graph: &mut Graph, of: Value, z: Value) -> Result<Value> {
    let shape = graph.shape(z).to_vec();
    let v = graph.input("tangent", &shape);
    let one = graph.fill(1.0, &[])?;
    let cotangent = match linearize(graph, &[of], &[(z, v)])?[0] {
        Some(tangent) => transpose(graph, &[(tangent, one)], &[v])?[0],
        None => None,
    };
    cotangent.map_or_else(|| graph.fill(0.0, &shape), Ok)
}

/// The derivative of `of` along v.
pub fn along(graph: &mut Graph, of: Value, z: Value, v: Value) -> Result<Value> {
    let shape = graph.shape(of).to_vec();
    linearize(graph, &[of], &[(z, v)])?[0].map_or_else(|| graph.fill(0.0, &shape), Ok)
}

/// The largest difference, relative to the largest number expected.
pub fn error(ours: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let largest = |numbers: &mut dyn Iterator<Item = f64>| {
        numbers.fold(0.0_f64, |most, x| if x.abs() <= most { most } else { x.abs() })
    };
    let difference = largest(&mut ours.iter().zip(expected).map(|(a, b)| a - b));
    if difference == 0.0 { 0.0 } else { difference / largest(&mut expected.iter().copied()) }
}
