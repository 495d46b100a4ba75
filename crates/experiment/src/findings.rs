//! Lines about spectra as they are found: "  hessian of full: trace 123.4 ± 4.2, λ_max 17.31".

use eigenscape_analysis::{significant, uncertainty::Number};

use crate::{measured::Measured, progress::Display};

/// How many spectra of one measured epoch have a line each.
const LISTED: usize = 10;
/// Significant digits.
const DIGITS: usize = 4;

/// The findings of a measured epoch, said one by one up to [`LISTED`].
pub(crate) struct Findings<'a> {
    display: &'a Display,
    epoch: usize,
    said: usize,
    /// Of the spectra that have no line of their own.
    rest: Rest,
}

/// What is said of many spectra together.
#[derive(Debug, Default, PartialEq)]
struct Rest {
    count: usize,
    traces: Option<[f64; 2]>,
    largest: Option<(f64, String)>,
}

impl<'a> Findings<'a> {
    /// The findings after an epoch, of which nothing was said yet.
    pub fn new(display: &'a Display, epoch: usize) -> Self {
        Self { display, epoch, said: 0, rest: Rest::default() }
    }

    /// Says what was found for a matrix. Parts of it have no line.
    pub fn say(&mut self, measured: &Measured) {
        if measured.part.is_some() {
            return;
        }
        if self.said < LISTED {
            self.said += 1;
            self.display.line(&format!("  {}", words(measured, self.epoch)));
        } else {
            self.rest.add(measured, self.epoch);
        }
    }

    /// Says what there was beyond the spectra with a line of their own.
    pub fn end(self) {
        if let Some(text) = self.rest.words() {
            self.display.line(&format!("  {text}"));
        }
    }
}

/// The trace with half of its 95 % interval, and the largest eigenvalue.
fn words(measured: &Measured, epoch: usize) -> String {
    let record = measured.record(epoch);
    let trace = Number::trace(&record);
    let error = match trace.half_width() {
        Some(half) if half > 0.0 => format!(" ± {}", significant(half, 2)),
        Some(_) => String::new(),
        None => " ± ?".to_owned(),
    };
    let largest = record.lambda_max.map(|value| format!(", λ_max {}", significant(value, DIGITS)));
    let batch = measured.batch.map(|batch| format!(", batch {batch}")).unwrap_or_default();
    format!(
        "{}{batch}: trace {}{error}{}",
        measured.of(),
        significant(trace.value, DIGITS),
        largest.unwrap_or_default()
    )
}

impl Rest {
    fn add(&mut self, measured: &Measured, epoch: usize) {
        let record = measured.record(epoch);
        self.count += 1;
        let [low, high] = self.traces.unwrap_or([record.trace; 2]);
        self.traces = Some([low.min(record.trace), high.max(record.trace)]);
        if let Some(value) = record.lambda_max
            && self.largest.as_ref().is_none_or(|(largest, _)| value > *largest)
        {
            self.largest = Some((value, measured.of()));
        }
    }

    fn words(&self) -> Option<String> {
        let [low, high] = self.traces?.map(|trace| significant(trace, DIGITS));
        let largest = self.largest.as_ref();
        let largest = largest
            .map(|(value, of)| format!(", λ_max up to {} ({of})", significant(*value, DIGITS)))
            .unwrap_or_default();
        Some(format!("and {} more: traces from {low} to {high}{largest}", self.count))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use eigenscape_core::{Curvature, Spectrum};

    use super::*;
    use crate::{measured::Over, progress::Observer};

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Observer for Heard {
        fn line(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }

        fn progress(&self, _label: &str, _done: u64, _total: u64) {}
    }

    fn measured(group: usize) -> Measured {
        Measured {
            over: Over::default(),
            curvature: Curvature::Hessian,
            batch: None,
            part: None,
            group: format!("fc{group}.weight"),
            estimator: "gram".to_owned(),
            estimate: Spectrum::exact(4, vec![group as f64, 1.0], 0).unwrap().into(),
            means: None,
            eigenpairs: Vec::new(),
            seconds: 0.0,
        }
    }

    #[test]
    fn each_spectrum_has_a_line_and_the_eleventh_none() {
        let heard = Arc::<Heard>::default();
        let display = Display::observed(heard.clone());
        let mut findings = Findings::new(&display, 3);
        (1..=12).for_each(|group| findings.say(&measured(group)));
        findings.end();
        let lines = heard.0.lock().unwrap();
        assert_eq!(lines.len(), 11);
        assert_eq!(lines[0], "  hessian of fc1.weight: trace 2.000, λ_max 1.000");
        let rest = "  and 2 more: traces from 12.00 to 13.00, λ_max up to 12.00 (hessian of fc12.weight)";
        assert_eq!(lines[10], rest);
    }

    #[test]
    fn one_random_vector_says_nothing_of_its_error() {
        let estimate = Spectrum::estimated(4, vec![(2.0, 1.0)], 8.0, None, 1).unwrap().into();
        let said = words(&Measured { estimate, ..measured(1) }, 0);
        assert_eq!(said, "hessian of fc1.weight: trace 8.000 ± ?, λ_max 2.000");
    }
}
