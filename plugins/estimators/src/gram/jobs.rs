//! Which matrices are computed, with how much memory.

use eigenscape_core::{Account, CurvatureOperator, Error, FactorSource, Result};

use super::{
    low_rank::LowRank,
    schedule::Schedule,
    target::{Job, Side, Target},
};

/// Bytes that a target needs in addition to its matrix.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// For processing the finished matrix.
    pub beside: usize,
    /// For computing eigenvectors of the matrix, once no rows are multiplied any more.
    pub of_pairs: usize,
    /// For eigenvectors, until all targets are finished.
    pub vectors: usize,
}

/// The jobs for these operators, each with its schedule. `needs(target, source)` are those of a
/// target of a job with this source.
pub(crate) fn scheduled<'a>(
    operators: &[&'a dyn CurvatureOperator],
    side: Side,
    max_rows: usize,
    needs: impl Fn(&Target, &dyn FactorSource) -> Needs,
) -> Result<Vec<(Job<'a>, Schedule)>> {
    let jobs = Job::all(operators, side)?.into_iter();
    jobs.map(|job| whole(with_needs(job, &needs), max_rows)).collect()
}

/// As [`scheduled`] for [`Side::Smaller`], but with a factor of low rank instead of each ΦΦᵀ whose
/// rows are on the host.
pub(super) fn reduced<'a>(
    operators: &[&'a dyn CurvatureOperator],
    max_rows: usize,
    needs: impl Fn(&Target, &dyn FactorSource) -> Needs,
) -> Result<Vec<(Job<'a>, Schedule)>> {
    let mut all = Vec::new();
    for job in Job::all(operators, Side::Smaller)? {
        // The needs are those of whole matrices, which may be computed instead.
        let job = with_needs(job, &needs);
        let placed = job.source.columns(&job.variables())?.placed().is_some();
        let (as_they_are, by_rows): (Vec<Target>, Vec<Target>) =
            job.targets.iter().cloned().partition(|target| placed || target.by_columns());
        if !as_they_are.is_empty() {
            all.push(whole(job.with(as_they_are), max_rows)?);
        }
        let fits = |target: &Target| instead(&job, target, max_rows).is_ok();
        let reduced = by_rows.into_iter().map(|target| {
            // A factor of more than half as many columns as rows costs more than the matrix.
            let most = match fits(&target) {
                true => target.rows / 2,
                false => LowRank::most(target.rows, job.source.memory() / 2).min(max_rows),
            };
            let most = most.clamp(1, target.rows);
            target.with_most(Some(most))
        });
        let reduced = job.with(reduced.collect());
        match Schedule::new(&reduced) {
            _ if reduced.targets.is_empty() => {}
            // All of them share the rows.
            Ok(schedule) if schedule.is_one_block() => all.push((reduced, schedule)),
            _ => {
                for target in &reduced.targets {
                    let alone = reduced.with(vec![target.clone()]);
                    all.push(match Schedule::new(&alone) {
                        Ok(schedule) => (alone, schedule),
                        Err(error) => instead(&reduced, target, max_rows).map_err(|_| error)?,
                    });
                }
            }
        }
    }
    Ok(all)
}

/// A job whose targets have their needs.
fn with_needs<'a>(mut job: Job<'a>, needs: &impl Fn(&Target, &dyn FactorSource) -> Needs) -> Job<'a> {
    for target in &mut job.targets {
        let Needs { beside, of_pairs, vectors } = needs(target, &*job.source);
        (target.beside, target.of_pairs, target.vectors) = (beside, of_pairs, vectors);
    }
    let targets = std::mem::take(&mut job.targets);
    job.with(targets)
}

/// A job that computes whole matrices, with its schedule.
///
/// # Errors
/// When a matrix has more rows than `max_rows`, or does not fit into memory.
pub(super) fn whole<'a>(job: Job<'a>, max_rows: usize) -> Result<(Job<'a>, Schedule)> {
    job.targets.iter().try_for_each(|target| check_rows(target, max_rows))?;
    let schedule = Schedule::new(&job)?;
    Ok((job, schedule))
}

/// The job that computes the whole matrix of a target instead of its factor of low rank.
///
/// # Errors
/// As of [`whole`].
pub(super) fn instead<'a>(
    job: &Job<'a>,
    target: &Target<'a>,
    max_rows: usize,
) -> Result<(Job<'a>, Schedule)> {
    whole(job.with(vec![target.clone().with_most(None)]), max_rows)
}

/// The memory of the job that needs the most; jobs run one after another, and so do whole matrices
/// instead of factors of low rank.
pub(crate) fn memory(jobs: &[(Job, Schedule)], max_rows: usize) -> Result<Account> {
    let mut accounts = Vec::new();
    for (job, schedule) in jobs {
        accounts.push(schedule.memory(job)?);
        for target in job.targets.iter().filter(|target| target.most.is_some()) {
            if let Ok((job, schedule)) = instead(job, target, max_rows) {
                accounts.push(schedule.memory(&job)?);
            }
        }
    }
    Ok(accounts.into_iter().max_by_key(Account::total).unwrap_or_default())
}

/// The largest possible number of non-zero eigenvalues of ΦᵀΦ, min(M, P).
pub(crate) fn eigenvalues(operator: &dyn CurvatureOperator) -> usize {
    let rows = operator.factor().map(|factor| factor.source.samples().saturating_mul(factor.source.rank()));
    rows.unwrap_or(usize::MAX).min(operator.dimension())
}

fn check_rows(target: &Target, max_rows: usize) -> Result<()> {
    if target.n() <= max_rows {
        return Ok(());
    }
    let gibibytes = target.of_matrix() as f64 / f64::from(1 << 30);
    Err(Error::input(
        target.description(),
        format!(
            "its Gram matrix has {} rows and takes {gibibytes:.1} GiB of memory; `max_rows` is {max_rows}",
            target.n(),
        ),
        "use fewer samples, raise `max_rows`, or use the estimator \"lanczos\"",
    ))
}
