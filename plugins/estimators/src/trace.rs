//! `trace`: the exact trace from per-sample gradients.

use candle_core::{DType, Tensor};
use eigenscape_core::{
    Account, Context, CurvatureOperator, Error, Estimate, FactorColumns, FactorSource, Number,
    ProbeEstimator, Registry, Result,
    account::{bytes, size},
};
use eigenscape_curvature::Rows;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::operator::{dimension, not_finite};

/// Parameters of `trace`: none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceParameters {}

/// The exact trace tr H = ‖Φ‖_F² of an operator H = ΦᵀΦ with a known factor: the sum of the squared
/// norms of the rows of Φ. Unlike `gram`, this needs no products of different rows and no
/// eigenproblem.
///
/// A Hessian that only shares its trace with such an operator is accepted, too
/// ([`CurvatureOperator::trace_factor`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trace;

impl ProbeEstimator for Trace {
    fn estimate(&self, operator: &dyn CurvatureOperator, _context: &Context) -> Result<Estimate> {
        let dimension = dimension(operator)?;
        let factor = operator.trace_factor()?.cheaper()?;
        let columns = factor.source.columns(&factor.variables)?;
        let samples = factor.source.samples();
        let block = block(&*factor.source, &*columns);
        let mut trace = 0.0;
        for start in (0..samples).step_by(block) {
            let rows = columns.rows(start..samples.min(start + block), factor.source.memory() / 2)?;
            trace += rows.tensors.iter().map(square).sum::<Result<f64>>()?;
        }
        if !trace.is_finite() {
            return Err(not_finite(operator));
        }
        Ok(Number::exact(dimension, trace, 0)?.into())
    }

    fn number(&self) -> Option<&'static str> {
        Some("trace")
    }

    fn check(&self, operators: &[&dyn CurvatureOperator]) -> Result<()> {
        operators.iter().try_for_each(|operator| check(*operator))
    }

    fn memory(&self, operators: &[&dyn CurvatureOperator], _allowed: usize) -> Result<Account> {
        let accounts = operators.iter().map(|operator| account(*operator)).collect::<Result<Vec<_>>>()?;
        Ok(accounts.into_iter().max_by_key(Account::total).unwrap_or_default())
    }

    fn eigenvalues(&self, _operator: &dyn CurvatureOperator) -> usize {
        0
    }

    fn needs_factor(&self) -> bool {
        true
    }

    fn products(&self, _dimension: usize) -> usize {
        0
    }

    fn description(&self) -> String {
        "the exact trace from per-sample gradients".to_owned()
    }
}

/// The number of samples whose rows are held at a time. Rows take at most half of the memory; the
/// other half is for computing them.
fn block(source: &dyn FactorSource, columns: &dyn FactorColumns) -> usize {
    const MOST: usize = 32;
    (source.memory() / 2 / of_a_sample(source, columns).max(1)).clamp(1, MOST)
}

/// Bytes of a sample's rows.
fn of_a_sample(source: &dyn FactorSource, columns: &dyn FactorColumns) -> usize {
    let numbers = columns.sizes().iter().fold(0, |sum: usize, size| sum.saturating_add(size.numbers));
    size([numbers], source.dtype().size_in_bytes())
}

/// The memory held while one block of samples is processed.
fn account(operator: &dyn CurvatureOperator) -> Result<Account> {
    let factor = operator.trace_factor()?;
    let (source, columns) = (&*factor.source, factor.source.columns(&factor.variables)?);
    let samples = block(source, &*columns).min(source.samples());
    let passes = columns.evaluating(samples).min((source.memory() / 2).max(columns.evaluating(1)));
    Ok(Account::of("rows of the factor", size([samples], of_a_sample(source, &*columns)))
        .with("the passes that compute them", passes))
}

/// Refuses an operator when the rows of one sample do not fit into memory.
fn check(operator: &dyn CurvatureOperator) -> Result<()> {
    let factor = operator.trace_factor()?;
    let (source, columns) = (&*factor.source, factor.source.columns(&factor.variables)?);
    let least = of_a_sample(source, &*columns).max(columns.evaluating(1)).saturating_mul(2);
    if least <= source.memory() {
        return Ok(());
    }
    Err(Error::input(
        operator.description(),
        format!(
            "the rows of one sample's factor would take {} of memory, and {} are allowed",
            bytes(least),
            bytes(source.memory())
        ),
        "raise `memory` (the experiment's key), or use the estimator \"hutchinson\"",
    ))
}

/// ‖Φₜ‖², in f64.
fn square(rows: &Rows) -> Result<f64> {
    match rows {
        Rows::Explicit(rows) => {
            let squares = (0..rows.dims()[0]).map(|row| squared_norm(&rows.get(row)?));
            squares.sum()
        }
        Rows::Outer { left, right } => (0..right.dims()[0]).map(|n| square_of_sample(left, right, n)).sum(),
    }
}

/// Σᵣ ‖Σₚ l\[r, n, p\] ⊗ x\[n, p\]‖² for sample n, from the explicit rows or as Σᵣ Σₚₚʼ
/// ⟨l\[r, n, p\], l\[r, n, pʼ\]⟩⟨x\[n, p\], x\[n, pʼ\]⟩, whichever takes fewer operations.
fn square_of_sample(left: &Tensor, right: &Tensor, n: usize) -> Result<f64> {
    let (one, other) = (left.narrow(1, n, 1)?, right.narrow(0, n, 1)?);
    let ((_, _, p, o), (_, _, i)) = (one.dims4()?, other.dims3()?);
    if p * (o + i) >= o * i {
        return squared_norm(&Rows::Outer { left: one, right: other }.explicit(DType::F64)?);
    }
    let (l, x) = (one.squeeze(1)?.to_dtype(DType::F64)?, other.squeeze(0)?.to_dtype(DType::F64)?);
    let (l, x) = (l.contiguous()?, x.contiguous()?);
    let (l, x) = (l.matmul(&l.t()?.contiguous()?)?, x.matmul(&x.t()?.contiguous()?)?);
    Ok(l.broadcast_mul(&x)?.sum_all()?.to_scalar()?)
}

fn squared_norm(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar()?)
}

/// Adds `trace` to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add::<TraceParameters>(
        "trace",
        "the trace alone, exactly, from per-sample gradients: of a Gauss-Newton matrix, or of a Hessian proved to have the same trace",
        |_, _| Ok(Box::new(Trace)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gram::Gram, testing::DenseOperator};

    #[test]
    fn is_the_sum_of_the_eigenvalues() {
        // Explicit rows; and outer products whose norms are cheaper from explicit rows, or from
        // inner products of the factors.
        for outer in [None, Some((6, 2, 3)), Some((1, 5, 4)), Some((2, 7, 8))] {
            let operator = DenseOperator::with_factor(3, 5, outer, Some(6), 1, DType::F64);
            let gram = Gram::default().spectrum(&operator, &Context::silent(0)).unwrap();
            let Estimate::Number(trace) = Trace.estimate(&operator, &Context::silent(0)).unwrap() else {
                panic!("it is a number")
            };
            assert!((trace.value / gram.trace - 1.0).abs() < 1e-13, "{outer:?}");
            assert_eq!((trace.dimension, trace.stderr, trace.exact), (gram.dimension, Some(0.0), true));
            assert!(Trace.spectrum(&operator, &Context::silent(0)).is_err());
        }
    }
}
