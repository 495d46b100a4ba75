//! Checks expectations against measurements.

use std::collections::BTreeSet;

use eigenscape_core::results::{ClaimRecord, Run, Verdict};

use crate::{
    depth::{Errors, Profile},
    digits::{self, significant},
    expectation::{Direction, Expectation, Quantity, Reference, Relation, Subject},
    measured::{at_epoch, choice, over_training},
    outliers,
    regression::Regression,
    statistics::Sample,
    uncertainty::{Number, Uncertainty},
};

/// A run with its number of classes, if it has classes.
pub type Classified<'a> = (&'a Run, Option<usize>);

/// What was measured, in words, and the verdict; or why nothing could be measured.
type Finding = Result<(String, Verdict), String>;

/// Checks an expectation. Excludes runs that diverged, whose last record is not the end of
/// training, and runs that miss a spectrum of the claim; the result mentions them.
#[must_use]
pub fn check(expectation: &Expectation, runs: &[Classified]) -> ClaimRecord {
    let (diverged, ended): (Vec<Classified>, Vec<Classified>) =
        runs.iter().partition(|(run, _)| run.diverged.is_some());
    let (partial, whole): (Vec<Classified>, Vec<Classified>) =
        ended.iter().partition(|(run, _)| expectation.subjects().any(|subject| subject.is_missing_in(run)));
    let finding = finding(expectation, &whole);
    let left_out = |of: &[Classified], why: &str| match of
        .iter()
        .filter(|(run, _)| expectation.is_about(&run.variant))
        .count()
    {
        0 => String::new(),
        1 => format!(" (a run {why} is left out)"),
        count => format!(" ({count} runs {why} are left out)"),
    };
    let left_out =
        left_out(&diverged, "that diverged") + &left_out(&partial, "of which a spectrum is missing");
    let (measured, verdict) = match finding {
        Ok((measured, verdict)) => (measured + &chosen(expectation, &whole), verdict),
        Err(why) => (why, Verdict::NotMeasured),
    };
    ClaimRecord {
        claim: expectation.claim.clone(),
        paper: expectation.paper.clone(),
        check: expectation.words(),
        measured: measured + &left_out,
        verdict,
    }
}

/// Names the estimators that were taken where several measured the same matrix; empty where none
/// did.
fn chosen(expectation: &Expectation, runs: &[Classified]) -> String {
    let mut choices = BTreeSet::<String>::new();
    for subject in expectation.subjects() {
        let ours = runs.iter().filter(|(run, _)| expectation.is_about(&run.variant));
        choices.extend(ours.filter_map(|(run, _)| choice(run, subject)));
    }
    choices.iter().map(|choice| format!(" ({choice})")).collect()
}

fn finding(expectation: &Expectation, runs: &[Classified]) -> Finding {
    let subject = &expectation.subject;
    let ours = of_variant(runs, expectation.variant.as_deref());
    match &expectation.relation {
        Relation::OverTraining(direction) => {
            every(&ours, |(run, classes)| moves(run, subject, classes, *direction))
        }
        Relation::EqualToClasses => every(&ours, |(run, classes)| as_many_as_classes(run, subject, classes)),
        Relation::LeastInTheMiddleHalf => every(&ours, |(run, _)| in_the_middle(run, subject)),
        Relation::With(direction, other) => slope(&ours, subject, other, *direction),
        Relation::Against { direction, strict, reference } => {
            let reference = match reference {
                Reference::Number(number) => Compared::Number(*number),
                Reference::Variant(variant) => {
                    Compared::Mean(variant, sample(&of_variant(runs, Some(variant)), subject)?)
                }
            };
            // Runs with different settings are not a sample of one quantity.
            let variants: BTreeSet<&str> = ours.iter().map(|(run, _)| run.variant.as_str()).collect();
            let of = |variant: &&str| {
                let mean = sample(&of_variant(&ours, Some(variant)), subject)?;
                against(subject, &mean, &reference, *direction, *strict)
            };
            let compared = variants.iter().filter(|variant| !reference.is_of(variant));
            let compared: Vec<&str> = compared.copied().collect();
            let findings: Vec<(String, Verdict)> = compared.iter().map(of).collect::<Result<_, _>>()?;
            all(&compared, &findings, "variants")
        }
    }
}

