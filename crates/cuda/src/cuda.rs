//! The CUDA backend.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_runtime::{
    Backend, Buffer, Definitions, DeviceBuffer, Error, Fusion, Plan, Planning, Workspace,
};

use crate::{
    Result, basis,
    buffer::DeviceTensor,
    device::Device,
    driver::Driver,
    eigenvalues,
    error::failure,
    library::Folders,
    profile::{Profile, Spent},
    run::Runnable,
    vectors,
    workspace::workspace,
};

/// What plans depend on. The arena is allocated once, so that it may be large.
const fn planning(workspace: Workspace) -> Planning {
    Planning { fusion: Fusion::ALL, workspace, worthwhile: 1 << 42, comfortable: usize::MAX }
}

const IN_F32: Planning = planning(Workspace::new("cuda", workspace::<false>));
const IN_TF32: Planning = planning(Workspace::new("cuda, TF32", workspace::<true>));

/// The device to use, and its precision.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The device's number, counted from 0.
    pub ordinal: usize,
    /// Whether matrix products in f32 may round their factors to TF32, which has 10 mantissa bits.
    pub tf32: bool,
    /// The folders that are searched for libraries; [those of the system](Folders::of_system) by
    /// default.
    pub folders: Option<Folders>,
}

/// Runs plans on one NVIDIA GPU.
#[derive(Debug, Clone)]
pub struct Cuda {
    device: Arc<Device>,
    definitions: Definitions,
}

impl Cuda {
    /// Opens a device.
    ///
    /// # Errors
    /// When the driver, one of its libraries or the device is missing; the message names what was
    /// tried.
    pub fn open(settings: &Settings) -> Result<Self> {
        let folders = settings.folders.clone().unwrap_or_else(Folders::of_system);
        let device = Device::open(&folders, settings.ordinal, settings.tf32)?;
        Ok(Self { device, definitions: Definitions::default() })
    }

    /// The number of the first device of which at least nine tenths of the memory are free, so that
    /// nobody else seems to use it; otherwise of the one with the largest free share.
    ///
    /// # Errors
    /// When a library is missing, the driver fails, or there is no device.
    pub fn first_free(folders: Option<&Folders>) -> Result<usize> {
        let folders = folders.cloned().unwrap_or_else(Folders::of_system);
        folders.check()?;
        let memory = Driver::all_memory(&folders)?;
        freest(&memory).ok_or_else(|| failure("there is no device"))
    }

    /// The same device with plugin operations, which are evaluated on the host by their
    /// definitions.
    #[must_use]
    pub fn with(&self, definitions: Definitions) -> Self {
        Self { device: Arc::clone(&self.device), definitions }
    }

    /// The device's name, and its free and total memory in bytes.
    ///
    /// # Errors
    /// When the driver fails.
    pub fn describe(&self) -> Result<(String, [usize; 2])> {
        let driver = self.device.driver()?;
        Ok((driver.name().to_owned(), driver.memory()?))
    }

    /// Runs `work` and returns the time that its commands take, longest first: kernels by name,
    /// matrix products by batch size, sizes and type. Each command is waited for, so that the total
    /// is longer than without profiling.
    ///
    /// # Errors
    /// When the work fails.
    pub fn profiled(&self, work: impl FnOnce() -> Result<()>) -> Result<Vec<(String, Spent)>> {
        *self.device.profile() = Some(Profile::default());
        let done = work();
        let profile = self.device.profile().take().unwrap_or_default();
        done.map(|()| profile.sorted())
    }

    /// The buffers on this device; those that lie elsewhere are uploaded.
    fn all_placed(&self, buffers: &[Buffer]) -> Result<Vec<DeviceTensor>> {
        buffers.iter().map(|buffer| self.placed(buffer)).collect()
    }

    /// The buffer on this device; it is uploaded if it lies elsewhere.
    fn placed(&self, buffer: &Buffer) -> Result<DeviceTensor> {
        match buffer {
            Buffer::Host(tensor) => DeviceTensor::upload(&self.device, tensor),
            Buffer::Device(_) => match buffer.device::<DeviceTensor>() {
                Some(tensor) if tensor.is_on(&self.device) => Ok(tensor.clone()),
                _ => DeviceTensor::upload(&self.device, &buffer.to_host()?),
            },
        }
    }
}

/// The first of these (free, total) bytes with nine tenths free, else the one with the largest free
/// share.
fn freest(memory: &[[usize; 2]]) -> Option<usize> {
    let share = |[free, total]: &[usize; 2]| *free as f64 / (*total).max(1) as f64;
    let unused = memory.iter().position(|memory| share(memory) >= 0.9);
    let by_share =
        |(_, a): &(usize, &[usize; 2]), (_, b): &(usize, &[usize; 2])| share(a).total_cmp(&share(b));
    unused.or_else(|| memory.iter().enumerate().rev().max_by(by_share).map(|(ordinal, _)| ordinal))
}

impl DeviceBuffer for DeviceTensor {
    fn dims(&self) -> &[usize] {
        self.dims()
    }

