//! Layers that differ between training and evaluation: dropout and batch normalisation.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Cpu;
use eigenscape_curvature::{Objective, Point};
use eigenscape_losses::mean_squared_error;
use eigenscape_program::{Mask, Mode, Network, nn};
use eigenscape_runtime::Result;

fn dropping(mode: Mode) -> eigenscape_program::Result<Network> {
    Network::with_mode(&[2], mode, |scope, x| {
        let x = nn::dropout(&mut scope.at("drop"), x, 0.75)?;
        nn::linear(&mut scope.at("fc"), x, 2, false)
    })
}

/// The outputs for x = (1, 2) in two samples and the weight (1 1; 1 −1).
fn outputs(network: &Network, masks: Vec<Tensor>) -> Result<Vec<Vec<f64>>> {
    let tensor = |values: [[f64; 2]; 2]| Tensor::new(&values, &Device::Cpu);
    let inputs = tensor([[1.0, 2.0], [1.0, 2.0]])?;
    let targets = inputs.zeros_like()?;
    let parameters = vec![tensor([[1.0, 1.0], [1.0, -1.0]])?];
    let point = Point { backend: Cpu::shared(), parameters, buffers: vec![], inputs, targets, masks };
    Ok(Objective::new(network, &mean_squared_error(), 2)?.loss()?.at(&point, &[])?[1].to_vec2()?)
}

#[test]
fn in_eval_mode_it_is_the_identity_and_in_train_mode_a_mask() -> Result<()> {
    let train = dropping(Mode::Train)?;
    let mask = Tensor::new(&[[4.0, 0.0], [4.0, 4.0]], &Device::Cpu)?;
    assert_eq!(outputs(&train, vec![mask])?, [[4.0, 4.0], [12.0, -4.0]]);
    assert_eq!(train.masks(), [Mask { module: "drop".to_owned(), shape: vec![2], keep: 0.25 }]);
    let eval = train.in_mode(Mode::Eval)?;
    assert_eq!(eval.masks(), []);
    assert_eq!(outputs(&eval, vec![])?, [[3.0, -1.0], [3.0, -1.0]]);
    assert_eq!(eval.in_mode(Mode::Train)?.masks().len(), 1);
    Ok(())
}

#[test]
fn masks_must_be_given() -> Result<()> {
    assert!(outputs(&dropping(Mode::Train)?, vec![]).is_err());
    Ok(())
}

#[test]
fn a_probability_is_below_one() {
    for probability in [-0.1, 1.0, f64::NAN] {
        assert!(Network::new(&[2], move |scope, x| nn::dropout(scope, x, probability)).is_err());
    }
}

#[test]
fn a_training_step_moves_the_running_statistics_as_pytorch_does() -> Result<()> {
    let network = Network::with_mode(&[1], Mode::Train, |scope, x| {
        let x = nn::batch_norm(&mut scope.at("bn"), x)?;
        nn::linear(&mut scope.at("fc"), x, 1, false)
    })?;
    let number = |values: &[f64]| Tensor::new(values, &Device::Cpu);
    let point = Point {
        backend: Cpu::shared(),
        parameters: vec![number(&[2.0])?, number(&[1.0])?, number(&[3.0])?.reshape((1, 1))?],
        buffers: vec![number(&[10.0])?, number(&[20.0])?],
        inputs: number(&[1.0, 2.0, 6.0])?.reshape((3, 1))?,
        targets: Tensor::zeros((3, 1), DType::F64, &Device::Cpu)?,
        masks: vec![],
    };
    let step = Objective::new(&network, &mean_squared_error(), 3)?.training_step()?.at(&point, &[])?;
    // Mean 3; squares 4 + 1 + 9 = 14, so that the unbiased variance is 7.
    assert!((step[5].to_vec1::<f64>()?[0] - (0.9 * 10.0 + 0.1 * 3.0)).abs() < 1e-14);
    assert!((step[6].to_vec1::<f64>()?[0] - (0.9 * 20.0 + 0.1 * 7.0)).abs() < 1e-14);
    let z = step[1].flatten_all()?.to_vec1::<f64>()?;
    let expected = 3.0 * (2.0 * -2.0 / (14.0_f64 / 3.0 + 1e-5).sqrt() + 1.0);
    assert!((z[0] - expected).abs() < 1e-14, "{z:?}");
    Ok(())
}

#[test]
fn samples_that_see_each_other_have_no_jacobian_rows() -> Result<()> {
    let network = Network::new(&[2], |scope, x| nn::batch_norm(&mut scope.at("bn"), x))?;
    assert_eq!(network.mixes_samples(), None);
    let network = network.in_mode(Mode::Train)?;
    assert_eq!(network.mixes_samples(), Some("bn"));
    let vector = || Tensor::ones(2, DType::F64, &Device::Cpu);
    let inputs = Tensor::new(&[[1.0_f64, 2.0], [3.0, 5.0]], &Device::Cpu)?;
    let targets = inputs.clone();
    let (parameters, buffers) = (vec![vector()?, vector()?], vec![vector()?, vector()?]);
    let point = Point { backend: Cpu::shared(), parameters, buffers, inputs, targets, masks: vec![] };
    let refused = Objective::new(&network, &mean_squared_error(), 2)?.factor(&point, &[0]);
    assert!(refused.is_err_and(|error| error.to_string().contains("in bn")));
    Ok(())
}
