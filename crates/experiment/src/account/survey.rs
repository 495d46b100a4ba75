//! The account of a run whose probes are ready: what each matrix takes, asked of its estimator and
//! its operator.

use candle_core::DType;
use eigenscape_core::{
    Account, CurvatureOperator, Error, Examples, Landscape,
    account::{bytes, size},
    landscape::NetworkOperator,
};
use eigenscape_curvature::Residuals;

use super::{
    Allowed, DISTANCE, EIGENVALUE, LEFT_OUT, REMEDY, RunAccount, Shares,
    dearest::{self, Candidate, Signature},
    of_epochs,
};
use crate::{
    diagnostic::{ConfigError, Result},
    plan::RunPlan,
    prepare::PreparedProbe,
    raw::Between,
};

/// On how many samples a probe is, and the types of its numbers.
type Over = (usize, DType, Residuals);

fn over(probe: &PreparedProbe) -> Over {
    (probe.samples(), probe.plan.dtype, probe.plan.residuals)
}

/// What is known from the probes of a run that were looked at.
struct Seen {
    /// Samples, types and matrices of each, and what the most demanding matrix takes.
    accounts: Vec<((Over, Signature), Account)>,
    /// How much more may be built.
    affordable: usize,
}

/// The landscapes of which only shapes matter: one for all probes on as many samples in the same
/// types.
struct Landscapes(Vec<(Over, Landscape)>);

impl Landscapes {
    fn of(probes: &[PreparedProbe]) -> Result<Self> {
        let mut all = Self(Vec::new());
        for probe in probes {
            if all.find(probe).is_none() {
                all.0.push((over(probe), probe.landscape_of_shapes()?));
            }
        }
        Ok(all)
    }

    fn find(&self, probe: &PreparedProbe) -> Option<&Landscape> {
        let is_it = |(known, _): &&(Over, Landscape)| *known == over(probe);
        self.0.iter().find(is_it).map(|(_, landscape)| landscape)
    }
}

/// What the probes of a run share while one matrix after the other is measured.
struct Measuring {
    /// What is taken whatever is measured: the records, the spectra of all moments, a distance.
    beside: Account,
    allowed: Allowed,
    shares: Shares,
}

/// The account of a run that holds so much beside its probes, and shares out the memory for
/// measuring among these.
///
/// # Errors
/// When an estimator cannot be used on an operator, or something does not fit.
pub fn run(
    plan: &RunPlan,
    probes: &mut [PreparedProbe],
    mut held: Account,
    train: &Examples,
) -> Result<RunAccount> {
    for (index, probe) in probes.iter().enumerate() {
        held = held.with(format!("the samples of probe {}", index + 1), probe.bytes(train));
    }
    let allowed = Allowed::new(plan.memory.as_ref(), &held);
    let beside = of_epochs(plan, train.len()).and(of_spectra(plan, probes)?);
    let shares = Shares::new(allowed, beside.total());
    probes.iter_mut().for_each(|probe| probe.share(shares));
    let measuring = Measuring { beside, allowed, shares };
    let landscapes = Landscapes::of(probes)?;
    let (mut most, mut seen) =
        (Account::default(), Seen { accounts: Vec::new(), affordable: dearest::TENSORS });
    for probe in probes.iter() {
        let Some(landscape) = landscapes.find(probe) else { continue };
        let account = measuring.of_probe(probe, landscape, &mut seen)?;
        most = if account.total() > most.total() { account } else { most };
    }
    let account = RunAccount { held, measuring: most.and(measuring.beside), allowed };
    account.check(plan)?;
    Ok(account)
}

