//! A training's state as bytes: everything that the rest of the run follows from.
//!
//! A length (u64, little-endian), so many bytes of JSON, and a safetensors file: `parameter.I`, `buffer.I`, `optimizer.I` (its moments),
//! `scalars` (the event file so far). Numbers are written so that they are read as the same bits.

use std::{borrow::Cow, collections::BTreeMap};

use candle_core::{Device, Tensor};
use eigenscape_core::{Error, Result, notes::Note, results::Run};
use serde::{Deserialize, Serialize};

use crate::{
    optimizer::{self, Optimizer},
    tensorboard::Scalars,
    train::{EpochLog, Standing},
    weights::Weights,
};

/// What a run has come to before the epoch under way.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// For `results.json`.
    pub run: Run,
    /// Distances that were left out, for the notes.
    pub left_out: Vec<Note>,
    /// The event file, where one is written.
    pub scalars: Option<Scalars>,
}

/// Files of weights that were written, by name, each with its checksum.
pub type Checkpoints = BTreeMap<String, u32>;

/// A state that was read.
pub struct State {
    /// Where the training stands.
    pub standing: Standing,
    /// What was recorded before.
    pub records: Records,
    /// What was written before.
    pub checkpoints: Checkpoints,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    epoch: usize,
    log: Cow<'a, EpochLog>,
    last_loss: Option<f64>,
    optimizer_steps: i32,
    run: Cow<'a, Run>,
    left_out: Cow<'a, [Note]>,
    checkpoints: Cow<'a, Checkpoints>,
}

/// The state as bytes. One that no step will follow does without the optimizer's moments, which are most of it.
///
/// # Errors
/// When a tensor cannot be read.
pub fn encode(
    standing: &Standing,
    records: &Records,
    checkpoints: &Checkpoints,
    steps_follow: bool,
) -> Result<Vec<u8>> {
    let (optimizer_steps, moments) = standing.optimizer.memory();
    let header = Header {
        epoch: standing.epoch,
        log: Cow::Borrowed(&standing.log),
        last_loss: standing.last_loss,
        optimizer_steps,
        run: Cow::Borrowed(&records.run),
        left_out: Cow::Borrowed(&records.left_out),
        checkpoints: Cow::Borrowed(checkpoints),
    };
    let header = serde_json::to_vec(&header).map_err(|error| cannot(&error))?;
    let scalars = records.scalars.as_ref().map(|scalars| {
        let bytes = scalars.bytes();
        Tensor::from_slice(bytes, bytes.len(), &Device::Cpu)
    });
    let scalars = scalars.transpose()?;
    let Weights { parameters, buffers } = &standing.weights;
    let moments = if steps_follow { moments } else { Vec::new() };
    let named = |kind: &'static str| move |(index, tensor)| (format!("{kind}.{index}"), tensor);
    let tensors: BTreeMap<String, &Tensor> = (parameters.iter().enumerate().map(named("parameter")))
        .chain(buffers.iter().enumerate().map(named("buffer")))
        .chain(moments.into_iter().enumerate().map(named("optimizer")))
        .chain(scalars.iter().map(|tensor| ("scalars".to_owned(), tensor)))
        .collect();
    let tensors = safetensors::serialize(tensors, None).map_err(|error| cannot(&error))?;
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, &tensors].concat())
}

fn cannot(error: &dyn std::error::Error) -> Error {
    Error::input("the training's state", format!("it cannot be written ({error})"), "report this")
}

/// Reads a state of a training of weights like these; `None` where the bytes are none.
#[must_use]
pub fn decode(bytes: &[u8], optimizer: Optimizer, like: &Weights) -> Option<State> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (header, tensors) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: Header = serde_json::from_slice(header).ok()?;
    let mut tensors = candle_core::safetensors::load_buffer(tensors, &Device::Cpu).ok()?;
    let scalars = match tensors.remove("scalars") {
        Some(scalars) => Some(Scalars::of_bytes(scalars.to_vec1().ok()?)),
        None => None,
    };
    let mut all = |kind: &str| -> Vec<Tensor> {
        let next = |index| tensors.remove(&format!("{kind}.{index}"));
        (0..).map_while(next).collect()
    };
    let weights = Weights { parameters: all("parameter"), buffers: all("buffer") };
    let moments = all("optimizer");
    if !alike(&weights.parameters, &like.parameters) || !alike(&weights.buffers, &like.buffers) {
        return None;
    }
    let standing = Standing {
        epoch: header.epoch,
        log: header.log.into_owned(),
        weights,
        optimizer: optimizer::State::remembering(optimizer, header.optimizer_steps, moments),
        last_loss: header.last_loss,
    };
    let records = Records { run: header.run.into_owned(), left_out: header.left_out.into_owned(), scalars };
    Some(State { standing, records, checkpoints: header.checkpoints.into_owned() })
}

