//! The identity of a run: a checksum of everything that its numbers depend on.

use std::{borrow::Cow, env, fs, sync::OnceLock};

use candle_core::{DType, Tensor};
use eigenscape_core::{Error, Examples, Inputs, Targets};
use eigenscape_runtime::simd;
use eigenscape_version::VERSION;

use crate::{diagnostic::Result, prepare::Prepared};

/// Rows of a tensor that are read at once.
const ROWS: usize = 1024;

/// Everything that a run's numbers depend on: its settings, the program's build, the data, and the
/// initial weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A short key, for folder names.
    pub key: String,
    /// The settings and the build, as text.
    pub(crate) settings: String,
}

impl Identity {
    /// The identity of a run that is ready to start.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    pub fn new(prepared: &Prepared) -> Result<Self> {
        let build = build(prepared.plan.other_plugins)?;
        // Its settings do not determine a network from a file.
        let architecture = &prepared.plan.model.architecture;
        let file = architecture.weights().map(|_| format!("# {}\n", architecture.description()));
        let settings = format!(
            "# Eigenscape {build} ({})\n{}{}",
            simd(),
            file.unwrap_or_default(),
            prepared.plan.settings
        );
        let mut data = crc32fast::Hasher::new();
        for examples in [&prepared.train].into_iter().chain(&prepared.test) {
            examples_into(&mut data, examples)?;
        }
        let mut weights = crc32fast::Hasher::new();
        for tensor in prepared.weights.parameters.iter().chain(&prepared.weights.buffers) {
            tensor_into(&mut weights, tensor)?;
        }
        let parts = [crc32fast::hash(settings.as_bytes()), data.finalize(), weights.finalize()];
        Ok(Self { key: parts.map(|part| format!("{part:08x}")).concat(), settings })
    }
}

/// The build of the program. The sources of external plugins are unknown; a checksum of the whole
/// program stands for them.
fn build(other_plugins: bool) -> Result<Cow<'static, str>> {
    static PROGRAM: OnceLock<u32> = OnceLock::new();
    if !other_plugins {
        return Ok(VERSION.into());
    }
    let sum = match PROGRAM.get() {
        Some(sum) => *sum,
        None => {
            let path = env::current_exe().map_err(|error| Error::io("this program", error))?;
            let program = fs::read(&path).map_err(|error| Error::io(&path, error))?;
            *PROGRAM.get_or_init(|| crc32fast::hash(&program))
        }
    };
    Ok(format!("{VERSION}, program {sum:08x}").into())
}

fn examples_into(hasher: &mut crc32fast::Hasher, examples: &Examples) -> Result<()> {
    rows_into(hasher, &examples.inputs)?;
    match &examples.targets {
        Targets::Values(tensor) | Targets::Classes { labels: tensor, .. } => tensor_into(hasher, tensor),
    }
}

fn tensor_into(hasher: &mut crc32fast::Hasher, tensor: &Tensor) -> Result<()> {
    // A scalar is treated as one row.
    let rows = if tensor.rank() == 0 { tensor.unsqueeze(0).map_err(Error::from)? } else { tensor.clone() };
    rows_into(hasher, &rows.into())
}

fn rows_into(hasher: &mut crc32fast::Hasher, rows: &Inputs) -> Result<()> {
    rows.dims().iter().for_each(|size| hasher.update(&size.to_le_bytes()));
    for start in (0..rows.len()).step_by(ROWS) {
        let part = rows.range(start, ROWS.min(rows.len() - start))?;
        hasher.update(&bytes(&part).map_err(Error::from)?);
    }
    Ok(())
}

fn bytes(tensor: &Tensor) -> candle_core::Result<Vec<u8>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F32 => flat.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect(),
        _ => flat.to_dtype(DType::F64)?.to_vec1::<f64>()?.into_iter().flat_map(f64::to_le_bytes).collect(),
    })
}
