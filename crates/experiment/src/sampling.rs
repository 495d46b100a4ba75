//! Selects the examples that a probe measures on: drawn by the seed or the first of the file, from
//! all classes together or from each class.
//!
//! The order in which examples are drawn depends only on the seed and the split. Probes of one run
//! therefore see the same examples, a smaller sample is part of a larger one, and the first of
//! several batches is the sample without batches.

use std::collections::BTreeMap;

use eigenscape_core::{Examples, Random, Split, Targets};
use rand::seq::SliceRandom;

use crate::{
    diagnostic::{ConfigError, Result},
    labels::{Labels, in_words},
    plan::{ProbePlan, Samples, Take},
};

/// The indices of the examples of each batch, ascending; one batch if the probe does not set
/// `batches`.
///
/// # Errors
/// When there are too few examples, or examples of each class are requested and the data has no
/// class per example.
pub fn batches(plan: &ProbePlan, random: Random, labels: &Labels, from: &Examples) -> Result<Vec<Vec<u32>>> {
    let mut order: Vec<u32> = (0..from.len() as u32).collect();
    if plan.take == Take::Random {
        order.shuffle(&mut random.stream("probe-samples", u64::from(plan.split == Split::Test)));
    }
    let count = plan.batches.map_or(1, std::num::NonZero::get);
    let mut batches = match plan.samples.value {
        Samples::All => cut(plan, &order, from.len(), count)?,
        Samples::Count(samples) => cut(plan, &order, samples.get(), count)?,
        Samples::PerClass(samples) => of_each_class(plan, labels, from, &order, samples.get(), count)?,
    };
    batches.iter_mut().for_each(|batch| batch.sort_unstable());
    Ok(batches)
}

/// Cuts the first `count` batches of `samples` examples from `order`.
fn cut(plan: &ProbePlan, order: &[u32], samples: usize, count: usize) -> Result<Vec<Vec<u32>>> {
    let available = order.len();
    if samples.checked_mul(count).is_some_and(|all| all <= available) {
        return Ok(order.chunks(samples.max(1)).take(count).map(<[u32]>::to_vec).collect());
    }
    let split = split_name(plan.split);
    let fewer = match available / count {
        0 => "ask for fewer batches".to_owned(),
        share => format!("ask for fewer samples or batches, for example {count} of {share}"),
    };
    let error = match count {
        1 => plan.samples.error(
            format!("{samples} samples are asked for, and the {split} split has {available}"),
            "ask for fewer, or \"all\"",
        ),
        _ => plan.samples.error(
            format!(
                "{count} disjoint batches of {samples} samples are {}, and the {split} split has {available}",
                product(samples, count)
            ),
            fewer,
        ),
    };
    Err(error.into())
}

/// The product as text, for a message.
fn product(samples: usize, count: usize) -> String {
    samples.checked_mul(count).map_or_else(|| "more than can be counted".to_owned(), |all| all.to_string())
}

/// `count` batches with `samples` examples of each class that occurs.
fn of_each_class(
    plan: &ProbePlan,
    labels: &Labels,
    from: &Examples,
    order: &[u32],
    samples: usize,
    count: usize,
) -> Result<Vec<Vec<u32>>> {
    let (refuse, help) = (
        |problem: &str, help: &str| -> ConfigError { plan.samples.error(problem, help) },
        "use samples = ... instead",
    );
    let Targets::Classes { labels: tensor, classes } = &from.targets else {
        return Err(refuse("the data set has real targets and no classes", help).into());
    };
    if tensor.rank() != 1 {
        let problem = "the data set has a label for each token or pixel, not for each sample";
        return Err(refuse(problem, help).into());
    }
    if count > order.len() {
        let problem = format!("there cannot be {count} disjoint batches of {} samples", order.len());
        return Err(refuse(&problem, "ask for fewer batches").into());
    }
    let class_of = labels.classes(&from.targets)?.unwrap_or_default();
    let mut found = BTreeMap::new();
    let mut batches = vec![Vec::new(); count];
    for &index in order {
        // Examples without a class are left out.
        let class = class_of[index as usize].and_then(|label| usize::try_from(label).ok());
        let Some(class) = class.filter(|class| class < classes) else { continue };
        let found: &mut usize = found.entry(class).or_default();
        if let Some(batch) = batches.get_mut(*found / samples) {
            batch.push(index);
        }
        *found += 1;
    }
    // Classes without any example are reported elsewhere.
    let few = |found: usize| samples.checked_mul(count).is_none_or(|need| found < need);
    let Some((class, found)) = found.into_iter().find(|(_, found)| few(*found)) else { return Ok(batches) };
    let split = split_name(plan.split);
    let problem = match count {
        1 => format!("class {class} has {found} {split} samples, fewer than {samples}"),
        _ => format!(
            "class {class} has {found} {split} samples, fewer than {count} disjoint batches of {samples}, which are {}",
            product(samples, count)
        ),
    };
    Err(refuse(&problem, "ask for fewer").into())
}

/// The examples drawn for a probe, by index.
pub struct Sample {
    /// The indices of each batch, ascending.
    pub indices: Vec<Vec<u32>>,
    /// The classes of the split that the examples miss, as text.
    pub missing: Vec<String>,
}

/// Draws the examples of the `number`-th probe, counted from 1.
///
/// # Errors
/// Those of [`batches`], and when no label counts in the mean over a batch.
pub fn sample(
    plan: &ProbePlan,
    number: usize,
    random: Random,
    labels: &Labels,
    from: &Examples,
) -> Result<Sample> {
    let indices = batches(plan, random, labels, from)?;
    let (mut missing, split) = (Vec::new(), split_name(plan.split));
    let all = labels.present(&from.targets)?;
    for (index, batch) in indices.iter().enumerate() {
        let which = plan.batches.map(|_| format!(" of batch {index}")).unwrap_or_default();
        let targets =
            if batch.len() == from.len() { from.targets.clone() } else { from.targets.select(batch)? };
        if !labels.any_counts(&targets)? {
            let problem = format!(
                "every label of the {} samples{which} is ignored, or belongs to a class of weight 0",
                batch.len()
            );
            return Err(plan.samples.error(problem, "measure on more samples").into());
        }
        let Some((all, found)) = all.as_ref().zip(labels.present(&targets)?) else { continue };
        let classes = in_words(all.difference(&found).copied());
        missing.extend(classes.map(|classes| {
            format!("[[probe]] number {number}: the {} {split} samples{which} lack {classes}", batch.len())
        }));
    }
    Ok(Sample { indices, missing })
}

/// "training" or "test".
#[must_use]
pub fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Test => "test",
    }
}
