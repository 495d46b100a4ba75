//! A probe whose residuals are evaluated in f32: other spectra, in less memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "common/points.rs"]
mod points;

use std::fs;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Context, Dataset, Estimate, Examples, Result, Split, Targets};
use eigenscape_experiment::{check, choices::Choices, identity::Identity, prepare};

/// So many points that a layer's activations take more memory than its weights.
struct Many;

const SAMPLES: usize = 128;

impl Dataset for Many {
    fn examples(&self, _: Split) -> Result<Examples> {
        let inputs = Tensor::from_iter((0..2 * SAMPLES).map(|i| (i as f32).sin()), &Device::Cpu)?;
        let labels = Tensor::from_iter((0..SAMPLES).map(|i| i as i64 % 2), &Device::Cpu)?;
        let targets = Targets::Classes { labels: labels.to_dtype(DType::I64)?, classes: 2 };
        Ok(Examples { inputs: inputs.reshape((SAMPLES, 2))?.into(), targets })
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn description(&self) -> String {
        "many points".to_owned()
    }
}

struct Measured {
    eigenvalues: Vec<f64>,
    /// Bytes to measure, by the account.
    memory: usize,
    identity: Identity,
}

/// The spectrum of a probe with these keys, by an estimator that takes products or rows.
fn measured(estimator: &str, keys: &str) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let text = format!(
        "name = \"residuals\"\n[data]\nname = \"many\"\n[model]\nname = \"mlp\"\nwidths = [500]\n\
         activation = \"tanh\"\n[[probe]]\nsamples = {SAMPLES}\ncurvature = \"gauss-newton\"\n\
         estimator = {estimator}\n{keys}\n"
    );
    fs::write(&file, text).unwrap();
    let mut registry = points::registry();
    eigenscape_estimators::register(&mut registry);
    registry.datasets.add("many", "Points", |_: points::NoKeys, _| Ok(Box::new(Many)));
    let plan = check::plan(&file, &Choices::default(), &registry).unwrap();
    let prepared = prepare::prepare(&plan.runs[0]).unwrap();
    let probe = &prepared.probes[0];
    let (curvature, group) = probe.matrices().next().unwrap();
    let landscape = probe.landscape(None, &prepared.weights).unwrap();
    let operator = probe.operator(&landscape, curvature, group);
    let context = Context { memory: probe.memory_of_estimator(), ..Context::silent(0) };
    let Estimate::Spectrum(spectrum) = probe.plan.estimator.estimate(&operator, &context).unwrap() else {
        panic!("a spectrum is expected")
    };
    let eigenvalues = spectrum.eigenvalues;
    let memory = prepared.account.measuring.total();
    Measured { eigenvalues, memory, identity: Identity::new(&prepared).unwrap() }
}

#[test]
fn in_f32_they_are_near_those_in_f64_and_take_less_memory() {
    for estimator in ["{ name = \"lanczos\", steps = 8 }", "\"gram\""] {
        let (exact, default, rounded) = (
            measured(estimator, "residuals = \"f64\""),
            measured(estimator, ""),
            measured(estimator, "residuals = \"f32\""),
        );
        assert_eq!(default.eigenvalues, exact.eigenvalues, "{estimator}: f64 is the default");
        assert_eq!((default.memory, &default.identity), (exact.memory, &exact.identity));
        assert_ne!(rounded.eigenvalues, exact.eigenvalues, "{estimator}");
        let largest = exact.eigenvalues.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        // What is not listed is 0 but for rounding.
        let value = |of: &Measured, i: usize| of.eigenvalues.get(i).copied().unwrap_or(0.0);
        for i in 0..exact.eigenvalues.len().max(rounded.eigenvalues.len()) {
            let [rounded, exact] = [value(&rounded, i), value(&exact, i)];
            assert!((rounded - exact).abs() < 1e-5 * largest, "{estimator}: {rounded} and {exact}");
        }
        let [less, more] = [rounded.memory, exact.memory];
        let falls = if estimator.contains("lanczos") { less < more } else { less <= more };
        assert!(falls, "{estimator}: {less} and {more} bytes");
        // No spectrum of the one is taken for one of the other.
        assert_ne!(rounded.identity.key, exact.identity.key);
    }
}
