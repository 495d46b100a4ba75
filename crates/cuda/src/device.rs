//! A device: its driver, compiler and matrix products, its memory, and the kernels it has loaded.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eigenscape_runtime::Error;

use crate::{
    Result,
    cublas::Blas,
    driver::{Driver, Function},
    error::failure,
    library::Folders,
    nvrtc::Compiler,
    profile::Profile,
    source::KernelSource,
};

/// Bytes of cuBLAS' workspace: what its documentation asks for on Hopper.
const WORKSPACE: usize = 32 << 20;

/// Pieces of memory begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 256;

/// One device. Whoever works on it holds its lock ([`Self::work`]) while things are begun.
pub(crate) struct Device {
    driver: Driver,
    compiler: Compiler,
    blas: Blas,
    tf32: bool,
    pool: Mutex<Pool>,
    work: Mutex<Work>,
    profile: Mutex<Option<Profile>>,
}

/// What is kept from run to run.
#[derive(Debug, Default)]
pub(crate) struct Work {
    functions: HashMap<String, Function>,
    arena: Option<Memory>,
}

/// Pieces of memory that were freed, by their sizes.
#[derive(Debug, Default)]
struct Pool {
    free: BTreeMap<usize, Vec<u64>>,
    held: usize,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.driver.name())
    }
}

impl Device {
    /// Device number `ordinal`, with the libraries in `folders`.
    pub fn open(folders: &Folders, ordinal: usize, tf32: bool) -> Result<Arc<Self>> {
        let driver = Driver::open(folders, ordinal)?;
        let compiler = Compiler::open(folders)?;
        let workspace = driver
            .allocate(WORKSPACE)?
            .ok_or_else(|| no_room("the workspace of matrix products", WORKSPACE, 0))?;
        // SAFETY: stream and workspace are never freed.
        let blas = unsafe { Blas::open(folders, driver.stream(), (workspace, WORKSPACE))? };
        let (pool, work, profile) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Arc::new(Self { driver, compiler, blas, tf32, pool, work, profile }))
    }

    /// The driver, for this thread.
    pub fn driver(&self) -> Result<&Driver> {
        self.driver.enter()?;
        Ok(&self.driver)
    }

    /// Products of matrices.
    pub fn blas(&self) -> &Blas {
        &self.blas
    }

    /// Whether products in single precision may be rounded to TF32 first.
    pub fn tf32(&self) -> bool {
        self.tf32
    }

    /// What is kept from run to run, for one thread at a time: whoever begins something on the
    /// stream holds it, or it would become part of another thread's recording.
    pub fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where time goes, where somebody asks.
    pub fn profile(&self) -> MutexGuard<'_, Option<Profile>> {
        self.profile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory of so many bytes.
    pub fn allocate(self: &Arc<Self>, bytes: usize) -> Result<Memory> {
        let bytes = bytes.max(1).next_multiple_of(if bytes < 1 << 20 { ALIGNMENT } else { 1 << 16 });
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((address, bytes)) = pool.take(bytes) {
            return Ok(Memory { device: Arc::clone(self), address, bytes });
        }
        let driver = self.driver()?;
        let mut address = driver.allocate(bytes)?;
        if address.is_none() {
            pool.release(driver)?;
            address = driver.allocate(bytes)?;
        }
        let address = address.ok_or_else(|| match driver.memory() {
            Ok([free, _]) => no_room("a tensor", bytes, free),
            Err(error) => error,
        })?;
        pool.held += bytes;
        Ok(Memory { device: Arc::clone(self), address, bytes })
    }

    /// Bytes that are held, those that are kept for later tensors included.
    pub fn held(&self) -> usize {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).held
    }

    /// Loads the kernels that are not known yet, all in one go.
    pub fn load(&self, kernels: &[KernelSource]) -> Result<Vec<Function>> {
        let mut work = self.work();
        let mut missing: Vec<&KernelSource> =
            kernels.iter().filter(|kernel| !work.functions.contains_key(&kernel.name)).collect();
        missing.sort_by(|a, b| a.name.cmp(&b.name));
        missing.dedup_by(|a, b| a.name == b.name);
        if !missing.is_empty() {
            let (source, names) = crate::source::module(&missing);
            let image = self.compiler.compile(&source, self.driver.capability())?;
            let functions = self.driver()?.load(&image, &names)?;
            work.functions.extend(names.into_iter().zip(functions));
        }
        let function = |kernel: &KernelSource| work.functions.get(&kernel.name).copied();
        kernels
            .iter()
            .map(|kernel| function(kernel).ok_or_else(|| Error::Device(kernel.name.clone())))
            .collect()
    }
}

/// There is no piece of so many bytes, and so many are free.
fn no_room(what: &str, bytes: usize, free: usize) -> Error {
    let [bytes, free] = [bytes, free].map(|count| count.div_ceil(1 << 20));
    failure(format!("the GPU has no room for {what} of {bytes} MiB: {free} MiB of its memory are free"))
}

impl Work {
    /// Memory for the intermediate results of a run, of at least so many bytes: one for all runs,
    /// which follow one another on the stream.
    pub fn arena(&mut self, device: &Arc<Device>, bytes: usize) -> Result<u64> {
        if let Some(arena) = &self.arena
            && arena.bytes >= bytes
        {
            return Ok(arena.address);
        }
        // Freed before there is a larger one: both may not fit.
        self.arena = None;
        let arena = device.allocate(bytes)?;
        let address = arena.address;
        self.arena = Some(arena);
        Ok(address)
    }
}

impl Pool {
    /// A piece that is hardly larger.
    fn take(&mut self, bytes: usize) -> Option<(u64, usize)> {
        let (&size, pieces) = self.free.range_mut(bytes..=bytes + bytes / 8).next()?;
        let address = pieces.pop();
        if pieces.is_empty() {
            self.free.remove(&size);
        }
        Some((address?, size))
    }

    fn release(&mut self, driver: &Driver) -> Result<()> {
        for (bytes, pieces) in std::mem::take(&mut self.free) {
            for address in pieces {
                self.held -= bytes;
                // SAFETY: nobody has it any more; the driver waits for work that uses it.
                unsafe { driver.free(address)? };
            }
        }
        Ok(())
    }
}

/// Memory of a device; when it is dropped, later tensors may lie there.
#[derive(Debug)]
pub(crate) struct Memory {
    device: Arc<Device>,
    address: u64,
    bytes: usize,
}

impl Memory {
    /// Where it begins.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Whose it is.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Copies numbers there.
    pub fn upload(&self, numbers: &[u8]) -> Result<()> {
        if numbers.len() > self.bytes {
            return Err(Error::Device("more numbers than memory".to_owned()));
        }
        let _alone = self.device.work();
        // SAFETY: so many bytes are there.
        unsafe { self.device.driver()?.upload(self.address, numbers) }
    }

    /// Copies numbers from there.
    pub fn download(&self, numbers: &mut [u8]) -> Result<()> {
        if numbers.len() > self.bytes {
            return Err(Error::Device("more numbers than memory".to_owned()));
        }
        let _alone = self.device.work();
        // SAFETY: so many bytes are there.
        unsafe { self.device.driver()?.download(numbers, self.address) }
    }
}

impl Drop for Memory {
    /// Work that was begun may still use it: what is put there later begins after that work, on the
    /// same stream.
    fn drop(&mut self) {
        let mut pool = self.device.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.free.entry(self.bytes).or_default().push(self.address);
    }
}
