//! The CUDA driver: contexts, memory, modules, launches.

use std::{
    ffi::{CStr, CString, c_char, c_uint, c_void},
    ptr,
};

use crate::{
    Result,
    error::failure,
    library::{DRIVER, Folders, Library, functions},
};

type Handle = *mut c_void;

functions! {
    /// Functions of libcuda.
    Functions {
        init = "cuInit": fn(c_uint);
        device_count = "cuDeviceGetCount": fn(*mut i32);
        device = "cuDeviceGet": fn(*mut i32, i32);
        device_name = "cuDeviceGetName": fn(*mut c_char, i32, i32);
        attribute = "cuDeviceGetAttribute": fn(*mut i32, i32, i32);
        retain = "cuDevicePrimaryCtxRetain": fn(*mut Handle, i32);
        let_go = "cuDevicePrimaryCtxRelease_v2": fn(i32);
        set_current = "cuCtxSetCurrent": fn(Handle);
        memory_info = "cuMemGetInfo_v2": fn(*mut usize, *mut usize);
        allocate = "cuMemAlloc_v2": fn(*mut u64, usize);
        free = "cuMemFree_v2": fn(u64);
        upload = "cuMemcpyHtoDAsync_v2": fn(u64, *const c_void, usize, Handle);
        download = "cuMemcpyDtoHAsync_v2": fn(*mut c_void, u64, usize, Handle);
        fill = "cuMemsetD8Async": fn(u64, u8, usize, Handle);
        create_stream = "cuStreamCreate": fn(*mut Handle, c_uint);
        synchronize = "cuStreamSynchronize": fn(Handle);
        load = "cuModuleLoadData": fn(*mut Handle, *const c_void);
        function = "cuModuleGetFunction": fn(*mut Handle, Handle, *const c_char);
        launch = "cuLaunchKernel": fn(Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void);
        begin_capture = "cuStreamBeginCapture_v2": fn(Handle, i32);
        end_capture = "cuStreamEndCapture": fn(Handle, *mut Handle);
        instantiate = "cuGraphInstantiateWithFlags": fn(*mut Handle, Handle, u64);
        launch_graph = "cuGraphLaunch": fn(Handle, Handle);
        destroy_graph = "cuGraphDestroy": fn(Handle);
        destroy_replay = "cuGraphExecDestroy": fn(Handle);
        error_name = "cuGetErrorName": fn(i32, *mut *const c_char);
        error_text = "cuGetErrorString": fn(i32, *mut *const c_char);
    }
}

/// CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR.
const CAPABILITY: [i32; 2] = [75, 76];

/// CUDA_ERROR_OUT_OF_MEMORY.
const OUT_OF_MEMORY: i32 = 2;

/// CU_STREAM_NON_BLOCKING.
const NON_BLOCKING: c_uint = 1;

/// CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: calls on other threads do not invalidate a capture.
const THREAD_LOCAL: i32 = 1;

/// Threads per block, which all kernels assume.
pub(crate) const THREADS: u32 = 256;

/// A loaded kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function(Handle);

/// A recorded sequence of launches.
#[derive(Debug)]
pub(crate) struct Recording {
    graph: Handle,
    replay: Handle,
}

/// One device with its primary context and one stream, on which all work runs in order.
#[derive(Debug)]
pub(crate) struct Driver {
    functions: Functions,
    context: Handle,
    stream: Handle,
    name: String,
    capability: [i32; 2],
}

// SAFETY: the driver's handles may be used from any thread on which the context is current, which
// `enter` ensures; work is enqueued under one lock (see `Device`).
unsafe impl Send for Driver {}
// SAFETY: as above.
unsafe impl Sync for Driver {}
// SAFETY: a function belongs to its context, not to a thread.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}
// SAFETY: as above.
unsafe impl Send for Recording {}

impl Driver {
    /// Opens device number `ordinal`.
    pub fn open(folders: &Folders, ordinal: usize) -> Result<Self> {
        let mut driver = Self::start(folders)?;
        let functions = driver.functions;
        // SAFETY: results are written to our own variables.
        unsafe {
            let (count, mut device) = (driver.devices()?, 0);
            if ordinal >= count {
                let devices =
                    if count == 1 { "1 device is".to_owned() } else { format!("{count} devices are") };
                return Err(failure(format!(
                    "there is no cuda:{ordinal}: {devices} visible, counted from 0"
                )));
            }
            driver.check("find the device", (functions.device)(&raw mut device, ordinal as i32))?;
            let mut name = [0 as c_char; 128];
            driver.check("ask for its name", (functions.device_name)(name.as_mut_ptr(), 128, device))?;
            driver.name = CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned();
            for (place, attribute) in CAPABILITY.into_iter().enumerate() {
                let result = (functions.attribute)(&raw mut driver.capability[place], attribute, device);
                driver.check("ask for its compute capability", result)?;
            }
            let result = (functions.retain)(&raw mut driver.context, device);
            driver.check("open the device", result)?;
            driver.enter()?;
            let result = (functions.create_stream)(&raw mut driver.stream, NON_BLOCKING);
            driver.check("create a stream", result)?;
        }
        Ok(driver)
    }

