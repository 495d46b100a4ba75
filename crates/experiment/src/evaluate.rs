//! Loss and accuracy over a split.

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};
use eigenscape_core::{Error, Examples, Inputs, LossFunction, Result, account::bytes};
use eigenscape_cpu::{Cpu, PLANNING};
use eigenscape_curvature::{Point, Programs, TargetRows, samples_are_independent};
use eigenscape_formats::memory::of_machine;
use eigenscape_program::Graph;
use eigenscape_runtime::{Backend, Executable, Interrupt, Part, Parts};

use crate::{labels::Labels, weights::Weights};

/// Examples evaluated at once: enough for full speed, few enough for small memory.
pub(crate) const BATCH: usize = 256;

/// The k of the top-k accuracy.
const TOP: usize = 5;

/// Means over a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f64,
    /// The fraction of labels classified correctly, not counting ignored labels; `None` for real
    /// targets and for a loss without targets.
    pub accuracy: Option<f64>,
    /// The fraction of labels among the five largest outputs; `None` where `accuracy` is, for five
    /// classes or fewer, and for labels 0 and 1.
    pub top5: Option<f64>,
}

/// The mean loss of outputs, computed in f64 regardless of their type.
fn mean_loss(
    backend: &dyn Backend,
    loss: &dyn LossFunction,
    outputs: &Tensor,
    targets: &Tensor,
) -> Result<f64> {
    let mut graph = Graph::default();
    let [z, t] = [("outputs", outputs), ("targets", targets)].map(|(name, x)| graph.input(name, x.dims()));
    let mean = loss.emit(&mut graph, z, t)?;
    let inputs = vec![outputs.to_dtype(DType::F64)?, targets.to_dtype(DType::F64)?];
    let program = Executable::new(&graph, &[z, t], &[mean])?;
    scalar(&program.run(backend, inputs, DType::F64)?[0])
}

/// A split with its targets as the loss takes them, in the type of the weights.
pub struct Batches {
    inputs: Inputs,
    targets: TargetRows,
    /// Labels in order, one or several per example, with `None` for ignored labels; `None` if there
    /// are no labels to compare with.
    labels: Option<Vec<Option<i64>>>,
    /// Whether labels are 0 or 1, each the target of one output.
    binary: bool,
    dtype: DType,
    backend: Arc<dyn Backend>,
}

impl Batches {
    /// Prepares a split, for the CPU.
    ///
    /// # Errors
    /// When a label is neither a class nor ignored, or a tensor operation fails.
    pub fn new(examples: &Examples, labels: &Labels, dtype: DType) -> Result<Self> {
        Ok(Self {
            inputs: examples.inputs.clone(),
            targets: labels.targets(&examples.targets, dtype)?,
            labels: labels.known(&examples.targets)?,
            binary: labels.is_binary(),
            dtype,
            backend: Cpu::shared(),
        })
    }

    /// The same split, with programs running on `backend`.
    #[must_use]
    pub fn on(self, backend: &Arc<dyn Backend>) -> Self {
        Self { backend: Arc::clone(backend), ..self }
    }

    /// N, the number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The inputs \[N, ...\].
    #[must_use]
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The point of the examples at `indices` and the weights.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn point(&self, weights: &Weights, indices: &[u32]) -> Result<Point> {
        // A batch's loss is the mean over its own labels. The share of ignored labels differs from
        // that of the split.
        let targets = self.targets.select(&Tensor::new(indices, &Device::Cpu)?)?.mean()?;
        Ok(at(&self.backend, weights, self.inputs.select(indices)?.to_dtype(self.dtype)?, targets))
    }

    /// The point of `count` examples from `start` on and the weights.
    fn range(&self, weights: &Weights, start: usize, count: usize) -> Result<Point> {
        let inputs = self.inputs.range(start, count)?.to_dtype(self.dtype)?;
        Ok(at(&self.backend, weights, inputs, self.targets.narrow(start, count)?))
    }

    /// The number of examples to evaluate at once: all, if the outputs of one depend on the others.
    fn at_once(&self, programs: &Programs, weights: &Weights, machine: usize) -> Result<usize> {
        /// Examples that are compared; more are not looked at.
        const FEW: usize = 8;
        let count = self.len();
        if count <= BATCH {
            return Ok(BATCH);
        }
        // A network that cannot be evaluated for one example is taken for one that couples them.
        if samples_are_independent(programs, &self.range(weights, 0, FEW)?).unwrap_or(false) {
            return Ok(BATCH);
        }
        let need = programs.loss(count)?.peak(PLANNING, self.dtype);
        if need <= machine {
            return Ok(count);
        }
        let problem = format!(
            "an operation works along the axis of the samples, so that losses and accuracies need all {count} samples at once, \
             which would take {} of memory, and this machine has {}",
            bytes(need),
            bytes(machine)
        );
        Err(Error::input("the network", problem, "use fewer samples, or a network without such operations"))
    }

