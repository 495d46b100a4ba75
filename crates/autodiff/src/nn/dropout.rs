//! Dropout.

use crate::{
    Scope, Value,
    error::{Error, Result},
    scope::Mode,
};

/// Dropout (Srivastava et al. 2014): in train mode each element of x \[N, ...\] is dropped with this probability and the others
/// are scaled by 1/(1 − probability), by a [mask](Scope::mask) that is data; in eval mode the identity.
///
/// # Errors
/// When the probability is not in \[0, 1), or x is a scalar.
pub fn dropout(scope: &mut Scope, x: Value, probability: f64) -> Result<Value> {
    let shape = scope.shape(x);
    masked(scope, x, probability, shape.get(1..).unwrap_or_default())
}

/// Dropout of whole channels of x \[N, C, ...\] (Tompson et al. 2015); otherwise as [`dropout`].
///
/// # Errors
/// When the probability is not in \[0, 1), or x has no axis 1.
pub fn channel_dropout(scope: &mut Scope, x: Value, probability: f64) -> Result<Value> {
    let shape = scope.shape(x);
    let &[_, channels, ref rest @ ..] = shape.as_slice() else {
        return Err(Error::shape("dropout2d", format!("needs an input [N, C, ...], not {shape:?}")));
    };
    let mask: Vec<usize> = std::iter::once(channels).chain(rest.iter().map(|_| 1)).collect();
    masked(scope, x, probability, &mask)
}

/// x times a mask \[N, `shape`...\] that is repeated where it has the size 1.
fn masked(scope: &mut Scope, x: Value, probability: f64, shape: &[usize]) -> Result<Value> {
    if !(0.0..1.0).contains(&probability) {
        return Err(Error::shape("dropout", format!("the probability is {probability}, not in [0, 1)")));
    }
    if probability == 0.0 || scope.mode() == Mode::Eval {
        return scope.graph().again(x);
    }
    let mask = scope.mask(shape, 1.0 - probability);
    let full = scope.shape(x);
    let graph = scope.graph();
    let mask = graph.broadcast(mask, &full)?;
    graph.mul(x, mask)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::{Network, Objective, Point, nn::linear, testing::squared_error};

    fn network(mode: Mode) -> Result<Network> {
        Network::with_mode(&[2], mode, |scope, x| {
            let x = dropout(&mut scope.at("drop"), x, 0.75)?;
            linear(&mut scope.at("fc"), x, 2, false)
        })
    }

    /// The outputs for x = (1, 2) in two samples and the weight (1 1; 1 −1).
    fn outputs(network: &Network, masks: Vec<Tensor>) -> Result<Vec<Vec<f64>>> {
        let tensor = |values: [[f64; 2]; 2]| Tensor::new(&values, &Device::Cpu);
        let inputs = tensor([[1.0, 2.0], [1.0, 2.0]])?;
        let targets = inputs.zeros_like()?;
        let parameters = vec![tensor([[1.0, 1.0], [1.0, -1.0]])?];
        let point = Point { parameters, buffers: vec![], inputs, targets, masks };
        Ok(Objective::new(network, &squared_error(), 2)?.loss()?.at(&point, &[])?[1].to_vec2()?)
    }

    #[test]
    fn in_eval_mode_it_is_the_identity_and_in_train_mode_a_mask() -> Result<()> {
        let train = network(Mode::Train)?;
        let mask = Tensor::new(&[[4.0, 0.0], [4.0, 4.0]], &Device::Cpu)?;
        assert_eq!(outputs(&train, vec![mask])?, [[4.0, 4.0], [12.0, -4.0]]);
        assert_eq!(train.masks(), [crate::Mask { module: "drop".to_owned(), shape: vec![2], keep: 0.25 }]);
        let eval = train.in_mode(Mode::Eval)?;
        assert_eq!(eval.masks(), []);
        assert_eq!(outputs(&eval, vec![])?, [[3.0, -1.0], [3.0, -1.0]]);
        assert_eq!(eval.in_mode(Mode::Train)?.masks().len(), 1);
        Ok(())
    }

    #[test]
    fn masks_must_be_given() -> Result<()> {
        assert!(outputs(&network(Mode::Train)?, vec![]).is_err());
        Ok(())
    }

    #[test]
    fn a_probability_is_below_one() {
        for probability in [-0.1, 1.0, f64::NAN] {
            assert!(Network::new(&[2], move |scope, x| dropout(scope, x, probability)).is_err());
        }
    }
}