    /// The driver, started; no device is open.
    fn start(folders: &Folders) -> Result<Self> {
        let library = Library::open(folders, &DRIVER)?;
        let (context, stream) = (ptr::null_mut(), ptr::null_mut());
        let functions = Functions::of(library)?;
        let driver = Self { functions, context, stream, name: String::new(), capability: [0; 2] };
        // SAFETY: the driver may be initialised at any time.
        driver.check("start the driver", unsafe { (functions.init)(0) })?;
        Ok(driver)
    }

    /// The number of devices.
    fn devices(&self) -> Result<usize> {
        let mut count = 0;
        // SAFETY: the result is written to our own variable.
        self.check("count devices", unsafe { (self.functions.device_count)(&raw mut count) })?;
        Ok(count as usize)
    }

    /// The free and the total memory of each device in bytes. A single device is not asked: asking
    /// opens it for a moment.
    pub fn all_memory(folders: &Folders) -> Result<Vec<[usize; 2]>> {
        let mut driver = Self::start(folders)?;
        let count = driver.devices()?;
        if count < 2 {
            return Ok(vec![[1, 1]; count]);
        }
        let memory = (0..count as i32).map(|ordinal| {
            let mut device = 0;
            // SAFETY: results are written to our own variables, and the context is not used after
            // it is released.
            unsafe {
                driver.check("find the device", (driver.functions.device)(&raw mut device, ordinal))?;
                let retained = (driver.functions.retain)(&raw mut driver.context, device);
                driver.check("open the device", retained)?;
                let memory = driver.enter().and_then(|()| driver.memory());
                (driver.functions.let_go)(device);
                memory
            }
        });
        memory.collect()
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its compute capability: \[9, 0\] for sm_90.
    pub fn capability(&self) -> [i32; 2] {
        self.capability
    }

    /// The stream, for libraries that work on it.
    pub fn stream(&self) -> *mut c_void {
        self.stream
    }

    /// Makes the context current on this thread.
    pub fn enter(&self) -> Result<()> {
        // SAFETY: the context was retained and is never released.
        self.check("enter the device", unsafe { (self.functions.set_current)(self.context) })
    }

    /// The free and the total memory in bytes.
    pub fn memory(&self) -> Result<[usize; 2]> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: results are written to our own variables.
        self.check("ask for free memory", unsafe {
            (self.functions.memory_info)(&raw mut free, &raw mut total)
        })?;
        Ok([free, total])
    }

    /// Allocates `bytes` bytes and returns their address; `None` if there is not enough memory.
    pub fn allocate(&self, bytes: usize) -> Result<Option<u64>> {
        let mut address = 0;
        // SAFETY: the address is written to our own variable.
        let result = unsafe { (self.functions.allocate)(&raw mut address, bytes) };
        if result == OUT_OF_MEMORY {
            return Ok(None);
        }
        self.check("allocate memory", result)?;
        Ok(Some(address))
    }

    /// Frees memory from [`Self::allocate`].
    ///
    /// # Safety
    /// No later work on the stream uses it.
    pub unsafe fn free(&self, address: u64) -> Result<()> {
        // SAFETY: the driver waits for work that was enqueued before.
        self.check("free memory", unsafe { (self.functions.free)(address) })
    }

    /// Copies numbers to the device.
    ///
    /// # Safety
    /// At least `from.len()` bytes are allocated at `to`.
    pub unsafe fn upload(&self, to: u64, from: &[u8]) -> Result<()> {
        // SAFETY: the caller's promise; the call returns after it has read pageable memory.
        let result = unsafe { (self.functions.upload)(to, from.as_ptr().cast(), from.len(), self.stream) };
        self.check("copy to the device", result)
    }

