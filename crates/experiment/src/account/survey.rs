//! The memory account of a run whose probes are prepared: estimators and operators report what each
//! matrix takes.

use candle_core::DType;
use eigenscape_core::{
    Account, CurvatureOperator, Error, Examples, Landscape,
    account::{bytes, size},
    landscape::NetworkOperator,
};
use eigenscape_curvature::Residuals;

use super::{
    Allowed, DISTANCE, EIGENPAIR, EIGENVALUE, LEFT_OUT, REMEDY, RunAccount, Shares,
    dearest::{self, Candidate, Signature},
    itemised, of_epochs,
};
use crate::{
    diagnostic::{ConfigError, Result},
    plan::RunPlan,
    prepare::PreparedProbe,
    raw::Between,
};

/// The number of samples of a probe, and the types of its numbers.
type Over = (usize, DType, Residuals);

fn over(probe: &PreparedProbe) -> Over {
    (probe.samples(), probe.plan.dtype, probe.plan.residuals)
}

/// Accounts of the probes examined so far.
struct Seen {
    /// Samples, types and matrices of each probe, with the account of its most demanding matrix.
    accounts: Vec<((Over, Signature), Account)>,
    /// What is left of the budget `dearest::TENSORS` for building programs.
    affordable: usize,
}

/// Landscapes that are used for their shapes only: one for each number of samples and types.
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

/// The memory that a run's probes share while matrices are measured one at a time.
struct Measuring {
    /// Memory taken whichever matrix is measured: the records, the spectra of all measured epochs,
    /// a distance.
    beside: Account,
    allowed: Allowed,
    shares: Shares,
}

/// The account of a run that holds `held` outside its probes. Sets each probe's share of the memory
/// for measuring.
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

/// Memory for the recorded spectra and distances of all measured epochs, and for computing one
/// distance.
fn of_spectra(plan: &RunPlan, probes: &[PreparedProbe]) -> Result<Account> {
    let (mut all, mut longest, mut groups, mut measurements_of_all) = (0_usize, 0, 0_usize, 0_usize);
    let mut pairs_of_all = 0_usize;
    let landscapes = Landscapes::of(probes)?;
    for probe in probes {
        let Some(landscape) = landscapes.find(probe) else { continue };
        for (curvature, group) in probe.matrices() {
            let listed = probe.plan.estimator.eigenvalues(&landscape.operator(curvature, group));
            longest = longest.max(listed);
            let measurements = probe.plan.epochs.len().saturating_mul(probe.batches.len());
            measurements_of_all = measurements_of_all.max(measurements);
            groups = groups.saturating_add(1);
            all = all.saturating_add(listed.saturating_mul(measurements));
            let pairs = probe.plan.eigenvectors.map_or(0, |count| count.get().min(group.dimension));
            pairs_of_all = pairs_of_all.saturating_add(pairs.saturating_mul(measurements));
        }
    }
    let kept = all.saturating_mul(plan.runs).saturating_mul(EIGENVALUE);
    let grid = plan.distances.iter().map(|plan| plan.distance.memory(longest)).max().unwrap_or(0);
    // Copies of both spectra, each without one part of its random vectors.
    let parts = if plan.distances.is_empty() { 0 } else { size([2, longest], LEFT_OUT) };
    let pairs = plan.distances.iter().map(|plan| match plan.between {
        Between::LayersAndFull => groups,
        Between::AllPairs | Between::Curvatures => groups.saturating_mul(groups) / 2,
    });
    let pairs =
        pairs.fold(0, usize::saturating_add).saturating_mul(measurements_of_all).saturating_mul(plan.runs);
    Ok(Account::of("the eigenvalues of all epochs", kept)
        .with("the records of eigenvectors", size([pairs_of_all, plan.runs], EIGENPAIR))
        .with("a distance", grid.saturating_add(parts))
        .with("the distances of all epochs", size([pairs], DISTANCE)))
}

