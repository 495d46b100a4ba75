//! Which examples a probe measures on: drawn by the seed or the first of the file, of all classes together or of each.
//!
//! The order in which examples are drawn follows from the seed and the split alone: probes of one run see the same examples, a
//! smaller sample is part of a larger one, and the first of several batches is the sample that there would be without batches.

use eigenscape_core::{Examples, Random, Split, Targets};
use rand::seq::SliceRandom;

use crate::{
    diagnostic::{ConfigError, Result},
    labels::{Labels, in_words},
    plan::{ProbePlan, Samples, Take},
};

/// The indices of the examples of each batch, ascending; one batch where the probe asks for none.
///
/// # Errors
/// When there are fewer examples than asked for, or none has a class.
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

/// `count` batches of `samples` examples, in their order.
fn cut(plan: &ProbePlan, order: &[u32], samples: usize, count: usize) -> Result<Vec<Vec<u32>>> {
    let available = order.len();
    if samples.checked_mul(count).is_some_and(|all| all <= available) {
        return Ok(order.chunks(samples.max(1)).take(count).map(<[u32]>::to_vec).collect());
    }
    let split = split_name(plan.split);
    let fewer = match available / count {
        0 => "ask for fewer batches".to_owned(),
        share => format!("ask for fewer examples or batches: {count} of {share}, say"),
    };
    let error = match count {
        1 => plan.samples.error(
            format!("{samples} examples are asked for, and the {split} split has {available}"),
            "ask for fewer, or \"all\"",
        ),
        _ => plan.samples.error(
            format!("{count} disjoint batches of {samples} examples are {}, and the {split} split has {available}", product(samples, count)),
            fewer,
        ),
    };
    Err(error.into())
}

/// "24".
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
        let problem = "the data set has a label for each token or pixel, not for each example";
        return Err(refuse(problem, help).into());
    }
    if count > order.len() {
        let problem = format!("there cannot be {count} disjoint batches of {} examples", order.len());
        return Err(refuse(&problem, "ask for fewer batches").into());
    }
    let class_of = labels.classes(&from.targets)?.unwrap_or_default();
    let mut found = vec![0_usize; *classes];
    let mut batches = vec![Vec::new(); count];
    for &index in order {
        // What belongs to no class is left out.
        let class = class_of[index as usize].and_then(|label| usize::try_from(label).ok());
        let Some(found) = class.and_then(|class| found.get_mut(class)) else { continue };
        if let Some(batch) = batches.get_mut(*found / samples) {
            batch.push(index);
        }
        *found += 1;
    }
    // Classes without any example are told of elsewhere.
    let few = |found: &usize| *found > 0 && samples.checked_mul(count).is_none_or(|need| *found < need);
    let Some(class) = found.iter().position(few) else { return Ok(batches) };
    let (found, split) = (found[class], split_name(plan.split));
    let problem = match count {
        1 => format!("class {class} has {found} {split} examples, fewer than {samples}"),
        _ => format!(
            "class {class} has {found} {split} examples, fewer than {count} disjoint batches of {samples}, which are {}",
            product(samples, count)
        ),
    };
    Err(refuse(&problem, "ask for fewer").into())
}

/// The classes that the split has and a sample has not, in words.
///
/// # Errors
/// When a tensor operation fails.
pub fn missing(labels: &Labels, from: &Examples, sample: &Examples) -> Result<Option<String>> {
    let (Some(all), Some(found)) = (labels.present(&from.targets)?, labels.present(&sample.targets)?) else {
        return Ok(None);
    };
    Ok(in_words(all.difference(&found).copied()))
}

/// "training" or "test".
#[must_use]
pub fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Test => "test",
    }
}
