//! What can be expected of results: a small closed language of quantities and relations.
//!
//! The values of `is`, and when each holds:
//!
//! - `falls`, `rises`: the quantity after the last epoch is below (above) that after the first. For
//!   an estimate, the whole 95 % interval of the difference (Student's t) must be below (above) 0;
//!   a single random vector gives no interval.
//! - `above`, `below`: the whole 95 % interval of the difference to `than` is above (below) 0.
//! - `at-least`, `at-most`: the same, including 0.
//! - `equal-to-classes`: the quantity equals the number of classes.
//! - `least-in-the-middle-half`: the layer with the least value is in the middle half of the
//!   normalised depth, 0.25 to 0.75.
//! - `rises-with`, `falls-with`: the whole 95 % interval of the slope of the quantity's regression
//!   on `with`, over all runs, is above (below) 0.
//!
//! A claim about every run holds if it holds in each run that it is about.

use eigenscape_core::results::Run;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::depth::FULL;

/// The quantity that a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Mean loss over the training split.
    TrainLoss,
    /// Mean loss over the test split.
    TestLoss,
    /// Share of the training split classified correctly.
    TrainAccuracy,
    /// Share of the test split classified correctly.
    TestAccuracy,
    /// Training accuracy minus test accuracy; without classes, test loss minus training loss.
    GeneralisationGap,
    /// The trace of a group's curvature.
    Trace,
    /// The largest eigenvalue of a group's curvature.
    LambdaMax,
    /// The distances of the layers' spectra to that of `full`.
    Distance,
    /// The number of eigenvalues of a group's curvature that stand out from the bulk.
    Outliers,
}

/// The expected relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Is {
    /// Falls over training.
    Falls,
    /// Rises over training.
    Rises,
    /// Greater than or equal to `than`, for the whole interval.
    AtLeast,
    /// Less than or equal to `than`, for the whole interval.
    AtMost,
    /// Greater than `than`, for the whole interval.
    Above,
    /// Less than `than`, for the whole interval.
    Below,
    /// For outliers: equal to the number of classes.
    EqualToClasses,
    /// For distances: least in a layer in the middle half of the depth.
    LeastInTheMiddleHalf,
    /// Rises with the quantity `with`, over all runs.
    RisesWith,
    /// Falls with the quantity `with`, over all runs.
    FallsWith,
}

/// The epoch at which a quantity is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The last epoch.
    Last,
    /// The epoch of the highest test accuracy; without classes, of the lowest test loss.
    Best,
    /// The sum over all epochs.
    All,
}

/// How outliers are counted; see [`crate::outliers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// By the largest gap between logarithms.
    #[default]
    Gap,
    /// By two clusters of logarithms.
    Clusters,
}

/// A validated expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// The claim in words.
    pub claim: String,
    /// What the paper says or measured.
    pub paper: Option<String>,
    /// The quantity that the claim is about.
    pub subject: Subject,
    /// The expected relation.
    pub relation: Relation,
    /// The variant whose runs the claim is about; all runs by default.
    pub variant: Option<String>,
    /// The first epoch at which the quantity is measured; 0 is before training.
    pub from: usize,
}

/// The quantity that a claim is about, with the epoch, group, curvature and metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The quantity.
    pub quantity: Quantity,
    /// The epoch.
    pub epoch: When,
    /// The group, for a quantity of a spectrum.
    pub group: String,
    /// The curvature, for a quantity of spectra.
    pub curvature: String,
    /// The distance's name, for a distance.
    pub metric: String,
    /// How outliers are counted.
    pub counting: Counting,
}

/// A relation and what it relates to.
#[derive(Debug, Clone, PartialEq)]
pub enum Relation {
    /// Between the first epoch and the last.
    OverTraining(Direction),
    /// Compared with another variant or a number.
    Against {
        /// Upwards or downwards.
        direction: Direction,
        /// Whether equality is excluded.
        strict: bool,
        /// What the quantity is compared with.
        reference: Reference,
    },
    /// Equal to the number of classes.
    EqualToClasses,
    /// Least in the middle half of the depth.
    LeastInTheMiddleHalf,
    /// In a regression on another quantity, over runs.
    With(Direction, Box<Subject>),
}

/// Upwards or downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Higher.
    Up,
    /// Lower.
    Down,
}

impl Direction {
    /// The value, negated for [`Self::Down`], so that larger means farther in this direction.
    #[must_use]
    pub fn along(self, value: f64) -> f64 {
        match self {
            Self::Up => value,
            Self::Down => -value,
        }
    }

    /// The other direction.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// What a quantity is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Reference {
    /// A number.
    Number(f64),
    /// The same quantity of another variant.
    Variant(String),
}

