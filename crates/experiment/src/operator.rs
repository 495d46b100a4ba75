//! Curvature operators of an objective's parameter groups.

use std::cell::OnceCell;

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Factor, Objective, Point, Product};
use eigenscape_core::{Curvature, CurvatureOperator, Error, Group, Result};

/// A diagonal block of a curvature matrix at a point.
pub struct GroupOperator<'a> {
    objective: &'a Objective,
    point: &'a Point,
    curvature: Curvature,
    group: &'a Group,
    product: OnceCell<Product>,
}

impl<'a> GroupOperator<'a> {
    /// The block of `group`.
    #[must_use]
    pub fn new(objective: &'a Objective, point: &'a Point, curvature: Curvature, group: &'a Group) -> Self {
        Self { objective, point, curvature, group, product: OnceCell::new() }
    }

    /// The cached linear program, made when the first product is asked for.
    fn product(&self) -> Result<&Product> {
        if let Some(product) = self.product.get() {
            return Ok(product);
        }
        let (point, group) = (self.point, self.group.parameters.as_slice());
        let product = match self.curvature {
            Curvature::Hessian => self.objective.hessian(point, group),
            Curvature::GaussNewton => self.objective.gauss_newton(point, group),
            Curvature::Residual => self.objective.residual(point, group),
        }?;
        Ok(self.product.get_or_init(|| product))
    }
}

impl CurvatureOperator for GroupOperator<'_> {
    fn dimension(&self) -> usize {
        self.group.dimension
    }

    fn dtype(&self) -> DType {
        self.point.inputs.dtype()
    }

    fn description(&self) -> String {
        describe(self.curvature, self.group)
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok(self.product()?.apply_rows(vectors)?)
    }

    fn factor(&self) -> Result<Factor> {
        check_factor(self.objective, self.curvature, self.group)?;
        Ok(self.objective.factor(self.point, &self.group.parameters)?)
    }
}

fn describe(curvature: Curvature, group: &Group) -> String {
    format!("{curvature} of {}", group.name)
}

/// Whether the block has a factor Φ with block = Φᵀ Φ: the Gauss-Newton block always has, the Hessian block where the network
/// is proved piecewise affine in the group, for then it equals the Gauss-Newton block.
///
/// # Errors
/// What stands in the way, and what to use instead.
pub fn check_factor(objective: &Objective, curvature: Curvature, group: &Group) -> Result<()> {
    let remedy = "use curvature = \"gauss-newton\", or estimator = \"lanczos\"";
    match curvature {
        Curvature::GaussNewton => Ok(()),
        Curvature::Residual => Err(Error::input(
            describe(curvature, group),
            "it is not a Gram matrix: it may have negative eigenvalues",
            "use estimator = \"lanczos\", or \"dense\" for a small group",
        )),
        Curvature::Hessian => match objective.affinity(&group.parameters) {
            (level, _) if level.is_affine() => Ok(()),
            (_, breaker) => {
                let node =
                    breaker.map_or_else(String::new, |breaker| format!(": {} breaks it", breaker.node));
                let problem = format!("the network is not piecewise affine in this group{node}");
                Err(Error::input(describe(curvature, group), problem, remedy))
            }
        },
    }
}