fn of_variant<'a>(runs: &[Classified<'a>], variant: Option<&str>) -> Vec<Classified<'a>> {
    runs.iter().copied().filter(|(run, _)| variant.is_none_or(|variant| run.variant == variant)).collect()
}

/// The verdict on a fact without uncertainty.
fn certain(holds: bool) -> Verdict {
    if holds { Verdict::Holds } else { Verdict::DoesNotHold }
}

/// Whether a number with this interval goes in a direction: undecided unless the interval is on one
/// side of 0.
fn goes(direction: Direction, [low, high]: [f64; 2]) -> Verdict {
    match [direction.along(low), direction.along(high)] {
        [a, b] if a > 0.0 && b > 0.0 => Verdict::Holds,
        [a, b] if a <= 0.0 && b <= 0.0 => Verdict::DoesNotHold,
        _ => Verdict::Undecided,
    }
}

/// Whether a number goes in a direction or stays: whether it does not go in the opposite one.
fn goes_or_stays(direction: Direction, interval: [f64; 2]) -> Verdict {
    match goes(direction.opposite(), interval) {
        Verdict::Holds => Verdict::DoesNotHold,
        Verdict::DoesNotHold => Verdict::Holds,
        open => open,
    }
}

/// Checks what must hold in every run.
fn every(runs: &[Classified], of: impl Fn(Classified) -> Finding) -> Finding {
    let findings: Vec<(String, Verdict)> = runs.iter().map(|run| of(*run)).collect::<Result<_, _>>()?;
    let names: Vec<&str> = runs.iter().map(|(run, _)| run.name.as_str()).collect();
    all(&names, &findings, "runs")
}

/// Combines findings that must all hold; `names` are the names of the `what` (runs or variants).
fn all(names: &[&str], findings: &[(String, Verdict)], what: &str) -> Finding {
    match findings {
        [] => Err("there are no such runs".to_owned()),
        [only] => Ok(only.clone()),
        several => {
            let count = |verdict| several.iter().filter(|(_, found)| *found == verdict).count();
            let (holds, fails) = (count(Verdict::Holds), count(Verdict::DoesNotHold));
            let verdict = match fails {
                0 if holds < several.len() => Verdict::Undecided,
                _ => certain(fails == 0),
            };
            let name = |name: &str| if name.is_empty() { String::new() } else { format!("{name}: ") };
            let each: Vec<String> =
                names.iter().zip(several).map(|(one, (words, _))| name(one) + words).collect();
            let count = format!("holds in {holds} of {} {what}", several.len());
            let others = exceptions(names, several);
            Ok((format!("{count}{others} ({})", each.join("; ")), verdict))
        }
    }
}

/// Names those in which it does not hold, and those in which it is undecided; empty without any.
fn exceptions(names: &[&str], findings: &[(String, Verdict)]) -> String {
    let name = |(index, name): (usize, &&str)| {
        if name.is_empty() { format!("no. {}", index + 1) } else { (*name).to_owned() }
    };
    let names: Vec<String> = names.iter().enumerate().map(name).collect();
    let found = |verdict: Verdict, words: &str| {
        let all = names.iter().zip(findings).filter(|(_, (_, found))| *found == verdict);
        let all: Vec<&str> = all.map(|(name, _)| name.as_str()).collect();
        if all.is_empty() { String::new() } else { format!("; {words} in {}", all.join(", ")) }
    };
    found(Verdict::DoesNotHold, "does not hold") + &found(Verdict::Undecided, "undecided")
}

fn moves(run: &Run, subject: &Subject, classes: Option<usize>, direction: Direction) -> Finding {
    let numbers = over_training(run, subject, classes)?;
    let [(first, before), .., (last, after)] = numbers.as_slice() else {
        return Err("it was measured at one epoch only".to_owned());
    };
    let number = |number: &Number| with_error(subject.quantity, number);
    let words = format!("{} after epoch {first}, {} after epoch {last}", number(before), number(after));
    let interval =
        after.minus(before).ok_or_else(|| format!("{}; {words}", without_error(subject.quantity)))?;
    let difference = difference(subject.quantity, after.value - before.value, interval);
    Ok((words + &difference, goes(direction, interval)))
}

