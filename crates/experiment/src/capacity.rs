//! Checks from shapes alone that the machine's memory holds a network, before anything is
//! allocated.

use candle_core::DType;
use eigenscape_core::{
    Account,
    account::{bytes, size},
};
use eigenscape_cpu::PLANNING;
use eigenscape_curvature::{PenaltyFunction, Programs};
use eigenscape_formats::memory::of_machine;
use eigenscape_program::{Network, Parameter};

use crate::{
    diagnostic::{Located, Result},
    evaluate::BATCH,
    plan::{RegularizerPlan, RunPlan, Samples},
};

/// Bytes per number, assumed before the type of a checkpoint is known.
const SINGLE: usize = size_of::<f32>();

/// Refuses a network whose parameters and buffers exceed the machine's memory.
///
/// # Errors
/// When they do. The message says how much memory they would take and which tensor is the largest.
pub fn check_weights(plan: &RunPlan, network: &Network) -> Result<()> {
    refuse_weights(&plan.model.name, network, of_machine())
}

fn refuse_weights(model: &Located<String>, network: &Network, machine: usize) -> Result<()> {
    let declared = || network.parameters().iter().chain(network.buffers());
    let need = declared().map(numbers).fold(0, usize::saturating_add).saturating_mul(SINGLE);
    if need <= machine {
        return Ok(());
    }
    let largest = declared().max_by_key(|parameter| numbers(parameter));
    let largest =
        largest.map(|p| format!("; the largest is `{}`, {:?}", p.name, p.shape)).unwrap_or_default();
    Err(too_large(model, "the parameters of", need, machine, &largest, "make that layer smaller"))
}

/// The memory of evaluating the network or of a training step, whichever is larger. Refuses a
/// network for which either does not fit into the machine's memory beside the weights. `examples`
/// is the number of examples.
///
/// # Errors
/// When it does not fit. The message says how much memory it would take and which module has the
/// largest output.
pub fn check_work(
    plan: &RunPlan,
    [evaluated, trained]: [&Programs; 2],
    examples: usize,
    dtype: DType,
) -> Result<Account> {
    let weights = evaluated.network().dimension().saturating_mul(dtype.size_in_bytes());
    let machine = of_machine().saturating_sub(weights);
    let batch = BATCH.min(examples);
    let evaluation = (evaluated.network(), evaluated.loss(batch), "evaluating", batch);
    let step = plan.train.as_ref().map(|train| {
        let batch = train.batch_size.get().min(examples);
        (trained.network(), trained.training_step(batch), "a training step of", batch)
    });
    let mut largest = Account::default();
    for (network, program, what, samples) in std::iter::once(evaluation).chain(step) {
        // A program too large to be built would not fit into any machine.
        let need = program.map_or(usize::MAX, |f| f.peak(PLANNING, dtype));
        if need > machine {
            let largest = largest_activation(network, samples);
            let help = "make that layer smaller, or train in smaller batches (train.batch_size)";
            return Err(too_large(&plan.model.name, what, need, machine, &largest, help));
        }
        if need > largest.total() {
            largest = Account::of(format!("{what} the network"), need);
        }
    }
    Ok(largest)
}

/// Bytes that a penalty takes. Refuses a penalty that does not fit into the machine's memory.
/// Evaluating it holds the weights (of `weights` bytes) three times: the weights themselves, a
/// draw, and the sum of gradients. The value of each draw is kept, too.
///
/// # Errors
/// When the penalty does not fit. The message says how much memory it would take.
pub fn check_penalty(plan: &RegularizerPlan, program: &PenaltyFunction, weights: usize) -> Result<usize> {
    let draws = size([plan.regularizer.draws(program.probe_shapes())], size_of::<f64>());
    let tensors = program.peak(PLANNING, DType::F32).saturating_add(weights.saturating_mul(3));
    let need = tensors.saturating_add(draws);
    let machine = of_machine();
    if need <= machine {
        return Ok(need);
    }
    let problem = format!(
        "the penalty `{}` would take {} of memory, and this machine has {}",
        plan.name,
        bytes(need),
        bytes(machine)
    );
    let help = "train in smaller batches (train.batch_size), or penalise fewer samples or another way";
    Err(plan.node.at("name").site.error(problem, Some(help.to_owned())).into())
}

/// Refuses to measure on `count` examples of `each` numbers, of `number` bytes per number, if they
/// do not fit into the machine's memory beside `held` bytes. Returns the bytes they take.
///
/// # Errors
/// When the examples do not fit. The message says how much memory they would take.
pub fn check_samples(
    samples: &Located<Samples>,
    [count, each]: [usize; 2],
    number: usize,
    held: usize,
) -> Result<usize> {
    let (need, machine) = (size([count, each], number), of_machine());
    if held.saturating_add(need) <= machine {
        return Ok(need);
    }
    let problem = format!(
        "{count} samples of {each} numbers would take {} of memory in addition to {} that is needed in any case, and this machine has {}",
        bytes(need),
        bytes(held),
        bytes(machine)
    );
    Err(samples.error(problem, "measure on fewer samples, or with fewer probes").into())
}

fn too_large(
    model: &Located<String>,
    what: &str,
    need: usize,
    machine: usize,
    largest: &str,
    help: &str,
) -> crate::Failure {
    let (need, name, machine) = (bytes(need), &model.value, bytes(machine));
    let problem =
        format!("{what} `{name}` would take {need} of memory, and this machine has {machine}{largest}");
    model.error(problem, help).into()
}

/// The module with the largest output, as text for a message.
fn largest_activation(network: &Network, samples: usize) -> String {
    let activations = network.activations().unwrap_or_default();
    let largest = activations.iter().max_by_key(|(_, shape)| shape.iter().product::<usize>());
    let words = |(module, shape): &(String, Vec<usize>)| {
        format!("; the largest part is the output of `{module}` for each of {samples} samples, {shape:?}")
    };
    largest.map(words).unwrap_or_default()
}

fn numbers(parameter: &Parameter) -> usize {
    parameter.shape.iter().product()
}
