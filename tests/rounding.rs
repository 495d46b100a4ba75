//! Rounding errors of exact spectra in f32, compared with spectra in f64.

#![expect(clippy::expect_used, reason = "a test may fail")]

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Context, Curvature, Group, Landscape, ProbeEstimator, Spectrum};
use eigenscape_curvature::Point;
use eigenscape_estimators::{dense::Dense, gram::Gram};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{Network, nn};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// A network 4 → 6 → 3 whose parameters are multiplied by `scale`.
struct Setting {
    activation: nn::Activation,
    scale: f64,
    curvature: Curvature,
    samples: usize,
}

impl Setting {
    fn spectrum(&self, estimator: &dyn ProbeEstimator, dtype: DType) -> Fallible<Spectrum> {
        let Self { activation, scale, curvature, samples } = *self;
        let network = Network::new(&[4], move |scope, x| {
            let hidden = nn::linear(&mut scope.at("0"), x, 6, true)?;
            let hidden = nn::activation(&mut scope.at("1"), hidden, activation)?;
            nn::linear(&mut scope.at("2"), hidden, 3, true)
        })?;
        // The same numbers in both types.
        let wave = |shape: &[usize], phase: f64, scale: f64| -> Fallible<Tensor> {
            let count = shape.iter().product::<usize>();
            let values: Vec<f32> =
                (0..count).map(|i| (scale * (i as f64 * 1.7 + phase).sin()) as f32).collect();
            Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?)
        };
        let labels: Vec<f32> = (0..samples * 3).map(|i| f32::from(i % 3 == (i / 3) % 3)).collect();
        let point = Point {
            backend: eigenscape_cpu::Cpu::shared(),
            parameters: vec![
                wave(&[6, 4], 0.1, scale)?,
                wave(&[6], 0.5, scale)?,
                wave(&[3, 6], 0.9, scale)?,
                wave(&[3], 1.3, scale)?,
            ],
            buffers: vec![],
            inputs: wave(&[samples, 4], 0.3, 1.0)?,
            targets: Tensor::from_vec(labels, (samples, 3), &Device::Cpu)?.to_dtype(dtype)?,
            masks: vec![],
        };
        let landscape = Landscape::new(&network, &cross_entropy(), point, usize::MAX)?;
        let group = Group { name: "full".into(), variables: (&[0, 1, 2, 3]).into(), dimension: 51 };
        Ok(estimator.spectrum(&landscape.operator(curvature, &group), &Context::silent(0))?)
    }

    /// The spectra in f32 and in f64, by the same estimator.
    fn both(&self, estimator: &dyn ProbeEstimator) -> Fallible<[Spectrum; 2]> {
        Ok([self.spectrum(estimator, DType::F32)?, self.spectrum(estimator, DType::F64)?])
    }
}

/// Asserts that every eigenvalue listed in f32 is one of f64's to rounding, and that those missing
/// in f32 are below twice the rounding. Errors are compared after applying `of`: singular values
/// for a factor, otherwise the eigenvalues themselves.
fn assert_honest([single, double]: &[Spectrum; 2], of: fn(f64) -> f64, what: &str) {
    let rounding = single.rounding.expect("an exact spectrum has a rounding");
    assert!(single.exact && double.exact && rounding > double.rounding.unwrap_or(0.0));
    assert!(
        single.eigenvalues.len() <= double.eigenvalues.len(),
        "{what}: more eigenvalues in f32 than in f64"
    );
    let positive = single.eigenvalues.iter().filter(|value| **value > 0.0).count();
    let (largest, smallest) = double.eigenvalues.split_at(positive.min(double.eigenvalues.len()));
    let kept = smallest.len() - (single.eigenvalues.len() - positive);
    let expected = largest.iter().chain(&smallest[kept..]);
    for (value, expected) in single.eigenvalues.iter().zip(expected) {
        let moved = (of(*value) - of(*expected)).abs();
        assert!(moved <= of(rounding), "{what}: {value:e} for {expected:e}, rounding {rounding:e}");
    }
    for hidden in &smallest[..kept] {
        assert!(
            of(hidden.abs()) <= 2.0 * of(rounding),
            "{what}: {hidden:e} is hidden, rounding {rounding:e}"
        );
    }
    let (listed, all) = (single.eigenvalues.len(), double.eigenvalues.len());
    println!("{what}: {listed} of {all} listed, rounding {rounding:.1e} of {:.1e}", double.lambda_max());
}

#[test]
fn what_f32_hides_is_below_the_rounding_that_is_said() -> Fallible<()> {
    for (name, curvature) in [
        ("hessian", Curvature::Hessian),
        ("gauss-newton", Curvature::GaussNewton),
        ("residual", Curvature::Residual),
    ] {
        for scale in [0.5, 2.0, 6.0] {
            let setting = Setting { activation: nn::Activation::Gelu, scale, curvature, samples: 12 };
            let both = setting.both(&Dense::default())?;
            assert_honest(&both, |value| value, &format!("dense {name} {scale}"));
            if curvature == Curvature::GaussNewton {
                assert!(both.iter().all(|spectrum| spectrum.eigenvalues.iter().all(|value| *value > 0.0)));
                assert_honest(&setting.both(&Gram::default())?, f64::sqrt, &format!("gram {name} {scale}"));
            }
        }
    }
    Ok(())
}

/// Logits in the thousands: almost all probabilities are 0 or 1.
#[test]
fn gram_lists_no_eigenvalue_that_is_not_there() -> Fallible<()> {
    for scale in [10.0, 20.0, 40.0, 80.0] {
        let setting = Setting {
            activation: nn::Activation::Relu,
            scale,
            curvature: Curvature::GaussNewton,
            samples: 24,
        };
        let [single, double] = setting.both(&Gram::default())?;
        println!(
            "{scale}: {} of {}, {:?}",
            single.eigenvalues.len(),
            double.eigenvalues.len(),
            single.eigenvalues.first()
        );
        // Eigenvalues listed in f32 agree with f64 to the accuracy of f32; eigenvalues that
        // underflow in f32 are not listed.
        assert!(single.eigenvalues.len() <= double.eigenvalues.len(), "{scale}: {single:?} {double:?}");
        for (value, expected) in single.eigenvalues.iter().zip(&double.eigenvalues) {
            let allowed = 1e-5 * double.lambda_max();
            assert!((value - expected).abs() <= allowed, "{scale}: {value:e} for {expected:e}");
        }
    }
    Ok(())
}
