//! A loss landscape at a point: hands out the curvature operators of a network's groups.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
};

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Factor, Objective, Point, Product, Rows};

use crate::{
    Curvature, CurvatureOperator, Group,
    error::{Error, Result},
};

/// An objective at fixed parameters and data.
pub struct Landscape {
    objective: Objective,
    point: Point,
    /// Rows of the factor by parameter, and how many they are: computed in one pass for many groups.
    shared: RefCell<Option<(usize, BTreeMap<usize, Rows>)>>,
}

impl Landscape {
    /// The landscape of `objective` around `point`.
    #[must_use]
    pub fn new(objective: Objective, point: Point) -> Self {
        Self { objective, point, shared: RefCell::new(None) }
    }

    /// The curvature operator of a group.
    #[must_use]
    pub fn operator<'a>(&'a self, curvature: Curvature, group: &'a Group) -> NetworkOperator<'a> {
        NetworkOperator { landscape: self, curvature, group, product: OnceCell::new() }
    }

    /// Computes the exact factor of all these parameters in one pass, for the operators of groups within them.
    ///
    /// # Errors
    /// When the factor cannot be computed.
    pub fn share_factor(&self, parameters: &[usize]) -> Result<()> {
        let factor = self.objective.factor(&self.point, parameters)?;
        let rows = parameters.iter().copied().zip(factor.tensors).collect();
        *self.shared.borrow_mut() = Some((factor.rows, rows));
        Ok(())
    }

    /// Why the group's Hessian has no exact factor; `None` where affinity is proved.
    #[must_use]
    pub fn why_not_affine(&self, group: &Group) -> Option<String> {
        let (level, breaker) = self.objective.affinity(&group.parameters);
        let node = breaker.map_or_else(|| "an operation".to_owned(), |b| b.node);
        (!level.is_affine()).then_some(node)
    }

    fn factor(&self, group: &Group) -> Result<Factor> {
        if let Some((rows, shared)) = &*self.shared.borrow() {
            let tensors: Option<Vec<Rows>> =
                group.parameters.iter().map(|i| shared.get(i).cloned()).collect();
            if let Some(tensors) = tensors {
                return Ok(Factor { rows: *rows, tensors });
            }
        }
        Ok(self.objective.factor(&self.point, &group.parameters)?)
    }
}

/// The curvature matrix of one group, by products on a program that is built at the first product.
pub struct NetworkOperator<'a> {
    landscape: &'a Landscape,
    curvature: Curvature,
    group: &'a Group,
    product: OnceCell<Product>,
}

impl NetworkOperator<'_> {
    /// Whether [`CurvatureOperator::factor`] will be refused, without computing it.
    ///
    /// # Errors
    /// What stands in the way and what to use instead.
    pub fn check_factor(&self) -> Result<()> {
        let refuse = |problem: String, remedy: &str| Err(Error::input(self.description(), problem, remedy));
        if let Some(module) = self.landscape.objective.mixes_samples() {
            return refuse(
                format!("it has no exact factor by sample: in {module} samples see each other"),
                "use model.batch_norm = \"eval\", or estimator = \"lanczos\"",
            );
        }
        match self.curvature {
            Curvature::GaussNewton => Ok(()),
            Curvature::Residual => refuse(
                "it is indefinite and has no exact factor".to_owned(),
                "use estimator = \"lanczos\" or \"dense\"",
            ),
            Curvature::Hessian => match self.landscape.why_not_affine(self.group) {
                None => Ok(()),
                Some(node) => refuse(
                    format!(
                        "it has no exact factor: the network is not piecewise affine in this group ({node} breaks it)"
                    ),
                    "use curvature = \"gauss-newton\", or estimator = \"lanczos\"",
                ),
            },
        }
    }

    fn product(&self) -> Result<&Product> {
        if let Some(product) = self.product.get() {
            return Ok(product);
        }
        let Landscape { objective, point, .. } = self.landscape;
        let group = &self.group.parameters;
        let product = match self.curvature {
            Curvature::Hessian => objective.hessian(point, group)?,
            Curvature::GaussNewton => objective.gauss_newton(point, group)?,
            Curvature::Residual => objective.residual(point, group)?,
        };
        Ok(self.product.get_or_init(|| product))
    }
}

impl CurvatureOperator for NetworkOperator<'_> {
    fn dimension(&self) -> usize {
        self.group.dimension
    }

    fn dtype(&self) -> DType {
        self.landscape.point.inputs.dtype()
    }

    fn description(&self) -> String {
        format!("{} of {}", self.curvature, self.group.name)
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok(self.product()?.apply_rows(vectors)?)
    }

    fn factor(&self) -> Result<Factor> {
        self.check_factor()?;
        self.landscape.factor(self.group)
    }
}
