//! `bench`: our speed, next to that of PyTorch on the same machine in the same session.

mod accuracy;
mod child;
mod device;
mod growth;
mod load;
mod machine;
mod memory;
mod peer;
mod penalty;
mod subject;
mod table;
mod timing;
mod work;

use std::{path::Path, thread::available_parallelism};

use eigenscape_core::Registry;
use eigenscape_experiment::{Failure, Result, diagnostic::suggestion};
use eigenscape_runtime::simd;
use serde::{Deserialize, Serialize};

use self::{
    load::Ticks,
    machine::Machine,
    peer::{Part, Peer},
    subject::{MODELS, Model, Subject},
    table::Line,
    work::Work,
};
use crate::{cli::Bench, json_file::JsonFile};

/// Measurements that run only if they are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Study {
    /// The distance of Lanczos' spectra from the true ones.
    Accuracy,
    /// How time and memory grow.
    Growth,
    /// The cost of estimates of a trace at equal standard error.
    Traces,
}

impl Study {
    const ALL: [Self; 3] = [Self::Accuracy, Self::Growth, Self::Traces];

    fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Growth => "growth",
            Self::Traces => "traces",
        }
    }

    fn run(self, models: &[&Model], registry: &Registry) -> Result<()> {
        match self {
            Self::Accuracy => accuracy::report(registry),
            Self::Growth => growth::report(),
            Self::Traces => {
                let penalised = models.iter().filter(|model| model.works.contains(&Work::PenalisedStep));
                penalised.copied().try_for_each(|model| {
                    penalty::report(model, &Subject::new(model, model.batch, registry)?)
                })
            }
        }
    }
}

/// Measures the named models and works, and prints the table.
pub fn run(arguments: &Bench, registry: &Registry) -> Result<()> {
    if let Some([line, size]) = arguments.growth_point.as_deref() {
        return growth::point(*line, *size, registry);
    }
    if let Some([model, work]) = arguments.sitting.as_deref() {
        return sitting(model, work, &arguments.device, registry);
    }
    let selection = select(&arguments.names)?;
    if arguments.device != device::CPU && !selection.studies.is_empty() {
        return Err(Failure::Usage {
            problem: "studies run on the CPU".to_owned(),
            remedy: "leave --device out, or name works".to_owned(),
        });
    }
    // Report wrong arguments before spending minutes on measurements.
    let file = arguments.json.as_deref().map(JsonFile::create).transpose()?;
    arguments.torch.as_deref().map(peer::check).transpose()?;
    let start = Ticks::now();
    for study in &selection.studies {
        study.run(&selection.models, registry)?;
    }
    let lines = measure_all(&selection, arguments, registry)?;
    if let (Some(start), Some(now)) = (start, Ticks::now()) {
        crate::print(verdict(start.taken_by_others(now)))?;
    }
    file.map_or(Ok(()), |file| file.write(&lines))
}

fn measure_all(selection: &Selection, arguments: &Bench, registry: &Registry) -> Result<Vec<Line>> {
    if selection.works.is_empty() {
        return Ok(Vec::new());
    }
    let (device, python) = (arguments.device.as_str(), arguments.torch.as_deref());
    let backend = device::open(device, registry)?;
    eprintln!("{device}: matrix products and copies");
    let machine = Machine::measure(&*backend, threads())?;
    let mut lines = Vec::new();
    for model in &selection.models {
        lines.extend(measure(model, &selection.works, device, python)?);
    }
    crate::print(format_args!(
        "{device}: {:.0} GFLOP/s in f32 matrix products, {:.1} GB/s read and written by a copy, threads: {}, vectors: {}",
        machine.gemm_gflops,
        machine.copy_gbps,
        threads(),
        simd()
    ))?;
    for line in &mut lines {
        line.share_of_gemm = line.gflops.map(|gflops| gflops / machine.gemm_gflops);
    }
    crate::print(table::markdown(&lines).trim_end())?;
    Ok(lines)
}

fn threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Says whether other processes disturbed the measurement. PyTorch's threads wait by spinning and
/// lose more time to other processes than ours do.
fn verdict(others: f64) -> String {
    let share = format!("other processes took {:.0} % of the processors' time", 100.0 * others);
    if others > 0.05 { format!("{share}: measure again on a quiet machine") } else { share }
}

#[derive(Debug)]
struct Selection {
    models: Vec<&'static Model>,
    works: Vec<Work>,
    studies: Vec<Study>,
}

/// The selection by these names: all models if no model is named, all works if neither a work nor a
/// study is named.
fn select(names: &[String]) -> Result<Selection> {
    let mut known: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
    known.extend(Work::ALL.map(Work::name));
    known.extend(Study::ALL.map(Study::name));
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::Usage {
            problem: format!("there is no benchmark `{name}`"),
            remedy: suggestion(name, "models, works and studies", &known),
        });
    }
    let named = |name: &str| names.iter().any(|word| word == name);
    let mut models: Vec<&Model> = MODELS.iter().filter(|model| named(model.name)).collect();
    let mut works: Vec<Work> = Work::ALL.into_iter().filter(|work| named(work.name())).collect();
    let studies: Vec<Study> = Study::ALL.into_iter().filter(|study| named(study.name())).collect();
    if models.is_empty() {
        models.extend(&MODELS);
    }
    if works.is_empty() && studies.is_empty() {
        works.extend(Work::ALL);
    }
    let measured = |model: &&Model| works.iter().any(|work| model.works.contains(work));
    if studies.is_empty() && !models.iter().any(measured) {
        let measurable =
            Work::ALL.iter().filter(|work| models.iter().any(|model| model.works.contains(work)));
        let measurable: Vec<&str> = measurable.map(|work| work.name()).collect();
        return Err(Failure::Usage {
            problem: format!(
                "{} cannot be measured on {}",
                works.iter().map(|work| work.name()).collect::<Vec<_>>().join(", "),
                models.iter().map(|model| model.name).collect::<Vec<_>>().join(", "),
            ),
            remedy: format!("name one of {}", measurable.join(", ")),
        });
    }
    Ok(Selection { models, works, studies })
}

