//! Times gradients and Hessian-vector products on a card, and prints one line of JSON as soon as
//! each measurement is done.
//!
//!     card [SECONDS] [NAME]...
//!
//! The names are lenet, resnet18, gpt2, vgg11_bn, vit and nano; all run by default. Networks that
//! would start after `SECONDS` are skipped. Further words: `no-spectra` skips the exact spectra of
//! layers, `tf32` rounds factors, `f32-residuals` evaluates residuals in f32, `memory=GIB` bounds
//! what residuals and results take. Times are medians in milliseconds; products are timed between
//! vectors that are already on the card. `error` is ‖ours − reference‖ / ‖reference‖, where the
//! reference is the product in f64.
#![allow(clippy::print_stdout)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Architecture, Context, Curvature, Landscape, Registry};
use eigenscape_cuda::{Cuda, Settings};
use eigenscape_curvature::{MeanLoss, Point, Residuals};
use eigenscape_losses::cross_entropy;
use eigenscape_program::Network;
use eigenscape_runtime::Backend;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// What is asked for on the command line.
#[derive(Clone)]
struct Options {
    /// No further network is begun after this time.
    budget: Duration,
    words: Vec<String>,
    /// Bytes that residuals and results may take: `memory=GIB`, 56 GiB by default.
    memory: usize,
}

impl Options {
    fn read() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let budget = words.first().and_then(|first| first.parse().ok()).unwrap_or(u64::MAX);
        let memory = words.iter().find_map(|word| word.strip_prefix("memory=")?.parse().ok());
        let memory = memory.unwrap_or(56_usize) << 30;
        Self { budget: Duration::from_secs(budget), words, memory }
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|one| one == word)
    }

    /// Whether a network is measured: all are, unless some are named.
    fn selects(&self, work: &Work) -> bool {
        self.has(work.name) || !WORKS.iter().any(|work| self.has(work.name))
    }

    fn residuals(&self) -> Residuals {
        if self.has("f32-residuals") { Residuals::OfPoint } else { Residuals::F64 }
    }
}

/// A network and its data.
struct Work {
    name: &'static str,
    architecture: &'static str,
    settings: &'static str,
    /// Shape of one sample; the sequence length for tokens.
    sample: &'static [usize],
    classes: usize,
    batch: usize,
    /// Vectors per product in the batched measurement; 1 skips it.
    many: usize,
}

const IMAGE: Work =
    Work { name: "", architecture: "", settings: "", sample: &[1, 32, 32], classes: 10, batch: 100, many: 8 };

const WORKS: [Work; 6] = [
    Work { name: "lenet", architecture: "lenet", many: 64, ..IMAGE },
    Work { name: "resnet18", architecture: "resnet18", sample: &[3, 32, 32], batch: 512, many: 1, ..IMAGE },
    Work { name: "vgg11_bn", architecture: "vgg11_bn", ..IMAGE },
    Work {
        name: "nano",
        architecture: "gpt",
        settings: "n_layer = 6\nn_head = 8\nn_embd = 256",
        sample: &[128],
        classes: 512,
        batch: 8,
        ..IMAGE
    },
    Work { name: "gpt2", architecture: "gpt", sample: &[1024], classes: 50_257, batch: 4, many: 1, ..IMAGE },
    Work { name: "vit", architecture: "vit-tiny", sample: &[3, 32, 32], batch: 32, ..IMAGE },
];

fn main() -> Fallible<()> {
    let (options, start) = (Options::read(), Instant::now());
    let cuda = Cuda::open(&Settings { tf32: options.has("tf32"), ..Settings::default() })?;
    let (name, [free, total]) = cuda.describe()?;
    println!("{{\"device\": \"{name}\", \"free\": {free}, \"total\": {total}}}");
    for work in WORKS.iter().filter(|work| options.selects(work)) {
        if start.elapsed() > options.budget {
            println!("{{\"work\": \"{}\", \"left_out\": true}}", work.name);
            continue;
        }
        if let Err(error) = measure(work, &cuda, &options, start) {
            println!("{{\"work\": \"{}\", \"error\": {:?}}}", work.name, error.to_string());
        }
    }
    Ok(())
}

