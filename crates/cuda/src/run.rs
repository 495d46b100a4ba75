//! Compiled plans, run on one stream.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;
use eigenscape_runtime::{Definitions, Error, Plan, each};

use crate::{
    Result,
    buffer::DeviceTensor,
    command::{Base, Command, HostStep, Place, Word},
    compile::{Compiled, compile},
    device::Device,
    driver::{Driver, Recording},
    host, profile,
};

/// The number of sets of addresses that a plan remembers.
const REMEMBERED: usize = 8;

/// A compiled plan with recordings of its commands.
#[derive(Debug)]
pub(crate) struct Runnable {
    device: Arc<Device>,
    compiled: Compiled,
    runs: Mutex<Vec<Seen>>,
}

/// Addresses at which a plan ran before, and the recording of its commands there.
#[derive(Debug)]
struct Seen {
    addresses: Vec<u64>,
    recording: Option<Recording>,
}

impl Runnable {
    /// Compiles a plan for a device.
    pub fn new(device: &Arc<Device>, plan: &Plan) -> Result<Self> {
        let compiled = compile(device, plan)?;
        Ok(Self { device: Arc::clone(device), compiled, runs: Mutex::default() })
    }

    /// Whether it is compiled for this device.
    pub fn is_for(&self, device: &Arc<Device>) -> bool {
        Arc::ptr_eq(&self.device, device)
    }

    /// Enqueues a run, and returns its results with their slots. The results are complete when the
    /// stream has executed the run.
    pub fn run(
        &self,
        inputs: &[DeviceTensor],
        definitions: &Definitions,
    ) -> Result<Vec<(usize, DeviceTensor)>> {
        let made = self.compiled.results.iter();
        let results =
            made.map(|made| Ok((made.slot, DeviceTensor::new(&self.device, &made.dims, made.dtype)?)));
        let results: Vec<(usize, DeviceTensor)> = results.collect::<Result<_>>()?;
        // While this lock is held, no other thread enqueues work, so the arena belongs to this run.
        let mut work = self.device.work();
        let arena = work.arena(&self.device, self.compiled.arena)?;
        let at = Addresses { arena, inputs, results: &results, constants: &self.compiled.constants };
        self.begin(&at, definitions)?;
        Ok(results)
    }

    /// Enqueues the commands: one by one, or as a recording if the addresses were seen before.
    fn begin(&self, at: &Addresses, definitions: &Definitions) -> Result<()> {
        let driver = self.device.driver()?;
        let commands = &self.compiled.commands;
        let mut profile = self.device.profile();
        if let Some(profile) = &mut *profile {
            return commands.iter().try_for_each(|command| {
                let name = profile::name(command, &self.compiled.names);
                profile.time(driver, name, || self.once(driver, command, at, definitions))
            });
        }
        if commands.len() < 2 || commands.iter().any(|command| matches!(command, Command::OnHost(_))) {
            return self.each(driver, at, definitions);
        }
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = at.all();
        let Some(seen) = runs.iter_mut().find(|seen| seen.addresses == addresses) else {
            if runs.len() == REMEMBERED {
                let oldest = runs.remove(0);
                oldest.recording.into_iter().for_each(|recording| driver.forget(&recording));
            }
            runs.push(Seen { addresses, recording: None });
            return self.each(driver, at, definitions);
        };
        if seen.recording.is_none() {
            seen.recording = Some(driver.record(|| self.each(driver, at, definitions))?);
        }
        match &seen.recording {
            Some(recording) => driver.replay(recording),
            None => self.each(driver, at, definitions),
        }
    }

    fn each(&self, driver: &Driver, at: &Addresses, definitions: &Definitions) -> Result<()> {
        self.compiled.commands.iter().try_for_each(|command| self.once(driver, command, at, definitions))
    }

    fn once(
        &self,
        driver: &Driver,
        command: &Command,
        at: &Addresses,
        definitions: &Definitions,
    ) -> Result<()> {
        match command {
            Command::Launch { kernel, blocks, words } => {
                let mut words: Vec<u64> = words.iter().map(|word| at.word(word)).collect();
                let kernel = self.compiled.kernels.get(*kernel).copied();
                let kernel = kernel.ok_or_else(|| Error::Device("a kernel that is not loaded".to_owned()))?;
                // SAFETY: `compile` gave the kernel the words that it takes, and memory for all
                // that it reads and writes. The arena belongs to this run while the lock is held,
                // and the stream executes work in order.
                unsafe { driver.launch(kernel, *blocks, &mut words) }
            }
            Command::Multiply(product) => {
                let product = product.at(|place| at.of(place));
                // SAFETY: as above.
                unsafe { self.device.blas().multiply(&product, self.device.tf32()) }
            }
            Command::Zero { at: place, bytes } => {
                // SAFETY: as above.
                unsafe { driver.zero(at.of(*place), *bytes) }
            }
            Command::OnHost(step) => self.on_host(driver, step, at, definitions),
        }
    }

    fn on_host(
        &self,
        driver: &Driver,
        step: &HostStep,
        at: &Addresses,
        definitions: &Definitions,
    ) -> Result<()> {
        let operand = |(place, dims, _): &(Place, Vec<usize>, bool)| -> Result<Tensor> {
            // SAFETY: `compile` gave the operand as much memory.
            host::filled(dims, step.dtype, |bytes| unsafe { driver.download(bytes, at.of(*place)) })
        };
        let operands: Vec<Tensor> = step.args.iter().map(operand).collect::<Result<_>>()?;
        let operands: Vec<(&Tensor, bool)> =
            operands.iter().zip(&step.args).map(|(operand, (_, _, led))| (operand, *led)).collect();
        let result = each(&*step.operation, &operands, step.dtype, |args, result| {
            definitions.evaluate(&*step.operation, args, result)
        })?;
        // SAFETY: as above, for the result.
        host::with_bytes(&result, |bytes| unsafe { driver.upload(at.of(step.result), bytes) })
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        let runs = self.runs.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Ok(driver) = self.device.driver() {
            runs.drain(..).filter_map(|seen| seen.recording).for_each(|recording| driver.forget(&recording));
        }
    }
}

/// The addresses of one run.
struct Addresses<'a> {
    arena: u64,
    inputs: &'a [DeviceTensor],
    results: &'a [(usize, DeviceTensor)],
    constants: &'a [DeviceTensor],
}

impl Addresses<'_> {
    fn of(&self, place: Place) -> u64 {
        let start = match place.base {
            Base::Arena => self.arena,
            Base::Input(input) => self.inputs[input].address(),
            Base::Output(result) => self.results[result].1.address(),
            Base::Constant(constant) => self.constants[constant].address(),
        };
        start + place.offset as u64
    }

    fn word(&self, word: &Word) -> u64 {
        match word {
            Word::Number(number) => *number,
            Word::At(place) => self.of(*place),
        }
    }

    /// All addresses that may differ from run to run.
    fn all(&self) -> Vec<u64> {
        let inputs = self.inputs.iter().map(DeviceTensor::address);
        let results = self.results.iter().map(|(_, tensor)| tensor.address());
        std::iter::once(self.arena).chain(inputs).chain(results).collect()
    }
}
