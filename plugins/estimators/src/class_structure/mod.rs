//! `class-structure`: the Gauss-Newton matrix of a classifier, decomposed by class and cross-class.

mod projections;

use eigenscape_core::{
    Account, ClassMeans, Context, CurvatureOperator, Estimate, Findings, Interrupt, ProbeEstimator, Registry,
    Result, Spectrum,
};
use faer::Mat;
use schemars::JsonSchema;
use serde::Deserialize;

use self::projections::Projections;
use crate::{
    eigen::symmetric_eigenvalues,
    gram::{self, Job, Needs, Rounding, Schedule, Side, Target, scheduled, sum},
};

/// How class means are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// The mean of extended gradients weighted by their probabilities (Papyan 2020).
    #[default]
    Weighted,
    /// The unweighted mean of extended gradients that are scaled by the roots of their
    /// probabilities (Papyan 2019).
    Plain,
}

/// Parameters of `class-structure`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassStructureParameters {
    /// How class means are computed: "weighted" by probabilities (default; Papyan 2020) or "plain"
    /// (Papyan 2019).
    pub means: Means,
    /// The largest accepted number of rows of the Gram matrix, N(C − 1); 20000 by default.
    pub max_rows: usize,
}

impl Default for ClassStructureParameters {
    fn default() -> Self {
        Self { means: Means::default(), max_rows: 20_000 }
    }
}

/// The largest number of classes for which the findings include the class means.
const MOST_CLASSES: usize = 20;

/// The spectra of G = G0 + G1 + G2 + G3 and of its four parts, and of G1+2 = G1 + G2.
///
/// Under the cross-entropy the Gauss-Newton matrix is a second moment of *extended gradients*, G =
/// Σ w_{i,c,c'} δ_{i,c,c'} δ_{i,c,c'}ᵀ: δ_{i,c,c'} is the gradient that the i-th sample of class c
/// would have with the label c', and w_{i,c,c'} = p_{i,c'} / N. With W_{cc'} = Σᵢ w_{i,c,c'} and
/// W_c = Σ_{c'≠c} W_{cc'}, means over samples are δ_{cc'} = Σᵢ w_{i,c,c'} δ_{i,c,c'} / W_{cc'}, and
/// over cross-classes δ_c = Σ_{c'≠c} W_{cc'} δ_{cc'} / W_c (V. Papyan, "Traces of Class/Cross-Class
/// Structure Pervade Deep Learning Spectra", JMLR 2020):
///
/// - G0 = Σ_c W_{cc} δ_{cc} δ_{cc}ᵀ: the gradients of the true labels;
/// - G1 = Σ_c W_c δ_c δ_cᵀ: the classes, the origin of about C outliers;
/// - G2 = Σ_{c'≠c} W_{cc'} (δ_{cc'} − δ_c)(δ_{cc'} − δ_c)ᵀ: the cross-classes, a smaller bump of
///   C(C − 2) eigenvalues or fewer;
/// - G3 = Σ w_{i,c,c'} (δ_{i,c,c'} − δ_{cc'})(δ_{i,c,c'} − δ_{cc'})ᵀ: the samples within the
///   cross-classes, the bulk.
///
/// The parts sum to G by the law of total covariance. That paper names them G_{c=c'}, G_class,
/// G_cross and G_within (its equation 6.4) and the extended gradients g (its δ are errors at a
/// layer); the names used here are those of 2019. Both papers assume classes of equal size, which W
/// generalises: for equal sizes, W_{cc'} is the mean of p_{i,c'} over the class, divided by C. With
/// `means = "plain"` the gradients are scaled by the roots of the weights, √w δ, and the means are
/// unweighted, as in V. Papyan, "Measurements of Three-Level Hierarchical Structure in the Outliers
/// in the Spectrum of Deepnet Hessians", ICML 2019: G0 = Ave_c δ_{cc} δ_{cc}ᵀ, G1 = (C − 1) Ave_c
/// δ_c δ_cᵀ, G2 = (1/C) Σ_{c'≠c} and G3 the mean over all rows, for classes of equal size (its
/// equation 28). The code published with the 2019 paper also includes c' = c in its G1+2, whose
/// eigenvalues are therefore larger where G0 is not small.
///
/// With the rows √w δ as a matrix Ψ, G = ΨᵀΨ, and each part is Ψᵀ Q Ψ with an orthogonal projection
/// Q that depends only on labels and probabilities. Its non-zero eigenvalues are those of Q ΨΨᵀ Q,
/// so that only the rows of the factor have size P, as in [`gram`]. In addition to the Gram matrix,
/// each group takes three matrices of about that size, which count towards the experiment's
/// `memory`.
///
/// In `results.json` each part is a separate record, whose `curvature` is "gauss-newton G1" and so
/// on. The field `means` holds the inner products of all δ_{cc'} and δ_c, from which the report
/// draws them in the plane. It is left out for more than 20 classes, since its size grows with the
/// fourth power of their number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClassStructure {
    parameters: ClassStructureParameters,
}