/// A difference with the interval that decides, in words; empty if nothing about it is uncertain.
fn difference(quantity: Quantity, value: f64, interval: [f64; 2]) -> String {
    let [low, high] = interval;
    if low < high {
        format!("; difference {}", with_interval(quantity, value, interval))
    } else {
        String::new()
    }
}

fn as_many_as_classes(run: &Run, subject: &Subject, classes: Option<usize>) -> Finding {
    let classes = classes.ok_or("the targets are not classes")?;
    let record = *crate::measured::records(run, subject).last().ok_or("there is no such spectrum")?;
    let found = outliers::count(record, Some(classes), subject.counting)?;
    Ok((
        format!("{found} outliers, {classes} classes after epoch {}", record.epoch),
        certain(found == classes),
    ))
}

fn in_the_middle(run: &Run, subject: &Subject) -> Finding {
    let profile = Profile::new(run, &subject.metric, &subject.curvature, subject.epoch)?;
    if profile.layers.len() < 3 {
        return Err("there are fewer than three layers".to_owned());
    }
    let least = profile.least();
    let mut words = format!("least at {}, depth {:.2}", profile.layers[least].0, profile.depth(least));
    let flips: Vec<String> = profile.flips().iter().map(|bandwidth| format!("{bandwidth:.3}")).collect();
    if !flips.is_empty() {
        words += &format!("; the answer changes at bandwidth {}", flips.join(", "));
    }
    words += &profile.in_doubt(least).map_or(String::new(), |doubt| format!(" ({doubt})"));
    if let (Some([first, last]), Some(next)) = (profile.middle_half(), profile.runner_up_in_words()) {
        words += &format!("; next {next}; the middle half is {first} to {last}");
    }
    if profile.errors == Errors::Unknown {
        words += "; measure `full` and the layers with probes = 4, or exactly";
    }
    Ok((words, profile.tells_the_middle_half().map_or(Verdict::Undecided, certain)))
}

/// Why the error of a quantity of a spectrum is unknown, and what to do.
fn without_error(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::LambdaMax => {
            "how far it has converged is not known, the results are of an earlier version: measure it again"
        }
        _ => "one random vector has no standard error: measure it with probes = 4",
    }
}

/// The mean of a quantity over several runs.
struct Mean {
    count: usize,
    number: Number,
}

/// The mean of the subject over all runs. It may be larger by the mean of what the runs' numbers
/// may be larger by.
fn sample(runs: &[Classified], subject: &Subject) -> Result<Mean, String> {
    let one = |(run, classes): &Classified| {
        let number = at_epoch(run, subject, *classes)?;
        match number.error {
            Uncertainty::Unknown if subject.quantity == Quantity::LambdaMax => {
                Err(without_error(subject.quantity).to_owned())
            }
            _ => Ok(number),
        }
    };
    let numbers: Vec<Number> = runs.iter().map(one).collect::<Result<_, String>>()?;
    let values: Vec<f64> = numbers.iter().map(|number| number.value).collect();
    let sample = Sample::of(&values).ok_or_else(|| "there are no such runs".to_owned())?;
    let above = numbers.iter().map(|number| number.above).sum::<f64>() / sample.count as f64;
    Ok(Mean { count: sample.count, number: Number { above, ..sample.number() } })
}

/// What a mean is compared with.
enum Compared<'a> {
    Number(f64),
    Mean(&'a str, Mean),
}

impl Compared<'_> {
    fn is_of(&self, variant: &str) -> bool {
        matches!(self, Self::Mean(other, _) if *other == variant)
    }
}