impl Quantity {
    /// The name as it is written in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TrainLoss => "train-loss",
            Self::TestLoss => "test-loss",
            Self::TrainAccuracy => "train-accuracy",
            Self::TestAccuracy => "test-accuracy",
            Self::GeneralisationGap => "generalisation-gap",
            Self::Trace => "trace",
            Self::LambdaMax => "lambda-max",
            Self::Distance => "distance",
            Self::Outliers => "outliers",
        }
    }

    /// The name in prose.
    #[must_use]
    pub fn prose(self) -> &'static str {
        match self {
            Self::TrainLoss => "training loss",
            Self::TestLoss => "test loss",
            Self::TrainAccuracy => "training accuracy",
            Self::TestAccuracy => "test accuracy",
            Self::GeneralisationGap => "generalisation gap",
            Self::Trace => "trace",
            Self::LambdaMax => "largest eigenvalue",
            Self::Distance => "distance",
            Self::Outliers => "outliers",
        }
    }

    /// Whether the quantity is read from training records, not from spectra.
    #[must_use]
    pub fn is_of_training(self) -> bool {
        matches!(
            self,
            Self::TrainLoss
                | Self::TestLoss
                | Self::TrainAccuracy
                | Self::TestAccuracy
                | Self::GeneralisationGap
        )
    }

    /// An interval limited to the quantity's possible values: an accuracy is between 0 and 1.
    #[must_use]
    pub fn cut(self, interval: [f64; 2]) -> [f64; 2] {
        match self {
            Self::TrainAccuracy | Self::TestAccuracy => interval.map(|end| end.clamp(0.0, 1.0)),
            _ => interval,
        }
    }
}

impl When {
    /// The name as it is written in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Best => "best",
            Self::All => "all",
        }
    }
}

impl Subject {
    /// A quantity of the full network after the last epoch.
    #[must_use]
    pub fn of_network(quantity: Quantity, curvature: &str) -> Self {
        Self {
            quantity,
            epoch: When::Last,
            group: FULL.to_owned(),
            curvature: curvature.to_owned(),
            metric: String::new(),
            counting: Counting::Gap,
        }
    }

    /// The subject in words, as in "trace of full (hessian)".
    #[must_use]
    pub fn words(&self) -> String {
        let Self { group, curvature, metric, .. } = self;
        let name = self.quantity.name();
        let what = match self.quantity {
            Quantity::Distance => format!("{metric} {name} to the full network ({curvature})"),
            Quantity::Outliers if self.counting == Counting::Clusters => {
                format!("{name} of {group} ({curvature}), by clusters")
            }
            Quantity::Trace | Quantity::LambdaMax | Quantity::Outliers => {
                format!("{name} of {group} ({curvature})")
            }
            _ => name.to_owned(),
        };
        match self.epoch {
            When::Last => what,
            When::Best => format!("{what} at the best epoch"),
            When::All => format!("{what}, summed over epochs"),
        }
    }

    /// Whether a spectrum that the subject needs was to be measured in the run and could not be.
    #[must_use]
    pub fn is_missing_in(&self, run: &Run) -> bool {
        match self.quantity {
            quantity if quantity.is_of_training() => false,
            Quantity::Distance => run.misses(&self.curvature, None),
            _ => run.misses(&self.curvature, Some(&self.group)),
        }
    }
}

impl Expectation {
    /// The quantities that the expectation is about: one, or two for a regression.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let other = match &self.relation {
            Relation::With(_, other) => Some(&**other),
            _ => None,
        };
        std::iter::once(&self.subject).chain(other)
    }

    /// Whether the expectation uses runs of this variant.
    #[must_use]
    pub fn is_about(&self, variant: &str) -> bool {
        let other = match &self.relation {
            Relation::Against { reference: Reference::Variant(other), .. } => Some(other),
            _ => None,
        };
        self.variant.as_ref().is_none_or(|ours| ours == variant)
            || other.is_some_and(|other| other == variant)
    }

    /// How the expectation is checked, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let relation = match &self.relation {
            Relation::OverTraining(direction) => {
                let moves = if *direction == Direction::Up { "rises" } else { "falls" };
                match self.from {
                    0 => format!("{moves} over training"),
                    from => {
                        format!("{moves} from epoch {from} on; epoch 0, before training, is not measured")
                    }
                }
            }
            Relation::Against { direction, strict, reference } => {
                let words = match (direction, strict) {
                    (Direction::Up, false) => "at least",
                    (Direction::Up, true) => "above",
                    (Direction::Down, false) => "at most",
                    (Direction::Down, true) => "below",
                };
                let reference = match reference {
                    Reference::Number(number) => number.to_string(),
                    Reference::Variant(variant) => format!("that of {variant}"),
                };
                format!("{words} {reference}, by the 95 % interval")
            }
            Relation::EqualToClasses => "equal to the number of classes".to_owned(),
            Relation::LeastInTheMiddleHalf => "least in the middle half of the depth".to_owned(),
            Relation::With(Direction::Up, other) => format!("rises with {}", other.words()),
            Relation::With(Direction::Down, other) => format!("falls with {}", other.words()),
        };
        match &self.variant {
            Some(variant) => format!("{} of {variant}: {relation}", self.subject.words()),
            None => format!("{}: {relation}", self.subject.words()),
        }
    }
}