fn measure(work: &Work, cuda: &Cuda, options: &Options, start: Instant) -> Fallible<()> {
    let say = |what: &str, figures: String| {
        println!(
            "{{\"work\": \"{}\", \"what\": \"{what}\", {figures}, \"options\": {:?}, \"at_s\": {:.1}}}",
            work.name,
            options.words.join(" "),
            start.elapsed().as_secs_f64()
        );
    };
    let (network, point) = subject(work, cuda)?;
    let loss = MeanLoss::new(&network, &cross_entropy(), point.clone(), options.memory)?;
    let loss = loss.with_residuals(options.residuals());
    let all: Vec<usize> = (0..network.parameters().len()).collect();
    let began = Instant::now();
    loss.gradient(&all)?;
    say(
        "gradient",
        format!(
            "\"first_ms\": {:.1}, \"ms\": {:.3}",
            ms(began),
            median(|| {
                loss.gradient(&all)?;
                Ok(())
            })?
        ),
    );
    let began = Instant::now();
    let product = loss.hessian(&all)?;
    let prepared = ms(began);
    let p = product.dimension();
    let v = cuda.place(&noise(7, &[1, p])?)?;
    let began = Instant::now();
    let first = product.apply_placed(&v)?.to_host()?;
    let first_ms = ms(began);
    let apply = |v| -> Fallible<()> {
        product.apply_placed(v)?;
        cuda.synchronize()?;
        Ok(())
    };
    let one = median(|| apply(&v))?;
    let again = product.apply_placed(&v)?.to_host()?;
    let same = (&first - &again)?.abs()?.max_all()?.to_scalar::<f32>()? == 0.0;
    say(
        "hvp",
        format!(
            "\"parameters\": {p}, \"prepare_ms\": {prepared:.1}, \"first_ms\": {first_ms:.1}, \"ms\": {one:.4}, \
         \"same_bits\": {same}, \"micro_batches\": {}, \"held_mib\": {}",
            product.micro_batches(),
            cuda.held().unwrap_or(0) >> 20
        ),
    );
    let spent = cuda.profiled(|| product.apply_placed(&v).map(|_| ()))?;
    for (name, spent) in spent.iter().take(24) {
        say(
            "spent",
            format!("\"on\": \"{name}\", \"count\": {}, \"ms\": {:.3}", spent.count, 1e3 * spent.seconds),
        );
    }
    if work.many > 1 {
        let many = cuda.place(&noise(8, &[work.many, p])?)?;
        let time = median(|| apply(&many))? / work.many as f64;
        say(&format!("hvp-{}", work.many), format!("\"ms\": {time:.4}"));
        let spent = cuda.profiled(|| product.apply_placed(&many).map(|_| ()))?;
        for (name, spent) in spent.iter().take(24) {
            say(
                "spent-many",
                format!("\"on\": \"{name}\", \"count\": {}, \"ms\": {:.3}", spent.count, 1e3 * spent.seconds),
            );
        }
    }
    drop(product);
    if work.name != "gpt2" {
        let exact = loss.in_f64()?.hessian(&all)?;
        let exact = exact.apply_rows(&noise(7, &[1, p])?.to_dtype(DType::F64)?)?;
        let norm = |x: &Tensor| -> Fallible<f64> { Ok(x.sqr()?.sum_all()?.to_scalar::<f64>()?.sqrt()) };
        let error = norm(&(first.to_dtype(DType::F64)? - &exact)?)? / norm(&exact)?;
        say("accuracy", format!("\"error\": {error:.3e}"));
    }
    if work.name != "gpt2" {
        lanczos(work, &network, &point, options, &say)?;
    }
    if ["lenet", "resnet18"].contains(&work.name) && !options.has("no-spectra") {
        spectra(work, &network, (&point, cuda), &say)?;
    }
    Ok(())
}

/// Times the spectrum of the whole Hessian by 30 Lanczos steps, including the residuals.
fn lanczos(
    work: &Work,
    network: &Network,
    point: &Point,
    options: &Options,
    say: &dyn Fn(&str, String),
) -> Fallible<()> {
    let mut registry = Registry::default();
    eigenscape_estimators::register(&mut registry);
    let lanczos = registry.estimators.named("lanczos", "steps = 30\nprobes = 1")?;
    let group = eigenscape_core::GroupSelector::Full.resolve(network, work.batch)?.swap_remove(0);
    for what in ["lanczos-30-first", "lanczos-30"] {
        let landscape = Landscape::new(network, &cross_entropy(), point.clone(), options.memory)?;
        let operator = landscape.operator(Curvature::Hessian, &group);
        let began = Instant::now();
        let spectrum = lanczos.spectrum(&operator, &Context::silent(0))?;
        say(what, format!("\"ms\": {:.1}, \"lambda_max\": {}", ms(began), spectrum.lambda_max()));
    }
    Ok(())
}