/// What is kept of all spectra, and what a distance between two of them takes.
fn of_spectra(plan: &RunPlan, probes: &[PreparedProbe]) -> Result<Account> {
    let (mut all, mut longest, mut groups, mut moments_of_all) = (0_usize, 0, 0_usize, 0_usize);
    let landscapes = Landscapes::of(probes)?;
    for probe in probes {
        let Some(landscape) = landscapes.find(probe) else { continue };
        for (curvature, group) in probe.matrices() {
            let listed = probe.plan.estimator.eigenvalues(&landscape.operator(curvature, group));
            longest = longest.max(listed);
            let moments = probe.plan.epochs.len().saturating_mul(probe.batches.len());
            moments_of_all = moments_of_all.max(moments);
            groups = groups.saturating_add(1);
            all = all.saturating_add(listed.saturating_mul(moments));
        }
    }
    let kept = all.saturating_mul(plan.runs).saturating_mul(EIGENVALUE);
    let grid = plan.distances.iter().map(|plan| plan.distance.memory(longest)).max().unwrap_or(0);
    // Both spectra without a part of their random vectors.
    let parts = if plan.distances.is_empty() { 0 } else { size([2, longest], LEFT_OUT) };
    let pairs = plan.distances.iter().map(|plan| match plan.between {
        Between::LayersAndFull => groups,
        Between::AllPairs => groups.saturating_mul(groups) / 2,
    });
    let pairs = pairs.fold(0, usize::saturating_add).saturating_mul(moments_of_all).saturating_mul(plan.runs);
    Ok(Account::of("the eigenvalues of all moments", kept)
        .with("a distance", grid.saturating_add(parts))
        .with("the distances of all moments", size([pairs], DISTANCE)))
}

impl Measuring {
    /// What the most demanding matrix of a probe takes, or all of them together where they share a
    /// factor.
    fn of_probe(&self, probe: &PreparedProbe, landscape: &Landscape, seen: &mut Seen) -> Result<Account> {
        let operators: Vec<NetworkOperator> =
            probe.matrices().map(|(curvature, group)| landscape.operator(curvature, group)).collect();
        let all: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
        let (plan, estimator) = (probe.plan, &*probe.plan.estimator);
        if estimator.needs_factor() {
            for operator in &operators {
                // A trace may be known where the factor is not.
                let factor = match estimator.number() {
                    Some(_) => operator.trace_factor(),
                    None => operator.factor(),
                };
                factor.map_err(|error| plan.estimator_name.caused(error))?;
            }
        }
        estimator.check(&all).map_err(|error| self.told(probe, error, &Account::default()))?;
        if estimator.needs_factor() {
            let account = estimator.memory(&all, self.shares.of_factors());
            return Ok(account.map_err(|error| plan.samples.caused(error))?);
        }
        let mut candidates = Vec::new();
        for (operator, (curvature, group)) in operators.iter().zip(probe.matrices()) {
            let held = estimator.memory(&[operator], self.shares.of_estimator());
            let held = held.map_err(|error| plan.samples.caused(error))?;
            self.refuse(probe, operator, &held)?;
            let vectors = estimator.vectors(operator, self.shares.of_estimator());
            let allowed = probe.memory_of_products(&held);
            candidates.push(Candidate { curvature, group, held, vectors, allowed });
        }
        let signature = (over(probe), dearest::signature(&candidates));
        if let Some((_, account)) = seen.accounts.iter().find(|(other, _)| *other == signature) {
            return Ok(account.clone());
        }
        let account = dearest::dearest(probe, landscape, &candidates, &mut seen.affordable);
        let account = account.map_err(|(index, error)| self.told(probe, error, &candidates[index].held))?;
        seen.accounts.push((signature, account.clone()));
        Ok(account)
    }

    /// Refuses an estimator that holds more than is allowed, before a product's program is built,
    /// which takes time.
    fn refuse(
        &self,
        probe: &PreparedProbe,
        operator: &NetworkOperator,
        held: &Account,
    ) -> Result<(), ConfigError> {
        let all = held.clone().and(self.beside.clone());
        if all.total() <= self.allowed.bytes() {
            return Ok(());
        }
        let problem = format!(
            "the {} by {} would take {} of memory ({}), and {} are allowed",
            operator.description(),
            probe.plan.estimator_name.value,
            bytes(all.total()),
            all.words(),
            bytes(self.allowed.bytes())
        );
        Err(probe.plan.estimator_name.error(problem, REMEDY))
    }

    /// An error of what has to fit beside what an estimator holds and what is taken anyhow.
    fn told(&self, probe: &PreparedProbe, error: Error, held: &Account) -> ConfigError {
        let beside = held.clone().and(self.beside.clone());
        match error {
            Error::Input { subject, problem, remedy } if problem.ends_with("are allowed") => {
                let of = bytes(self.allowed.bytes());
                let problem = format!("{subject}: {problem}: of {of} beside {}", beside.words());
                probe.plan.samples.error(problem, remedy)
            }
            other => probe.plan.samples.caused(other),
        }
    }
}