    /// Copies numbers from the device, after all enqueued work.
    ///
    /// # Safety
    /// At least `to.len()` bytes are allocated at `from`.
    pub unsafe fn download(&self, to: &mut [u8], from: u64) -> Result<()> {
        // SAFETY: the caller's promise; `to` stays borrowed until the stream is synchronised below.
        let result =
            unsafe { (self.functions.download)(to.as_mut_ptr().cast(), from, to.len(), self.stream) };
        // Synchronise even if the copy was not enqueued: errors of earlier work surface here.
        self.check("copy from the device", result).and(self.synchronize())
    }

    /// Sets `bytes` bytes to zero.
    ///
    /// # Safety
    /// At least `bytes` bytes are allocated at `at`.
    pub unsafe fn zero(&self, at: u64, bytes: usize) -> Result<()> {
        // SAFETY: the caller's promise.
        self.check("clear memory", unsafe { (self.functions.fill)(at, 0, bytes, self.stream) })
    }

    /// Waits for all enqueued work.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the stream is never destroyed.
        self.check("finish its work", unsafe { (self.functions.synchronize)(self.stream) })
    }

    /// Loads the kernels with these names from an image that NVRTC compiled.
    pub fn load(&self, image: &[u8], names: &[String]) -> Result<Vec<Function>> {
        let mut module = ptr::null_mut();
        // SAFETY: the image is NVRTC's; the module is never unloaded, so that its functions stay
        // valid.
        unsafe {
            self.check("load kernels", (self.functions.load)(&raw mut module, image.as_ptr().cast()))?;
        }
        let function = |name: &String| {
            let mut function = ptr::null_mut();
            let c_name = CString::new(name.as_str()).map_err(|_| failure("a kernel's name has a zero"))?;
            // SAFETY: as above, and the name is NUL-terminated.
            let result = unsafe { (self.functions.function)(&raw mut function, module, c_name.as_ptr()) };
            self.check("find a kernel", result)?;
            Ok(Function(function))
        };
        names.iter().map(function).collect()
    }

    /// Enqueues a kernel with its table of words.
    ///
    /// # Safety
    /// The words are those of the kernel: the right number, with addresses of large enough memory.
    pub unsafe fn launch(&self, function: Function, blocks: u32, words: &mut [u64]) -> Result<()> {
        let mut parameters = [words.as_mut_ptr().cast::<c_void>()];
        // SAFETY: the caller's promise; the driver copies the parameters before it returns.
        let result = unsafe {
            (self.functions.launch)(
                function.0,
                blocks,
                1,
                1,
                THREADS,
                1,
                1,
                0,
                self.stream,
                parameters.as_mut_ptr(),
                ptr::null_mut(),
            )
        };
        self.check("start a kernel", result)
    }

    /// Records the work that `work` enqueues, instead of running it.
    pub fn record(&self, work: impl FnOnce() -> Result<()>) -> Result<Recording> {
        let mut recording = Recording { graph: ptr::null_mut(), replay: ptr::null_mut() };
        // SAFETY: the stream exists; results are written to our own variables.
        unsafe {
            self.check("record", (self.functions.begin_capture)(self.stream, THREAD_LOCAL))?;
            let done = work();
            let ended = (self.functions.end_capture)(self.stream, &raw mut recording.graph);
            done?;
            self.check("end a recording", ended)?;
            let result = (self.functions.instantiate)(&raw mut recording.replay, recording.graph, 0);
            self.check("prepare a recording", result)?;
        }
        Ok(recording)
    }

    /// Enqueues a recording.
    pub fn replay(&self, recording: &Recording) -> Result<()> {
        // SAFETY: the recording is alive, and so is all memory that it uses: `Runnable` replays it
        // only for runs with the same addresses.
        self.check("run a recording", unsafe { (self.functions.launch_graph)(recording.replay, self.stream) })
    }

    /// Destroys a recording.
    pub fn forget(&self, recording: &Recording) {
        // SAFETY: the caller does not use the recording again; the driver keeps it until it has
        // run.
        unsafe {
            (self.functions.destroy_replay)(recording.replay);
            (self.functions.destroy_graph)(recording.graph);
        }
    }

    fn check(&self, what: &str, result: i32) -> Result<()> {
        if result == 0 {
            return Ok(());
        }
        let text = |function: unsafe extern "C" fn(i32, *mut *const c_char) -> i32| {
            let mut text = ptr::null();
            // SAFETY: the driver returns a static string or null.
            unsafe {
                (function(result, &raw mut text) == 0 && !text.is_null())
                    .then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
            }
        };
        let name = text(self.functions.error_name).unwrap_or_else(|| format!("error {result}"));
        let meaning = text(self.functions.error_text).map(|text| format!(" ({text})")).unwrap_or_default();
        Err(failure(format!("the GPU cannot {what}: {name}{meaning}")))
    }
}
