//! Softmax in terms of odds, whose derivatives do not suffer from cancellation.

use crate::{Graph, Value, error::Result, operations::Function};

/// The odds of a row of logits z relative to a reference class m, one of the likeliest.
///
/// With oⱼ = exp(zⱼ − z_m) for j ≠ m and o_m = 0, log p_m = −log(1 + Σ o) and p_j = oⱼ p_m. A
/// confident classifier has small odds, and 1 − p_m = Σ_{j≠m} p_j is a sum of small numbers,
/// without cancellation. The usual form p ⊙ (v − pᵀv) of products with the derivative diag(p) − ppᵀ
/// loses all digits at m once p_m is rounded to 1.
pub struct Odds {
    /// The reference classes m \[..\].
    pub reference: Value,
    /// zⱼ − z_m \[.., C\].
    pub differences: Value,
    /// oⱼ \[.., C\].
    pub odds: Value,
    /// Σ o \[.., 1\].
    pub total: Value,
}

/// A finite exponent whose exponential is 0 in every type.
const EXCLUDED: f64 = -1e30;

impl Odds {
    /// How far the reference's logit may lie below the largest logit. The choice of the reference
    /// affects rounding only. The slack makes the choice robust: if several classes are almost
    /// equally likely, rounding errors in their logits do not change it, and separate evaluations
    /// agree.
    pub const SLACK: f64 = 0.1;

    /// The odds along the last axis of `z`.
    ///
    /// # Errors
    /// When `z` is a scalar.
    pub fn new(graph: &mut Graph, z: Value) -> Result<Self> {
        let (last, size) = match graph.shape(z) {
            [rows @ .., size] => (rows.len(), *size),
            [] => (0, 1),
        };
        let reference = graph.argmax(z, Self::SLACK)?;
        let differences = graph.differences(z, reference)?;
        let hot = graph.one_hot(reference, size)?;
        // So low at m that exp and all its derivatives are 0 there.
        let excluded = graph.scale(hot, EXCLUDED)?;
        let exponents = graph.add(differences, excluded)?;
        let odds = graph.function(Function::Exp, exponents)?;
        let total = graph.sum(odds, &[last])?;
        Ok(Self { reference, differences, odds, total })
    }

    /// −log p_m \[.., 1\].
    ///
    /// # Errors
    /// When `graph` is not the graph of these odds.
    pub fn normaliser(&self, graph: &mut Graph) -> Result<Value> {
        graph.function(Function::LogOnePlus, self.total)
    }

    /// log p \[.., C\].
    ///
    /// # Errors
    /// When `graph` is not the graph of these odds.
    pub fn log_probabilities(&self, graph: &mut Graph) -> Result<Value> {
        let shape = graph.shape(self.differences).to_vec();
        let normaliser = self.normaliser(graph)?;
        let normaliser = graph.broadcast(normaliser, &shape)?;
        graph.sub(self.differences, normaliser)
    }

    /// √p \[.., C\].
    ///
    /// # Errors
    /// When `graph` is not the graph of these odds.
    pub fn root_probabilities(&self, graph: &mut Graph) -> Result<Value> {
        let log_p = self.log_probabilities(graph)?;
        let half = graph.scale(log_p, 0.5)?;
        graph.function(Function::Exp, half)
    }
}

impl Graph {
    /// exp(x) / Σ exp(x) over the last axis of `x`; entries of −∞ give 0.
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn softmax(&mut self, x: Value) -> Result<Value> {
        let odds = Odds::new(self, x)?;
        let shape = self.shape(x).to_vec();
        let one = self.fill(1.0, self.shape(odds.total).to_vec().as_slice())?;
        let sum = self.add(odds.total, one)?;
        let inverse = self.function(Function::Recip, sum)?;
        let inverse = self.broadcast(inverse, &shape)?;
        let hot = self.one_hot(odds.reference, shape.last().copied().unwrap_or(1))?;
        let odds = self.add(odds.odds, hot)?;
        self.mul(odds, inverse)
    }

    /// x − log Σ exp(x) over the last axis of `x`; exact for any finite `x`.
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn log_softmax(&mut self, x: Value) -> Result<Value> {
        let odds = Odds::new(self, x)?;
        odds.log_probabilities(self)
    }
}