/// The matrices of a probe while residuals of eigenvectors are measured, after an estimator that
/// takes no products itself.
fn of_residuals<'a>(probe: &'a PreparedProbe) -> Vec<Candidate<'a>> {
    let held = probe.eigenvectors();
    let allowed = probe.memory_of_products(&held);
    let candidate =
        |(curvature, group)| Candidate { curvature, group, held: held.clone(), vectors: 1, allowed };
    probe.matrices().map(candidate).collect()
}

impl Measuring {
    /// The account of a probe's most demanding matrix, or of all its matrices together where they
    /// share a factor.
    fn of_probe(&self, probe: &PreparedProbe, landscape: &Landscape, seen: &mut Seen) -> Result<Account> {
        let operators: Vec<NetworkOperator> =
            probe.matrices().map(|(curvature, group)| landscape.operator(curvature, group)).collect();
        let all: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
        let (plan, estimator) = (probe.plan, &*probe.plan.estimator);
        if estimator.needs_factor() {
            for operator in &operators {
                // A trace factor may exist where the full factor does not.
                let factor = match estimator.number() {
                    Some(_) => operator.trace_factor(),
                    None => operator.factor(),
                };
                factor.map_err(|error| plan.estimator_name.caused(error))?;
            }
        }
        estimator.check(&all).map_err(|error| match &error {
            Error::Input { problem, .. } if !exceeds(problem) => plan.estimator_name.caused(error),
            _ => self.told(probe, error, &Account::default()),
        })?;
        if estimator.needs_factor() {
            let account = estimator.memory(&all, self.shares.of_factors());
            let account = account.map_err(|error| plan.samples.caused(error))?;
            if plan.eigenvectors.is_none() {
                return Ok(account);
            }
            // Then the residuals of all eigenvectors, one product at a time.
            let of_residuals = self.of_products(probe, landscape, seen, &of_residuals(probe))?;
            return Ok(if of_residuals.total() > account.total() { of_residuals } else { account });
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
        self.of_products(probe, landscape, seen, &candidates)
    }

    /// The account of the candidate that takes the most memory.
    fn of_products(
        &self,
        probe: &PreparedProbe,
        landscape: &Landscape,
        seen: &mut Seen,
        candidates: &[Candidate],
    ) -> Result<Account> {
        let signature = (over(probe), dearest::signature(candidates));
        if let Some((_, account)) = seen.accounts.iter().find(|(other, _)| *other == signature) {
            return Ok(account.clone());
        }
        let account = dearest::dearest(probe, landscape, candidates, &mut seen.affordable);
        let account = account.map_err(|(index, error)| self.told(probe, error, &candidates[index].held))?;
        seen.accounts.push((signature, account.clone()));
        Ok(account)
    }

    /// Refuses an estimator that holds more than is allowed before building a product's program,
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
            "the {} by {} would take {} of memory, and {} are allowed",
            operator.description(),
            probe.plan.estimator_name.value,
            bytes(all.total()),
            bytes(self.allowed.bytes())
        );
        Err(probe.plan.estimator_name.error(problem, itemised(REMEDY, &all)))
    }

    /// Converts an operator's error. An error about memory also lists what the estimator and the
    /// records take.
    fn told(&self, probe: &PreparedProbe, error: Error, held: &Account) -> ConfigError {
        let beside = held.clone().and(self.beside.clone());
        match error {
            Error::Input { subject, problem, remedy } if exceeds(&problem) => {
                let of = bytes(self.allowed.bytes());
                let problem = format!("{subject}: {problem}, of {of}");
                probe.plan.samples.error(problem, format!("{remedy}\nthe rest is {}", beside.words()))
            }
            other => probe.plan.samples.caused(other),
        }
    }
}

/// Whether a problem is that more memory is needed than is allowed.
fn exceeds(problem: &str) -> bool {
    problem.ends_with("are allowed")
}