fn against(
    subject: &Subject,
    ours: &Mean,
    reference: &Compared,
    direction: Direction,
    strict: bool,
) -> Finding {
    let quantity = subject.quantity;
    let mean = |Mean { count, number }: &Mean| match number.interval() {
        None => format!("{} (one run)", amount(quantity, number.value)),
        Some(interval) => {
            format!("{} ({count} runs)", with_interval(quantity, number.value, quantity.cut(interval)))
        }
    };
    let (interval, words) = match reference {
        Compared::Number(number) => (
            ours.number.interval().map(|interval| quantity.cut(interval).map(|end| end - number)),
            format!("{} against {}", mean(ours), amount(quantity, *number)),
        ),
        Compared::Mean(name, theirs) => {
            let interval = ours.number.minus(&theirs.number);
            let value = ours.number.value - theirs.number.value;
            let difference = interval.map_or(String::new(), |interval| difference(quantity, value, interval));
            (interval, format!("{} against {} of {name}{difference}", mean(ours), mean(theirs)))
        }
    };
    let interval = interval.ok_or_else(|| format!("{words}: an interval needs at least two runs of each"))?;
    let judge = if strict { goes } else { goes_or_stays };
    Ok((words, judge(direction, interval)))
}

fn slope(runs: &[Classified], subject: &Subject, other: &Subject, direction: Direction) -> Finding {
    // A regression accounts for errors that scatter, not for errors that all have the same sign.
    let value = |subject: &Subject, number: Number| match (subject.quantity, number.error) {
        (Quantity::LambdaMax, Uncertainty::Unknown) => Err(without_error(subject.quantity).to_owned()),
        _ if !number.has_converged() => Err(format!(
            "Lanczos has not converged to the largest eigenvalue, {}: measure it with more steps",
            with_error(subject.quantity, &number)
        )),
        _ => Ok(number.value),
    };
    let point = |(run, classes): &Classified| {
        let of = |subject| value(subject, at_epoch(run, subject, *classes)?);
        Ok((of(other)?, of(subject)?))
    };
    let points: Vec<(f64, f64)> = runs.iter().map(point).collect::<Result<_, String>>()?;
    let line = Regression::fit(&points)?;
    let [low, high] = line.interval;
    let words = format!(
        "slope {:.3e} [{low:.3e}, {high:.3e}], R² {:.2}, {} runs",
        line.slope, line.explained, line.points
    );
    Ok((words, goes(direction, line.interval)))
}

/// A quantity in its unit: accuracies in percent.
#[must_use]
pub fn amount(quantity: Quantity, value: f64) -> String {
    match quantity {
        Quantity::TrainAccuracy | Quantity::TestAccuracy => format!("{} %", digits::fixed(100.0 * value, 2)),
        Quantity::Outliers => format!("{value}"),
        _ if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) => format!("{value:.3e}"),
        _ => digits::fixed(value, 4),
    }
}

fn with_error(quantity: Quantity, number: &Number) -> String {
    let value = amount(quantity, number.value);
    match number.interval() {
        None => format!("{value} ± ?"),
        Some(_) if number.error == Uncertainty::Exact && number.has_converged() => value,
        Some(interval) => with_interval(quantity, number.value, interval),
    }
}

/// Half of an interval, or a deviation, in the unit of its quantity, to two significant digits.
#[must_use]
pub fn error(quantity: Quantity, value: f64) -> String {
    match quantity {
        Quantity::TrainAccuracy | Quantity::TestAccuracy => format!("{} %", significant(100.0 * value, 2)),
        _ => significant(value, 2),
    }
}

/// A mean with its interval: "90.0 ± 1.5 %", or "99.00 % [97.50 %, 100.00 %]" if the interval
/// was limited ([`Quantity::cut`]).
#[must_use]
pub fn with_interval(quantity: Quantity, mean: f64, [low, high]: [f64; 2]) -> String {
    let (half, mean_of_ends) = ((high - low) / 2.0, f64::midpoint(low, high));
    let of = |value| amount(quantity, value);
    if (mean_of_ends - mean).abs() <= 1e-6 * half {
        match quantity {
            Quantity::TrainAccuracy | Quantity::TestAccuracy => {
                format!("{} %", digits::with_error(100.0 * mean, 100.0 * half, 4))
            }
            _ => digits::with_error(mean, half, 4),
        }
    } else {
        format!("{} [{}, {}]", of(mean), of(low), of(high))
    }
}

#[cfg(test)]
pub(crate) mod tests;
