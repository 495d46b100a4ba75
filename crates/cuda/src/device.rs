//! A device: its driver, compiler, cuBLAS handle, memory and loaded kernels.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use eigenscape_runtime::Error;

use crate::{
    Result,
    cublas::Blas,
    cusolver::Solver,
    driver::{Driver, Function},
    error::failure,
    library::Folders,
    nvrtc::Compiler,
    profile::Profile,
    source::KernelSource,
};

/// Bytes of cuBLAS' workspace, as its documentation recommends for Hopper.
const WORKSPACE: usize = 32 << 20;

/// Pieces of memory begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 256;

/// One device. Its lock ([`Self::work`]) is held while work is enqueued.
pub(crate) struct Device {
    driver: Driver,
    compiler: Compiler,
    blas: Blas,
    /// cuSOLVER, opened when it is first asked for; `None` where it is missing.
    solver: OnceLock<Option<Solver>>,
    folders: Folders,
    tf32: bool,
    pool: Mutex<Pool>,
    work: Mutex<Work>,
    profile: Mutex<Option<Profile>>,
}

/// The loaded kernels and the arena, which are kept from run to run.
#[derive(Debug, Default)]
pub(crate) struct Work {
    functions: HashMap<String, Function>,
    arena: Option<Memory>,
}

/// Freed pieces of memory by size, and the bytes of all allocated pieces.
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
    /// Opens device number `ordinal`, with the libraries in `folders`.
    pub fn open(folders: &Folders, ordinal: usize, tf32: bool) -> Result<Arc<Self>> {
        folders.check()?;
        let driver = Driver::open(folders, ordinal)?;
        let compiler = Compiler::open(folders)?;
        let workspace = match driver.allocate(WORKSPACE)? {
            Some(workspace) => workspace,
            None => return Err(no_room("the workspace of matrix products", WORKSPACE, driver.memory()?[0])),
        };
        // SAFETY: stream and workspace are never freed.
        let blas = unsafe { Blas::open(folders, driver.stream(), (workspace, WORKSPACE))? };
        let (pool, work, profile) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (solver, folders) = (OnceLock::new(), folders.clone());
        Ok(Arc::new(Self { driver, compiler, blas, solver, folders, tf32, pool, work, profile }))
    }

    /// The driver, with its context current on this thread.
    pub fn driver(&self) -> Result<&Driver> {
        self.driver.enter()?;
        Ok(&self.driver)
    }

    /// The cuBLAS handle.
    pub fn blas(&self) -> &Blas {
        &self.blas
    }

    /// cuSOLVER, if it can be had.
    pub fn solver(&self) -> Option<&Solver> {
        let open = || {
            self.driver.enter().ok()?;
            // SAFETY: the context is current, and the stream is never destroyed.
            unsafe { Solver::open(&self.folders, self.driver.stream()) }.ok()
        };
        self.solver.get_or_init(open).as_ref()
    }

    /// Whether matrix products in f32 may use TF32.
    pub fn tf32(&self) -> bool {
        self.tf32
    }

    /// Locks what is kept from run to run. A thread must hold this lock while it enqueues work:
    /// otherwise the work could become part of another thread's recording.
    pub fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The profile, if profiling is on.
    pub fn profile(&self) -> MutexGuard<'_, Option<Profile>> {
        self.profile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allocates at least `bytes` bytes.
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

    /// Frees the pieces that no tensor uses if they are more than half of all, in bytes. If the
    /// driver fails, they stay.
    pub fn trim(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let unused: usize = pool.free.iter().map(|(bytes, pieces)| bytes * pieces.len()).sum();
        if 2 * unused > pool.held
            && let Ok(driver) = self.driver()
        {
            // The next call to the driver meets the same failure and returns it.
            let _ = pool.release(driver);
        }
    }

    /// Bytes allocated for tensors, including memory kept for later tensors.
    pub fn held(&self) -> usize {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).held
    }

    /// Loads kernels. Those that are not loaded yet are compiled as one module.
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

/// The error for an allocation of `bytes` bytes that fails while `free` bytes are free.
fn no_room(what: &str, bytes: usize, free: usize) -> Error {
    let [bytes, free] = [bytes, free].map(|count| count.div_ceil(1 << 20));
    failure(format!("the GPU has no room for {what} of {bytes} MiB: {free} MiB of its memory are free"))
}

impl Work {
    /// The arena for intermediate results, of at least `bytes` bytes. All runs share it, because
    /// they follow one another on the stream.
    pub fn arena(&mut self, device: &Arc<Device>, bytes: usize) -> Result<u64> {
        if let Some(arena) = &self.arena
            && arena.bytes >= bytes
        {
            return Ok(arena.address);
        }
        // The old arena is freed first, since both may not fit.
        self.arena = None;
        let arena = device.allocate(bytes)?;
        let address = arena.address;
        self.arena = Some(arena);
        Ok(address)
    }
}

impl Pool {
    /// Takes a piece of at least `bytes` and at most 9/8 · `bytes` bytes.
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
                // SAFETY: no tensor uses the piece; the driver waits for work that does.
                unsafe { driver.free(address)? };
            }
        }
        Ok(())
    }
}

/// A piece of a device's memory, which later tensors reuse once it is dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    device: Arc<Device>,
    address: u64,
    bytes: usize,
}

impl Memory {
    /// The address of its first byte.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// The device on which it lies.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Copies numbers from the host.
    pub fn upload(&self, numbers: &[u8]) -> Result<()> {
        if numbers.len() > self.bytes {
            return Err(Error::Device("more numbers than memory".to_owned()));
        }
        let _alone = self.device.work();
        // SAFETY: the piece has as many bytes, as checked above.
        unsafe { self.device.driver()?.upload(self.address, numbers) }
    }

    /// Copies numbers to the host.
    pub fn download(&self, numbers: &mut [u8]) -> Result<()> {
        if numbers.len() > self.bytes {
            return Err(Error::Device("more numbers than memory".to_owned()));
        }
        let _alone = self.device.work();
        // SAFETY: the piece has as many bytes, as checked above.
        unsafe { self.device.driver()?.download(numbers, self.address) }
    }
}

impl Drop for Memory {
    /// Keeps the memory for later tensors. Enqueued work may still use it; work on later tensors
    /// follows on the same stream.
    fn drop(&mut self) {
        let mut pool = self.device.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.free.entry(self.bytes).or_default().push(self.address);
    }
}