    /// The number of outputs \[n, ...\] that agree with `labels`: by sign for labels 0 and 1, and
    /// by the largest output for classes.
    fn right(&self, outputs: &Tensor, labels: &[Option<i64>]) -> Result<usize> {
        let guesses: Vec<i64> = if self.binary {
            let outputs = outputs.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
            outputs.into_iter().map(|output| i64::from(output > 0.0)).collect()
        } else {
            let classes = outputs.argmax(D::Minus1)?.flatten_all()?.to_vec1::<u32>()?;
            classes.into_iter().map(i64::from).collect()
        };
        Ok(guesses.iter().zip(labels).filter(|(guess, label)| Some(**guess) == **label).count())
    }
}

/// The point of these weights and data, without dropout masks (a network in eval mode has none).
#[must_use]
pub fn at(backend: &Arc<dyn Backend>, weights: &Weights, inputs: Tensor, targets: Tensor) -> Point {
    let (parameters, buffers) = (weights.parameters.clone(), weights.buffers.clone());
    Point { backend: Arc::clone(backend), parameters, buffers, inputs, targets, masks: Vec::new() }
}

/// Mean loss and accuracy, accumulated in f64. `programs` are those of the network in eval mode.
///
/// # Errors
/// When a program cannot be built or evaluated, the network couples samples and does not fit into
/// the machine's memory for all of them, or an interrupt is requested.
pub fn evaluate(
    programs: &Programs,
    split: &Batches,
    weights: &Weights,
    interrupt: &Interrupt,
) -> Result<Evaluation> {
    let classes = split.targets.rows().dims().last().copied().unwrap_or(0);
    let ranked = classes > TOP && !split.binary;
    let labels_each = split.labels.as_ref().map_or(0, |labels| labels.len() / split.len().max(1));
    let backend = &split.backend;
    // The buffers that the backend keeps from training have other sizes.
    backend.release();
    let parts = Parts::of_size(split.len(), split.at_once(programs, weights, of_machine())?);
    let sums = parts.fold(interrupt, (0.0, 0, 0), |(mut loss, mut right, mut near), Part { range, .. }| {
        let (start, count) = (range.start, range.len());
        let point = split.range(weights, start, count)?;
        let results = programs.loss(count)?.at(&point, &[])?;
        loss +=
            mean_loss(&**backend, &**programs.loss_function(), &results[1], &point.targets)? * count as f64;
        if let Some(labels) = &split.labels {
            let labels = &labels[start * labels_each..];
            right += split.right(&results[1], labels)?;
            if ranked {
                near += among_the_first(&results[1], labels)?;
            }
        }
        Ok::<_, Error>((loss, right, near))
    });
    backend.release();
    let (loss, right, near) = sums?;
    let counted = |labels: &Vec<Option<i64>>| labels.iter().flatten().count();
    let share = |count: usize| split.labels.as_ref().map(|labels| count as f64 / counted(labels) as f64);
    Ok(Evaluation {
        loss: loss / split.len() as f64,
        accuracy: share(right),
        top5: share(near).filter(|_| ranked),
    })
}

/// The number of labels among the [`TOP`] largest outputs \[..., C\]: fewer than [`TOP`] outputs
/// are larger than the label's.
fn among_the_first(outputs: &Tensor, labels: &[Option<i64>]) -> Result<usize> {
    let rows = outputs.to_dtype(DType::F64)?.flatten_to(outputs.rank() - 2)?.to_vec2::<f64>()?;
    let is_near = |(row, label): (&Vec<f64>, &Option<i64>)| {
        let own = label.and_then(|class| usize::try_from(class).ok()).and_then(|class| row.get(class));
        own.is_some_and(|own| row.iter().filter(|other| *other > own).count() < TOP)
    };
    Ok(rows.iter().zip(labels).filter(|pair| is_near(*pair)).count())
}

/// A scalar tensor's value.
///
/// # Errors
/// When it is not a scalar.
pub fn scalar(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.to_dtype(DType::F64)?.to_scalar()?)
}

#[cfg(test)]
mod tests {
    use eigenscape_core::{Random, Targets};
    use eigenscape_losses::{binary_cross_entropy, cross_entropy, mean_squared_error};
    use eigenscape_program::{Network, nn};

    use super::*;
    use crate::labels::Coding;