    fn dtype(&self) -> DType {
        self.dtype()
    }

    fn to_host(&self) -> Result<Tensor> {
        self.download()
    }
}

impl From<DeviceTensor> for Buffer {
    fn from(tensor: DeviceTensor) -> Self {
        Self::Device(Arc::new(tensor))
    }
}

impl Backend for Cuda {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn planning(&self) -> Planning {
        if self.device.tf32() { IN_TF32 } else { IN_F32 }
    }

    fn is_host(&self) -> bool {
        false
    }

    fn synchronize(&self) -> Result<()> {
        self.device.driver()?.synchronize()
    }

    fn held(&self) -> Option<usize> {
        Some(self.device.held())
    }

    fn place(&self, tensor: &Tensor) -> Result<Buffer> {
        Ok(DeviceTensor::upload(&self.device, tensor)?.into())
    }

    fn run(&self, plan: &Plan, inputs: Vec<Buffer>) -> Result<Vec<Buffer>> {
        let make = || Runnable::new(&self.device, plan);
        let runnable = plan.prepared(|known: &Runnable| known.is_for(&self.device), make)?;
        let placed = self.all_placed(&inputs)?;
        let results = runnable.run(&placed, &self.definitions)?;
        let output = |&slot: &usize| -> Result<Buffer> {
            // The uploaded input is returned, so that a later run need not upload it again.
            if let Some(input) = placed.get(slot) {
                return Ok(input.clone().into());
            }
            let result = results.iter().find(|(made, _)| *made == slot);
            let (_, tensor) = result.ok_or_else(|| Error::Device("a result that is not made".to_owned()))?;
            Ok(tensor.clone().into())
        };
        plan.outputs().iter().map(output).collect()
    }

    fn cut(&self, vectors: &Buffer, shapes: &[Vec<usize>]) -> Result<Vec<Buffer>> {
        let parts = vectors::cut(&self.device, &self.placed(vectors)?, shapes)?;
        Ok(parts.into_iter().map(Buffer::from).collect())
    }

    fn join(&self, terms: &[(f64, Vec<Buffer>)], lens: &[usize], k: usize, dtype: DType) -> Result<Buffer> {
        let placed = |(factor, parts): &(f64, Vec<Buffer>)| -> Result<(f64, Vec<DeviceTensor>)> {
            Ok((*factor, self.all_placed(parts)?))
        };
        let terms: Vec<(f64, Vec<DeviceTensor>)> = terms.iter().map(placed).collect::<Result<_>>()?;
        Ok(vectors::join(&self.device, &terms, lens, k, dtype)?.into())
    }

    fn add(&self, sum: Buffer, factor: f64, parts: Vec<Buffer>, lens: &[usize]) -> Result<Buffer> {
        let placed = self.placed(&sum)?;
        drop(sum);
        Ok(vectors::add(&self.device, placed, (factor, self.all_placed(&parts)?), lens)?.into())
    }

    fn dots(&self, vectors: &[Buffer], w: &Buffer) -> Result<Vec<f64>> {
        basis::dots(&self.device, &self.all_placed(vectors)?, &self.placed(w)?)
    }

    fn eigenvalues(&self, columns: &[&[f64]]) -> Result<Option<Vec<f64>>> {
        eigenvalues::of_columns(&self.device, columns)
    }

    fn combine(&self, terms: &[(f64, &Buffer)], dtype: DType) -> Result<Buffer> {
        let placed = terms.iter().map(|(factor, vector)| Ok((*factor, self.placed(vector)?)));
        Ok(basis::combine(&self.device, &placed.collect::<Result<Vec<_>>>()?, dtype)?.into())
    }

    fn rows(&self, vectors: &Buffer) -> Result<Vec<Buffer>> {
        let rows = vectors::rows(&self.device, &self.placed(vectors)?)?;
        Ok(rows.into_iter().map(Buffer::from).collect())
    }

    fn stack(&self, rows: &[Buffer]) -> Result<Buffer> {
        Ok(vectors::stack(&self.device, &self.all_placed(rows)?)?.into())
    }

    /// Returns the results unchanged: the contents of buffers never change, so they may share
    /// memory.
    fn own(&self, results: Vec<Buffer>, _: &[Buffer]) -> Result<Vec<Buffer>> {
        Ok(results)
    }

    /// Does nothing: memory becomes free for later tensors when its last buffer is dropped.
    fn recycle(&self, _: &[Buffer]) {}

    /// Frees what is held for later tensors if it is more than what is in use, and otherwise keeps
    /// it, since freeing memory waits for the device. It is freed when an allocation fails, too.
    fn release(&self) {
        self.device.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::freest;

    #[test]
    fn a_device_that_nobody_uses_comes_first() {
        assert_eq!(freest(&[[10, 80], [79, 80], [80, 80]]), Some(1));
        assert_eq!(freest(&[[10, 80], [40, 80], [20, 40], [0, 80]]), Some(1));
        assert_eq!((freest(&[[1, 1]]), freest(&[])), (Some(0), None));
    }
}