/// Whether there are as many tensors of the same shapes and types.
fn alike(left: &[Tensor], right: &[Tensor]) -> bool {
    let kind = |tensor: &Tensor| (tensor.dims().to_vec(), tensor.dtype());
    left.iter().map(kind).eq(right.iter().map(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        optimizer::{Adam, Sgd},
        train::{PenaltyLog, StepLog},
    };

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    fn bits(tensors: &[Tensor]) -> Vec<u32> {
        tensors
            .iter()
            .flat_map(|t| t.flatten_all().unwrap().to_vec1::<f32>().unwrap())
            .map(f32::to_bits)
            .collect()
    }

    /// A training after two steps, with numbers that are not round.
    fn standing(optimizer: Optimizer) -> Standing {
        let weights = Weights {
            parameters: vec![tensor(&[0.1, -0.0, 1e-40]), tensor(&[7.3])],
            buffers: vec![tensor(&[0.3])],
        };
        let mut standing = Standing::new(optimizer, weights).at_start_of(4);
        for step in 0..2 {
            let gradients = [tensor(&[1.0 / 3.0, 1e-20, step as f32]), tensor(&[-0.7])];
            standing.optimizer.step(0.1, &mut standing.weights.parameters, &gradients).unwrap();
            standing.log.steps.push(StepLog { loss: 0.1 + 0.2, lr: 1.0 / 7.0 });
        }
        standing.log.penalties.push(PenaltyLog {
            regularizer: 0,
            step: 1,
            value: 2.0 / 3.0,
            stderr: None,
            seconds: 0.1,
        });
        standing.last_loss = Some(0.1 + 0.2);
        standing
    }

    #[test]
    fn what_is_read_goes_on_with_the_same_bits() {
        let sgd = Sgd { lr: 0.1, momentum: 0.9, dampening: 0.0, nesterov: true, weight_decay: 0.01 };
        let adam = Adam { lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.1, decoupled: true };
        let plain = Sgd { momentum: 0.0, nesterov: false, ..sgd };
        for optimizer in [Optimizer::Sgd(sgd), Optimizer::Sgd(plain), Optimizer::Adam(adam)] {
            let mut before = standing(optimizer);
            let mut records = Records { scalars: Some(Scalars::new()), ..Records::default() };
            records.left_out.push(Note::new("Left out", "why"));
            records.run.seed = u64::MAX;
            let checkpoints = Checkpoints::from([("epoch-0".to_owned(), 5)]);
            let bytes = encode(&before, &records, &checkpoints, true).unwrap();
            let State { standing: mut after, records: read, checkpoints: listed } =
                decode(&bytes, optimizer, &before.weights).unwrap();
            assert_eq!((after.epoch, &after.log, after.last_loss), (4, &before.log, before.last_loss));
            assert_eq!((&read.run, &read.left_out, &listed), (&records.run, &records.left_out, &checkpoints));
            assert_eq!(read.scalars.unwrap().bytes(), records.scalars.unwrap().bytes());
            for standing in [&mut before, &mut after] {
                let gradients = [tensor(&[0.3, -5.5, 1e-9]), tensor(&[0.9])];
                standing.optimizer.step(0.07, &mut standing.weights.parameters, &gradients).unwrap();
            }
            assert_eq!(bits(&after.weights.parameters), bits(&before.weights.parameters));
            assert_eq!(bits(&after.weights.buffers), bits(&before.weights.buffers));
        }
    }

    #[test]
    fn what_is_no_state_of_this_training_is_none() {
        let optimizer = Optimizer::Sgd(Sgd {
            lr: 0.1,
            momentum: 0.9,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        });
        let standing = standing(optimizer);
        let bytes = encode(&standing, &Records::default(), &Checkpoints::new(), true).unwrap();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], optimizer, &standing.weights).is_none(), "{length}");
        }
        let mut other = standing.weights.clone();
        other.parameters[1] = tensor(&[1.0, 2.0]);
        assert!(decode(&bytes, optimizer, &other).is_none());
        let last = encode(&standing, &Records::default(), &Checkpoints::new(), false).unwrap();
        assert!(last.len() < bytes.len() && decode(&last, optimizer, &standing.weights).is_some());
    }
}
