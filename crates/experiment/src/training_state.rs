//! Writes and reads a training's state: everything that the rest of the run depends on.
//!
//! The format is a length (u64, little-endian), that many bytes of JSON, the elements of tensors
//! (little-endian: parameters, buffers, the optimizer's moments), and the event file so far.
//! Numbers are read with the same bits as they were written.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Read, Write},
};

use candle_core::{Device, Tensor};
use eigenscape_core::{notes::Note, results::Run};
use serde::{Deserialize, Serialize};

use crate::{
    optimizer::{self, Optimizer},
    tensorboard::Scalars,
    train::{EpochLog, Standing},
    weights::Weights,
};

/// The records of a run before the current epoch.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// For `results.json`.
    pub run: Run,
    /// Distances that were left out, for the notes.
    pub left_out: Vec<Note>,
    /// The event file, where one is written.
    pub scalars: Option<Scalars>,
}

/// The checksums of written files of weights and eigenvectors, by path in the run's folder.
pub type Files = BTreeMap<String, u32>;

/// A state read from a file.
pub struct State {
    /// The training's state.
    pub standing: Standing,
    /// The records before the current epoch.
    pub records: Records,
    /// The files of weights and eigenvectors written before.
    pub files: Files,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    epoch: usize,
    log: Cow<'a, EpochLog>,
    last_loss: Option<f64>,
    optimizer_steps: i32,
    /// The number of the optimizer's tensors.
    moments: usize,
    run: Cow<'a, Run>,
    left_out: Cow<'a, [Note]>,
    files: Cow<'a, Files>,
    /// Bytes of the event file.
    scalars: Option<usize>,
}

/// Writes the state. If no step follows, the optimizer's moments are left out, which are most of
/// it.
///
/// # Errors
/// When it cannot be written, or a tensor cannot be read.
pub fn write(
    out: &mut dyn Write,
    standing: &Standing,
    records: &Records,
    files: &Files,
    steps_follow: bool,
) -> io::Result<()> {
    let (optimizer_steps, moments) = standing.optimizer.memory();
    let moments = if steps_follow { moments } else { Vec::new() };
    let scalars = records.scalars.as_ref().map(Scalars::bytes);
    let header = serde_json::to_vec(&Header {
        epoch: standing.epoch,
        log: Cow::Borrowed(&standing.log),
        last_loss: standing.last_loss,
        optimizer_steps,
        moments: moments.len(),
        run: Cow::Borrowed(&records.run),
        left_out: Cow::Borrowed(&records.left_out),
        files: Cow::Borrowed(files),
        scalars: scalars.map(<[u8]>::len),
    })?;
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    let Weights { parameters, buffers } = &standing.weights;
    for tensor in parameters.iter().chain(buffers).chain(moments) {
        // One tensor at a time: a state may be as large as the machine's memory allows.
        let mut elements = Vec::with_capacity(tensor.elem_count() * tensor.dtype().size_in_bytes());
        tensor.write_bytes(&mut elements).map_err(io::Error::other)?;
        out.write_all(&elements)?;
    }
    out.write_all(scalars.unwrap_or_default())
}

/// Reads the state of a training of weights like these; `None` if the contents are something else.
pub fn read(contents: &mut dyn Read, optimizer: Optimizer, like: &Weights) -> Option<State> {
    let mut length = [0; 8];
    contents.read_exact(&mut length).ok()?;
    let header = bytes(contents, u64::from_le_bytes(length))?;
    let header: Header = serde_json::from_slice(&header).ok()?;
    let mut tensors = |like: &[Tensor], each: usize| -> Option<Vec<Tensor>> {
        let like = like.iter().flat_map(|tensor| std::iter::repeat_n(tensor, each));
        like.map(|like| tensor(contents, like)).collect()
    };
    let parameters = tensors(&like.parameters, 1)?;
    let buffers = tensors(&like.buffers, 1)?;
    let moments = tensors(&like.parameters, header.moments / like.parameters.len().max(1))?;
    let scalars = match header.scalars {
        Some(length) => Some(Scalars::of_bytes(bytes(contents, length as u64)?)),
        None => None,
    };
    if moments.len() != header.moments || contents.read(&mut [0]).ok()? > 0 {
        return None;
    }
    let standing = Standing {
        epoch: header.epoch,
        log: header.log.into_owned(),
        weights: Weights { parameters, buffers },
        optimizer: optimizer::State::remembering(optimizer, header.optimizer_steps, moments),
        last_loss: header.last_loss,
    };
    let records = Records { run: header.run.into_owned(), left_out: header.left_out.into_owned(), scalars };
    Some(State { standing, records, files: header.files.into_owned() })
}

/// Reads `length` bytes; `None` if there are fewer.
fn bytes(contents: &mut dyn Read, length: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    contents.take(length).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == length).then_some(bytes)
}

/// Reads a tensor with the shape and type of `like`.
fn tensor(contents: &mut dyn Read, like: &Tensor) -> Option<Tensor> {
    let size = like.elem_count() * like.dtype().size_in_bytes();
    let elements = bytes(contents, size as u64)?;
    Tensor::from_raw_buffer(&elements, like.dtype(), like.dims(), &Device::Cpu).ok()
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

    fn written(standing: &Standing, records: &Records, files: &Files, steps_follow: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, standing, records, files, steps_follow).unwrap();
        bytes
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
            let files = Files::from([("checkpoints/epoch-0.safetensors".to_owned(), 5)]);
            let bytes = written(&before, &records, &files, true);
            let State { standing: mut after, records: read, files: listed } =
                read(&mut &bytes[..], optimizer, &before.weights).unwrap();
            assert_eq!((after.epoch, &after.log, after.last_loss), (4, &before.log, before.last_loss));
            assert_eq!((&read.run, &read.left_out, &listed), (&records.run, &records.left_out, &files));
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
        let bytes = written(&standing, &Records::default(), &Files::new(), true);
        for length in 0..bytes.len() {
            assert!(read(&mut &bytes[..length], optimizer, &standing.weights).is_none(), "{length}");
        }
        let mut other = standing.weights.clone();
        other.parameters[1] = tensor(&[1.0, 2.0]);
        assert!(read(&mut &bytes[..], optimizer, &other).is_none());
        let last = written(&standing, &Records::default(), &Files::new(), false);
        assert!(last.len() < bytes.len() && read(&mut &last[..], optimizer, &standing.weights).is_some());
    }
}