    /// More examples than are evaluated at once, of which the first batch ignores more labels than
    /// the second.
    #[test]
    fn the_mean_is_over_the_labels_that_count() {
        let samples = BATCH + 44;
        let network = Network::new(&[2], |scope, x| nn::linear(scope, x, 3, true)).unwrap();
        let weights = Weights::initial(&network, Random::new(1)).unwrap().to_dtype(DType::F64).unwrap();
        let x: Vec<f64> = (0..2 * samples).map(|i| (i as f64).sin()).collect();
        let inputs = Tensor::from_vec(x, (samples, 2), &Device::Cpu).unwrap();
        let label = |i: usize| if i < 100 || i.is_multiple_of(7) { -100 } else { (i % 3) as i64 };
        let labels: Vec<i64> = (0..samples).map(label).collect();
        let targets = Targets::Classes {
            labels: Tensor::from_slice(&labels, samples, &Device::Cpu).unwrap(),
            classes: 3,
        };
        let split = Batches::new(
            &Examples { inputs: inputs.clone().into(), targets },
            &Labels::of(&cross_entropy()),
            DType::F64,
        )
        .unwrap();
        let found =
            evaluate(&Programs::new(&network, &cross_entropy()), &split, &weights, &Interrupt::default())
                .unwrap();

        let weight = weights.parameters[0].t().unwrap();
        let z = inputs.matmul(&weight).unwrap().broadcast_add(&weights.parameters[1]).unwrap();
        let (mut loss, mut right, mut counted) = (0.0, 0.0, 0.0);
        for (row, label) in z.to_vec2::<f64>().unwrap().iter().zip(&labels).filter(|(_, label)| **label >= 0)
        {
            let class = *label as usize;
            loss += row.iter().map(|z| z.exp()).sum::<f64>().ln() - row[class];
            right += f64::from(row.iter().all(|z| *z <= row[class]));
            counted += 1.0;
        }
        assert!((found.loss - loss / counted).abs() < 1e-14, "{} {}", found.loss, loss / counted);
        assert_eq!(found.accuracy, Some(right / counted));
        assert_eq!(found.top5, None);
    }

    /// z − mean(z) of all examples, of which more are there than are evaluated at once otherwise.
    #[test]
    fn coupled_samples_are_evaluated_all_at_once() {
        let samples = BATCH + 44;
        let network = Network::new(&[1], |scope, x| {
            scope.may_mix_samples();
            let count = scope.shape(x)[0];
            let graph = scope.graph();
            let sum = graph.sum(x, &[0])?;
            let mean = graph.scale(sum, (count as f64).recip())?;
            let mean = graph.broadcast(mean, &[count, 1])?;
            let centred = graph.sub(x, mean)?;
            nn::linear(scope, centred, 1, false)
        })
        .unwrap();
        let weights = Weights {
            parameters: vec![Tensor::new(&[[1.0_f64]], &Device::Cpu).unwrap()],
            buffers: Vec::new(),
        };
        let x: Vec<f64> = (0..samples).map(|i| i as f64).collect();
        let inputs = Tensor::from_vec(x, (samples, 1), &Device::Cpu).unwrap();
        let targets = Targets::Values(inputs.zeros_like().unwrap());
        let examples = Examples { inputs: inputs.into(), targets };
        let loss = mean_squared_error();
        let split = Batches::new(&examples, &Labels::of(&loss), DType::F64).unwrap();
        let programs = Programs::new(&network, &loss);
        let found = evaluate(&programs, &split, &weights, &Interrupt::default()).unwrap();
        // The variance of 0, 1, ..., n − 1.
        let n = samples as f64;
        let expected = (n * n - 1.0) / 12.0;
        assert!((found.loss / expected - 1.0).abs() < 1e-12, "{} {expected}", found.loss);
        let refused = split.at_once(&programs, &weights, 1000).unwrap_err().to_string();
        assert!(refused.contains("all 300 samples at once"), "{refused}");
    }

    /// One logit for labels 0 and 1: its sign is the prediction, and the loss is PyTorch's
    /// `binary_cross_entropy_with_logits`.
    #[test]
    fn zero_or_one_is_guessed_by_the_sign() {
        let network = Network::new(&[1], |scope, x| nn::linear(scope, x, 1, true)).unwrap();
        let tensor =
            |values: &[f64], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        let weights =
            Weights { parameters: vec![tensor(&[2.0], &[1, 1]), tensor(&[0.5], &[1])], buffers: vec![] };
        let z = [2.5, -1.5, 0.7, -0.1_f64];
        let inputs: Vec<f64> = z.iter().map(|z| (z - 0.5) / 2.0).collect();
        let y = [1_i64, 0, 0, 1];
        let targets = Targets::Classes { labels: Tensor::new(&y, &Device::Cpu).unwrap(), classes: 2 };
        let examples = Examples { inputs: tensor(&inputs, &[4, 1]).into(), targets };
        let loss = binary_cross_entropy();
        let labels = Labels { coding: Coding::Binary(vec![1]), ..Labels::of(&loss) };
        let split = Batches::new(&examples, &labels, DType::F64).unwrap();
        let found = evaluate(&Programs::new(&network, &loss), &split, &weights, &Interrupt::default());
        let found = found.unwrap();
        let loss: f64 = z.iter().zip(y).map(|(z, y)| z.exp().ln_1p() - y as f64 * z).sum::<f64>() / 4.0;
        assert!((found.loss - loss).abs() < 1e-14, "{} {loss}", found.loss);
        assert_eq!((found.accuracy, found.top5), (Some(0.5), None));
    }

    #[test]
    fn a_label_counts_when_fewer_than_five_outputs_are_larger() {
        let rows = [[6.0, 5.0, 4.0, 3.0, 2.0, 1.0_f64]; 4];
        let outputs = Tensor::new(&rows, &Device::Cpu).unwrap();
        let labels = [Some(0), Some(4), Some(5), None];
        assert_eq!(among_the_first(&outputs, &labels).unwrap(), 2);
    }
}