/// Seconds of each run of a work, and the highest memory peak of its sittings.
#[derive(Debug, Serialize, Deserialize)]
struct Timed {
    seconds: Vec<f64>,
    gigaflops: Option<f64>,
    gigabytes: Option<f64>,
    peak_mb: Option<f64>,
}

/// Measures ours, the peer, and ours again, so that a change of the machine affects both.
fn measure(model: &Model, works: &[Work], device: &str, python: Option<&Path>) -> Result<Vec<Line>> {
    let works: Vec<Work> = works.iter().copied().filter(|work| model.works.contains(work)).collect();
    let works = works.as_slice();
    if works.is_empty() {
        return Ok(Vec::new());
    }
    crate::print(format_args!("{}: batch {}, f32, {device}", model.name, model.batch))?;
    let mut timed = sittings(model, works, device)?;
    let mut parts: Vec<Part> = works.iter().flat_map(|work| work.parts()).copied().collect();
    parts.sort_unstable();
    parts.dedup();
    let peer = python.map(|python| {
        eprintln!("{}: PyTorch", model.name);
        peer::measure(python, model.name, &parts, device, threads())
    });
    let peer = peer.transpose()?;
    if let Some(peer) = &peer {
        crate::print(peer.description())?;
        for (first, second) in timed.iter_mut().zip(sittings(model, works, device)?) {
            first.seconds.extend(second.seconds);
            first.peak_mb = first.peak_mb.zip(second.peak_mb).map(|(one, other)| one.max(other));
        }
    }
    Ok(works.iter().zip(&timed).map(|(work, timed)| timed.line(model, *work, peer.as_ref())).collect())
}

/// Measures each work in a process of its own.
fn sittings(model: &Model, works: &[Work], device: &str) -> Result<Vec<Timed>> {
    let sitting = |work: &Work| {
        eprintln!("{}: {}", model.name, work.name());
        child::measure(&["--device", device, "--sitting", model.name, work.name()])
    };
    works.iter().map(sitting).collect()
}

/// Measures one work of one model in this process and prints it.
fn sitting(model: &str, work: &str, device: &str, registry: &Registry) -> Result<()> {
    let selection = select(&[model.to_owned(), work.to_owned()])?;
    let (Some(model), Some(work)) = (selection.models.first(), selection.works.first()) else {
        return Ok(());
    };
    let backend = device::open(device, registry)?;
    let subject = Subject::new(model, model.batch, registry)?.on(backend.clone());
    memory::reset_peak();
    let task = work.prepare(&subject)?;
    let seconds = timing::samples(work.repetitions(), &*task.run)?;
    let count = task.count as f64;
    let bytes = task.bytes_moved.map(|bytes| bytes as f64);
    child::print(&Timed {
        seconds: seconds.iter().map(|seconds| seconds / count).collect(),
        gigaflops: task.flops.map(|flops| 1e-9 * flops as f64),
        gigabytes: bytes.map(|bytes| 1e-9 * bytes / count),
        peak_mb: match backend.held() {
            Some(held) => Some(held as f64 / f64::from(1 << 20)),
            None => memory::peak_mb(),
        },
    })
}

impl Timed {
    fn line(&self, model: &Model, work: Work, peer: Option<&Peer>) -> Line {
        let ours_s = timing::median(&self.seconds);
        let peer_s = peer.and_then(|peer| work.peer_seconds(peer));
        let gflops = self.gigaflops.map(|gigaflops| gigaflops / ours_s);
        Line {
            model: model.name,
            work: work.name(),
            ours_s,
            peer_s,
            ratio: peer_s.map(|peer_s| peer_s / ours_s),
            gflops,
            share_of_gemm: None,
            peak_mb: self.peak_mb,
            gbps: self.gigabytes.map(|gigabytes| gigabytes / ours_s),
            peer_peak_mb: peer.and_then(|peer| work.peer_peak_mb(peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_select_models_and_works() {
        let select = |names: &[&str]| select(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(select(&[]).unwrap().models.len(), MODELS.len());
        assert_eq!(select(&["lenet"]).unwrap().works, Work::ALL);
        let two = select(&["hvp", "lenet", "paper-epoch"]).unwrap();
        assert_eq!(two.works, [Work::Hvp, Work::PaperEpoch]);
        let study = select(&["accuracy"]).unwrap();
        assert_eq!((study.works.len(), study.studies), (0, vec![Study::Accuracy]));
        let none = select(&["gpt", "vit", "penalised-step"]).map(drop).unwrap_err();
        let problem = "penalised-step cannot be measured on gpt, vit";
        let expected = "name one of gradient, hvp, hvp-8, full-spectrum";
        assert!(
            matches!(&none, Failure::Usage { problem: p, remedy } if p == problem && remedy == expected),
            "{none:?}"
        );
        let error = select(&["lenett"]).map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(matches!(error, Failure::Usage { remedy, .. } if remedy.contains("did you mean `lenet`?")));
    }

    #[test]
    fn a_busy_machine_is_said_to_be_busy() {
        assert_eq!(verdict(0.012), "other processes took 1 % of the processors' time");
        assert!(verdict(0.2).ends_with("20 % of the processors' time: measure again on a quiet machine"));
    }
}
