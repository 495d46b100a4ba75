//! What can be expected of results: a small closed language of quantities and relations.
//!
//! | `is` | holds when |
//! | --- | --- |
//! | `falls`, `rises` | the quantity after the last epoch lies below (above) that after the first, by the 95 % interval of the difference (Student's t) where it is an estimate; that of one random vector has none |
//! | `above`, `below` | the 95 % interval of the difference to `than` lies above (below) 0 as a whole |
//! | `at-least`, `at-most` | it does, 0 included |
//! | `equal-to-classes` | it is the number of classes |
//! | `least-in-the-middle-half` | the layer where it is least is in the middle half of the normalised depth, 0.25 to 0.75 |
//! | `rises-with`, `falls-with` | the 95 % interval of the slope of its regression on `with`, over all runs, lies above (below) 0 as a whole |
//!
//! What is said of every run must be so in every run that it is said of.

use eigenscape_core::results::Run;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::depth::FULL;

/// What a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Mean loss over the training split.
    TrainLoss,
    /// Mean loss over the test split.
    TestLoss,
    /// Share of the training split that is classified rightly.
    TrainAccuracy,
    /// Share of the test split that is classified rightly.
    TestAccuracy,
    /// Training accuracy minus test accuracy; where there are no classes, test loss minus training
    /// loss.
    GeneralisationGap,
    /// The trace of a group's curvature.
    Trace,
    /// The largest eigenvalue of a group's curvature.
    LambdaMax,
    /// How far the spectra of the layers lie from that of the network.
    Distance,
    /// How many eigenvalues of a group's curvature stand out.
    Outliers,
}

/// What is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Is {
    /// Over training.
    Falls,
    /// Over training.
    Rises,
    /// Higher than `than` or equal, by the whole interval.
    AtLeast,
    /// Lower than `than` or equal, by the whole interval.
    AtMost,
    /// Higher than `than`, by the whole interval.
    Above,
    /// Lower than `than`, by the whole interval.
    Below,
    /// Of outliers: as many as classes.
    EqualToClasses,
    /// Of distances: in the layers in the middle half of the depth.
    LeastInTheMiddleHalf,
    /// With the quantity `with`, over all runs.
    RisesWith,
    /// With the quantity `with`, over all runs.
    FallsWith,
}

/// At which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The last one.
    Last,
    /// That of the highest test accuracy; where there are no classes, of the lowest test loss.
    Best,
    /// The sum over all of them.
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

/// A checked expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// What is claimed, in words.
    pub claim: String,
    /// What the paper says or measured.
    pub paper: Option<String>,
    /// Of what.
    pub subject: Subject,
    /// What is expected of it.
    pub relation: Relation,
    /// The runs that it is about; all of them by default.
    pub variant: Option<String>,
    /// The first epoch at which its quantity is measured: 0 is before training.
    pub from: usize,
}

/// What a claim is about, precisely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Which quantity.
    pub quantity: Quantity,
    /// At which epoch.
    pub epoch: When,
    /// The group, where it is one of a spectrum.
    pub group: String,
    /// The matrix, where it is one of spectra.
    pub curvature: String,
    /// The distance's name, where it is one.
    pub metric: String,
    /// How outliers are counted.
    pub counting: Counting,
}

/// A relation with what it relates to.
#[derive(Debug, Clone, PartialEq)]
pub enum Relation {
    /// From the first epoch to the last.
    OverTraining(Direction),
    /// Against another variant or a number.
    Against {
        /// Upwards or downwards.
        direction: Direction,
        /// Whether they must differ.
        strict: bool,
        /// Against what.
        reference: Reference,
    },
    /// As many as classes.
    EqualToClasses,
    /// In the middle half of the depth.
    LeastInTheMiddleHalf,
    /// Over runs, with another quantity.
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
    /// The number, so that this direction is upwards.
    #[must_use]
    pub fn along(self, value: f64) -> f64 {
        match self {
            Self::Up => value,
            Self::Down => -value,
        }
    }

    /// The other one.
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

    /// Whether it is read from the record of training, and not from spectra.
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

    /// An interval of it without what it cannot be: an accuracy lies between 0 and 1.
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
    /// A quantity of the whole network after the last epoch.
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

    /// "trace of full (hessian)".
    #[must_use]
    pub fn words(&self) -> String {
        let Self { group, curvature, metric, .. } = self;
        let name = self.quantity.name();
        let what = match self.quantity {
            Quantity::Distance => format!("{metric} {name} to the whole network ({curvature})"),
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

    /// Whether a spectrum that it is about was to be measured in the run and could not be.
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
    /// What it is about: one quantity, or two that are set against each other.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let other = match &self.relation {
            Relation::With(_, other) => Some(&**other),
            _ => None,
        };
        std::iter::once(&self.subject).chain(other)
    }

    /// Whether the runs of a variant are among those that it speaks of.
    #[must_use]
    pub fn is_about(&self, variant: &str) -> bool {
        let other = match &self.relation {
            Relation::Against { reference: Reference::Variant(other), .. } => Some(other),
            _ => None,
        };
        self.variant.as_ref().is_none_or(|ours| ours == variant)
            || other.is_some_and(|other| other == variant)
    }

    /// How it is checked, in words.
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
