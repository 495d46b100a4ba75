//! `focal`: a cross-entropy in which samples that are classified correctly count less.

use std::ops::RangeInclusive;

use eigenscape_core::{Error, Registry};
use eigenscape_program::{ClassCoding, ElementwiseFunction, Graph, LossFunction, Odds, Result, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    classes::{Classes, IGNORE_INDEX},
    rows::rows,
};

const NAME: &str = "focal";

/// Parameters of `focal`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FocalParameters {
    /// γ: how much less correctly classified samples count; not negative, 2 by default; 0 gives the
    /// cross-entropy.
    pub gamma: f64,
    /// α: the weight of each class. The loss is a mean weighted by those of the labels, as for the
    /// cross-entropy. All weights are equal by default.
    pub weight: Option<Vec<f64>>,
    /// The share ε of a label that is spread over all classes, from 0 (the default) up to but not
    /// including 1.
    pub label_smoothing: f64,
    /// The label of samples that are left out of the mean; -100 by default.
    pub ignore_index: i64,
}

impl Default for FocalParameters {
    fn default() -> Self {
        Self { gamma: 2.0, weight: None, label_smoothing: 0.0, ignore_index: IGNORE_INDEX }
    }
}

/// (1/R) Σᵣ Σ_c t (1 − p)^γ (−log p) with p = softmax(z): the focal loss (Lin et al. 2017) over
/// classes, with its α in the weights of the targets.
///
/// Rows of targets are those of the cross-entropy, which is the case γ = 0. For γ > 0 the loss is
/// not convex in the outputs.
///
/// Everything is written in logarithms of odds. For the odds' reference m, log(1 − p) is log
/// Σ_{j≠m} o − log(1 + Σ_{j≠m} o), where the first term is a sum over the other classes relative to
/// the likeliest of them. For a confident classifier neither this nor a derivative is then a small
/// difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Focal {
    gamma: f64,
    classes: Classes,
}

impl Focal {
    /// The loss with these parameters.
    ///
    /// # Errors
    /// When γ is negative, the label smoothing is not in \[0, 1), or weights are negative or all 0.
    pub fn new(parameters: FocalParameters) -> eigenscape_core::Result<Self> {
        let FocalParameters { gamma, weight, label_smoothing, ignore_index } = parameters;
        if !(gamma >= 0.0 && gamma.is_finite()) {
            return Err(Error::input("gamma", format!("is {gamma:?}"), "it must be at least 0"));
        }
        Ok(Self { gamma, classes: Classes::new(weight, ignore_index, label_smoothing)? })
    }
}

impl LossFunction for Focal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn description(&self) -> String {
        self.classes.describe(format!("focal loss, gamma {}", self.gamma))
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let (last, rows) = rows(graph, z)?;
        let classes = graph.shape(z)[last];
        if classes < 2 {
            let problem = format!("needs at least two classes, not {classes}");
            return Err(eigenscape_program::Error::shape(NAME, problem));
        }
        let odds = Odds::new(graph, z)?;
        let log_p = odds.log_probabilities(graph)?;
        let log_q = log_complements(graph, &odds)?;
        let exponent = graph.scale(log_q, self.gamma)?;
        let factor = graph.function(ElementwiseFunction::Exp, exponent)?;
        let weighted = graph.mul(target, factor)?;
        let each = graph.mul(weighted, log_p)?;
        let total = graph.sum_all(each)?;
        graph.scale(total, -1.0 / rows as f64)
    }

    fn coding(&self) -> ClassCoding<'_> {
        self.classes.coding()
    }

    fn range(&self) -> RangeInclusive<f64> {
        0.0..=f64::INFINITY
    }

    fn compares_classes(&self) -> bool {
        true
    }
}

/// log(1 − p) \[.., C\], for two or more classes.
fn log_complements(graph: &mut Graph, odds: &Odds) -> Result<Value> {
    let shape = graph.shape(odds.odds).to_vec();
    let hot = graph.one_hot(odds.reference, shape.last().copied().unwrap_or(1))?;
    let cold = graph.one_minus(hot)?;
    // 1 − p_c = p_m (1 + Σ_{j≠m,c} o) for another class c: a sum of at least 1.
    let total = graph.broadcast(odds.total, &shape)?;
    let rest = graph.sub(total, odds.odds)?;
    let of_others = graph.function(ElementwiseFunction::LogOnePlus, rest)?;
    let of_others = graph.mul(cold, of_others)?;
    // 1 − p_m = p_m Σ_{j≠m} o.
    let of_reference = log_total(graph, odds, cold)?;
    let of_reference = graph.broadcast(of_reference, &shape)?;
    let of_reference = graph.mul(hot, of_reference)?;
    let relative = graph.add(of_others, of_reference)?;
    let normaliser = odds.normaliser(graph)?;
    let normaliser = graph.broadcast(normaliser, &shape)?;
    graph.sub(relative, normaliser)
}

/// log Σ_{j≠m} o \[.., 1\], even if all these odds underflow: by the odds of the other classes,
/// which `cold` marks, among themselves.
fn log_total(graph: &mut Graph, odds: &Odds, cold: Value) -> Result<Value> {
    let shape = graph.shape(cold).to_vec();
    let (last, size) = (shape.len() - 1, shape.last().copied().unwrap_or(1));
    let excluded = graph.function(ElementwiseFunction::Log, cold)?;
    let exponents = graph.add(odds.differences, excluded)?;
    let among = Odds::new(graph, exponents)?;
    let likeliest = graph.one_hot(among.reference, size)?;
    let likeliest = graph.mul(likeliest, odds.differences)?;
    let likeliest = graph.sum(likeliest, &[last])?;
    let normaliser = among.normaliser(graph)?;
    graph.add(likeliest, normaliser)
}

/// Adds `focal` to the registry.
pub fn register(registry: &mut Registry) {
    registry.losses.add::<FocalParameters>(
        NAME,
        "cross-entropy times (1 − p)^gamma: samples that are already classified correctly count less",
        |parameters, _| Ok(Box::new(Focal::new(parameters)?)),
    );
}