impl ClassStructure {
    /// The estimator with these parameters.
    #[must_use]
    pub fn new(parameters: ClassStructureParameters) -> Self {
        Self { parameters }
    }

    fn scheduled<'a>(&self, operators: &[&'a dyn CurvatureOperator]) -> Result<Vec<(Job<'a>, Schedule)>> {
        scheduled(operators, Side::Rows, self.parameters.max_rows, |_, source| Needs {
            beside: Projections::bytes(source.samples(), source.rank()),
            ..Needs::default()
        })
    }
}

impl ProbeEstimator for ClassStructure {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate> {
        Ok(self.estimate_parts(&[operator], context)?.swap_remove(0).estimate)
    }

    fn estimate_parts(
        &self,
        operators: &[&dyn CurvatureOperator],
        context: &Context,
    ) -> Result<Vec<Findings>> {
        let interrupt = &context.interrupt;
        let mut all_findings: Vec<Option<Findings>> = vec![None; operators.len()];
        for (job, schedule) in self.scheduled(operators)? {
            let rounding = Rounding::measured(&job, &schedule, interrupt)?;
            let projections = Projections::new(&*job.source.predictions()?, self.parameters.means);
            let apart = |lower| taken_apart(lower, &projections, interrupt);
            let all = sum::each(&job, &schedule, interrupt, apart)?;
            for (target, apart) in job.targets.iter().zip(all) {
                let findings = findings(target, apart, &rounding)?;
                target.operators.iter().for_each(|&index| all_findings[index] = Some(findings.clone()));
            }
        }
        Ok(all_findings.into_iter().flatten().collect())
    }

    fn check(&self, operators: &[&dyn CurvatureOperator]) -> Result<()> {
        self.scheduled(operators)?.iter().try_for_each(|(job, _)| job.source.check_classes())
    }

    fn memory(&self, operators: &[&dyn CurvatureOperator], _allowed: usize) -> Result<Account> {
        gram::memory(&self.scheduled(operators)?, self.parameters.max_rows)
    }

    fn eigenvalues(&self, operator: &dyn CurvatureOperator) -> usize {
        /// G and its five parts.
        const SPECTRA: usize = 6;
        gram::eigenvalues(operator).saturating_mul(SPECTRA)
    }

    fn needs_factor(&self) -> bool {
        true
    }

    fn products(&self, _dimension: usize) -> usize {
        0
    }

    fn description(&self) -> String {
        let means = match self.parameters.means {
            Means::Weighted => "means weighted by probabilities",
            Means::Plain => "plain means",
        };
        format!(
            "all eigenvalues of the Gram matrix of per-sample gradients and of its parts by class and cross-class, {means}"
        )
    }
}

/// All eigenvalues, ascending, of G and of each part, and the class means.
struct Apart {
    whole: Vec<f64>,
    parts: Vec<(&'static str, Vec<f64>)>,
    means: Option<ClassMeans>,
}

/// Decomposes the Gram matrix ΦΦᵀ, given by its lower half.
fn taken_apart(mut gram: Mat<f64>, projections: &Projections, interrupt: &Interrupt) -> Result<Apart> {
    for j in 0..gram.ncols() {
        (0..j).for_each(|i| gram[(i, j)] = gram[(j, i)]);
    }
    let products = projections.products_of_means(&gram);
    let parts = projections.parts(&gram, &products).into_iter();
    let eigenvalues = |matrix| symmetric_eigenvalues(matrix, interrupt);
    let parts = parts.map(|(name, matrix)| Ok((name, eigenvalues(matrix)?))).collect::<Result<_>>()?;
    let means = (projections.classes() <= MOST_CLASSES).then(|| projections.class_means(&products));
    Ok(Apart { whole: eigenvalues(gram)?, parts, means })
}

fn findings(target: &Target, Apart { whole, parts, means }: Apart, rounding: &Rounding) -> Result<Findings> {
    // The rounding error of a part is relative to the whole matrix.
    let cut = rounding.of_eigenvalues(target, &whole);
    let spectrum = |mut values: Vec<f64>| {
        values.retain(|value| *value > cut);
        let excess = values.len().saturating_sub(target.dimension);
        Spectrum::exact_above(target.dimension, cut, values.split_off(excess), 0)
    };
    let parts = parts.into_iter().map(|(name, values)| Ok((name.into(), spectrum(values)?)));
    let (parts, estimate) = (parts.collect::<Result<_>>()?, spectrum(whole)?.into());
    Ok(Findings { estimate, parts, means, eigenpairs: Vec::new() })
}

/// Adds `class-structure` to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add::<ClassStructureParameters>(
        "class-structure",
        "every eigenvalue of a classifier's Gauss-Newton matrix and of its parts by class and cross-class (G0, G1, G2, G1+2, G3)",
        |parameters, _| Ok(Box::new(ClassStructure::new(parameters))),
    );
}