/// Times the exact spectra of all layers, on at most 100 samples.
fn spectra(
    work: &Work,
    network: &Network,
    (point, cuda): (&Point, &Cuda),
    say: &dyn Fn(&str, String),
) -> Fallible<()> {
    let point = point.narrow(0..work.batch.min(100))?;
    let mut registry = Registry::default();
    eigenscape_estimators::register(&mut registry);
    let gram = registry.estimators.named("gram", "")?;
    for what in ["layer-spectra-first", "layer-spectra"] {
        let landscape = Landscape::new(network, &cross_entropy(), point.clone(), 16 << 30)?;
        let groups = eigenscape_core::GroupSelector::Layers.resolve(network, work.batch.min(100))?;
        let operators: Vec<_> =
            groups.iter().map(|group| landscape.operator(Curvature::Hessian, group)).collect();
        let operators: Vec<&dyn eigenscape_core::CurvatureOperator> =
            operators.iter().map(|operator| operator as _).collect();
        let began = Instant::now();
        let found = gram.spectra(&operators, &Context::silent(0))?;
        say(what, format!("\"ms\": {:.1}, \"layers\": {}", ms(began), found.len()));
    }
    let landscape = Landscape::new(network, &cross_entropy(), point.clone(), 16 << 30)?;
    let groups = eigenscape_core::GroupSelector::Layers.resolve(network, point.samples())?;
    let operators: Vec<_> =
        groups.iter().map(|group| landscape.operator(Curvature::Hessian, group)).collect();
    let operators: Vec<&dyn eigenscape_core::CurvatureOperator> =
        operators.iter().map(|operator| operator as _).collect();
    let mut done = Ok(Vec::new());
    let spent = cuda.profiled(|| {
        done = gram.spectra(&operators, &Context::silent(0));
        Ok(())
    })?;
    done?;
    let all: f64 = spent.iter().map(|(_, spent)| spent.seconds).sum();
    say("layer-spectra-on-the-card", format!("\"ms\": {:.1}", 1e3 * all));
    for (name, spent) in spent.iter().take(16) {
        say(
            "spent-spectra",
            format!("\"on\": \"{name}\", \"count\": {}, \"ms\": {:.3}", spent.count, 1e3 * spent.seconds),
        );
    }
    Ok(())
}

fn subject(work: &Work, cuda: &Cuda) -> Fallible<(Network, Point)> {
    let mut registry = Registry::default();
    eigenscape_architectures::register(&mut registry);
    let architecture: Arc<dyn Architecture> =
        registry.architectures.named(work.architecture, work.settings)?.into();
    let (classes, batch) = (work.classes, work.batch);
    let network = Network::new(work.sample, move |scope, x| architecture.build(scope, x, classes))?;
    let tokens = work.architecture == "gpt";
    let parameters = network.parameters().iter().enumerate().map(|(i, parameter)| {
        // Small enough for any network, large enough that nothing vanishes.
        let fan: usize = parameter.shape.iter().skip(1).product();
        let scale = if parameter.shape.len() < 2 { 0.1 } else { (2.0 / fan as f64).sqrt().min(0.3) };
        let shift = if parameter.shape.len() == 1 && parameter.name.ends_with("weight") { 1.0 } else { 0.0 };
        Ok(noise(100 + i as u64, &parameter.shape)?.affine(scale, shift)?)
    });
    let parameters = parameters.collect::<Fallible<_>>()?;
    let buffers = network.buffers().iter().enumerate().map(|(i, buffer)| {
        let noise = noise(9000 + i as u64, &buffer.shape)?;
        let variance = buffer.name.ends_with("running_var");
        Ok(if variance { noise.clamp(-1.0, 1.0)?.affine(0.2, 1.0)? } else { (noise * 0.1)? })
    });
    let buffers = buffers.collect::<Fallible<_>>()?;
    let inputs = if tokens {
        let count = batch * work.sample[0];
        let tokens = (0..count as u64).map(|i| (mixed(i) % classes as u64) as u32);
        Tensor::from_iter(tokens, &Device::Cpu)?.reshape((batch, work.sample[0]))?
    } else {
        noise(1, &[&[batch], work.sample].concat())?
    };
    let shape: Vec<usize> = if tokens { vec![batch, work.sample[0]] } else { vec![batch] };
    let count: usize = shape.iter().product();
    let labels = (0..count as u64).map(|i| mixed(i + 77) as i64 % classes as i64).map(i64::abs);
    let labels = Tensor::from_iter(labels, &Device::Cpu)?.reshape(shape)?;
    let targets = eigenscape_curvature::class_targets(&labels, classes, 0.0, None)?.to_dtype(DType::F32)?;
    let backend: Arc<dyn Backend> = Arc::new(cuda.clone());
    Ok((network, Point { backend, parameters, buffers, inputs, targets, masks: vec![] }))
}

fn mixed(seed: u64) -> u64 {
    // SplitMix64 (Steele, Lea & Flood 2014).
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Nearly normal numbers of variance 1.
fn noise(stream: u64, shape: &[usize]) -> Fallible<Tensor> {
    let uniform = |i: u64| mixed(i.wrapping_add(stream << 40)) as f64 / u64::MAX as f64 - 0.5;
    let number = |i: u64| ((0..3).map(|j| uniform(3 * i + j)).sum::<f64>() * 2.0) as f32;
    let count: usize = shape.iter().product();
    Ok(Tensor::from_iter((0..count as u64).map(number), &Device::Cpu)?.reshape(shape)?)
}

fn ms(since: Instant) -> f64 {
    1e3 * since.elapsed().as_secs_f64()
}

/// The median time of a run in milliseconds, after two warm-up runs: over 3 to 200 runs in about
/// 0.7 seconds.
fn median(work: impl Fn() -> Fallible<()>) -> Fallible<f64> {
    (0..2).try_for_each(|_| work())?;
    let (began, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || (began.elapsed() < Duration::from_millis(700) && times.len() < 200) {
        let start = Instant::now();
        work()?;
        times.push(ms(start));
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
