//! A loss landscape at a point: hands out the curvature operators of a network's groups.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
};

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Factor, Loss, MeanLoss, Network, Point, Rows, StreamedProduct, Variables};

use crate::{
    Curvature, CurvatureOperator, Group,
    error::{Error, Result},
};

/// A mean loss over all samples of a point, around the point's parameters.
pub struct Landscape {
    loss: MeanLoss,
    /// Rows of the factor by parameter, and how many they are: computed in one pass for many groups.
    shared: RefCell<Option<(usize, BTreeMap<usize, Rows>)>>,
}

impl Landscape {
    /// The landscape of the mean loss over the samples of `point`. Products and factors stream over the samples so that they
    /// take at most `memory` bytes beside the point.
    ///
    /// # Errors
    /// When the network's outputs do not fit the loss.
    pub fn new(network: &Network, loss: Loss, point: Point, memory: usize) -> Result<Self> {
        Ok(Self { loss: MeanLoss::new(network, loss, point, memory)?, shared: RefCell::new(None) })
    }

    /// The curvature operator of a group.
    #[must_use]
    pub fn operator<'a>(&'a self, curvature: Curvature, group: &'a Group) -> NetworkOperator<'a> {
        NetworkOperator { landscape: self, curvature, group, product: OnceCell::new() }
    }

    /// Computes the exact factor of all parameters of these groups in one pass, for the operators of these groups. Does nothing
    /// where it does not fit into memory: then each group's factor is computed by itself.
    ///
    /// # Errors
    /// When the factor cannot be computed.
    pub fn share_factor(&self, groups: &[Group]) -> Result<()> {
        let mut parameters: Vec<usize> =
            groups.iter().flat_map(|group| group.variables.parameters()).copied().collect();
        parameters.sort_unstable();
        parameters.dedup();
        let mut parts = Vec::new();
        if !self.loss.factor_fits(&parameters)? {
            return Ok(());
        }
        self.loss.factor(&parameters, &mut |factor| -> Result<()> {
            parts.push(factor);
            Ok(())
        })?;
        let rows = parts.first().map_or(0, |factor| factor.rows);
        let tensors = parts.into_iter().flat_map(|factor| factor.tensors);
        *self.shared.borrow_mut() = Some((rows, parameters.into_iter().zip(tensors).collect()));
        Ok(())
    }

    /// Why the group's Hessian has no exact factor; `None` where affinity is proved.
    ///
    /// # Errors
    /// When the network has no such activation.
    pub fn why_not_affine(&self, group: &Group) -> Result<Option<String>> {
        let (level, breaker) = self.loss.affinity(&group.variables)?;
        let node = breaker.map_or_else(|| "an operation".to_owned(), |b| b.node);
        Ok((!level.is_affine()).then_some(node))
    }

    fn factor(&self, group: &Group, take: &mut dyn FnMut(Factor) -> Result<()>) -> Result<()> {
        if let (Some((rows, shared)), Variables::Parameters(indices)) =
            (&*self.shared.borrow(), &group.variables)
        {
            let tensors: Option<Vec<Rows>> = indices.iter().map(|i| shared.get(i).cloned()).collect();
            if let Some(tensors) = tensors {
                return take(Factor { rows: *rows, tensors });
            }
        }
        self.loss.factor(&group.variables, take)
    }
}

/// The curvature matrix of one group, by products on a program that is built when it is first needed.
pub struct NetworkOperator<'a> {
    landscape: &'a Landscape,
    curvature: Curvature,
    group: &'a Group,
    product: OnceCell<StreamedProduct>,
}

impl NetworkOperator<'_> {
    /// Whether [`CurvatureOperator::factor`] will be refused, without computing it.
    ///
    /// # Errors
    /// What stands in the way and what to use instead.
    pub fn check_factor(&self) -> Result<()> {
        let refuse = |problem: String, remedy: &str| Err(Error::input(self.description(), problem, remedy));
        if let Some(module) = self.landscape.loss.mixes_samples() {
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
            Curvature::Hessian => match self.landscape.why_not_affine(self.group)? {
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

    /// Whether [`CurvatureOperator::factor`] fits into memory, without computing it.
    ///
    /// # Errors
    /// How much memory it would take, at the least.
    pub fn check_factor_memory(&self) -> Result<()> {
        Ok(self.landscape.loss.check_factor(&self.group.variables)?)
    }

    /// Whether a product fits into memory, without evaluating anything.
    ///
    /// # Errors
    /// How much memory one would take, at the least.
    pub fn check_memory(&self) -> Result<()> {
        self.product().map(|_| ())
    }

    fn product(&self) -> Result<&StreamedProduct> {
        if let Some(product) = self.product.get() {
            return Ok(product);
        }
        let Landscape { loss, .. } = self.landscape;
        let group = &self.group.variables;
        let product = match self.curvature {
            Curvature::Hessian => loss.hessian(group)?,
            Curvature::GaussNewton => loss.gauss_newton(group)?,
            Curvature::Residual => loss.residual(group)?,
        };
        Ok(self.product.get_or_init(|| product))
    }
}

impl CurvatureOperator for NetworkOperator<'_> {
    fn dimension(&self) -> usize {
        self.group.dimension
    }

    fn dtype(&self) -> DType {
        self.landscape.loss.point().targets.dtype()
    }

    fn description(&self) -> String {
        format!("{} of {}", self.curvature, self.group.name)
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok(self.product()?.apply_rows(vectors)?)
    }

    fn factor(&self, take: &mut dyn FnMut(Factor) -> Result<()>) -> Result<()> {
        self.check_factor()?;
        self.landscape.factor(self.group, take)
    }
}
