//! Every failing call of the driver, NVRTC or cuBLAS gives one clear error and leaves nothing
//! broken.

use candle_core::{DType, Device, Tensor};
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_cuda_emulator::{calls, fail_at, libraries};
use eigenscape_program::{ConvSettings, Graph};
use eigenscape_runtime::{Backend, Executable, Result};

/// Opens the device and runs a program of kernels, matrix products and patches three times at the
/// same addresses: as single commands, then recorded and replayed, then replayed.
fn work() -> Result<Tensor> {
    let folders = Some(Folders::only(libraries().map_err(candle_core::Error::wrap)?));
    let cuda = Cuda::open(&Settings { folders, ..Settings::default() })?;
    let mut graph = Graph::default();
    let (x, w) = (graph.input("x", &[2, 3, 6, 6]), graph.input("w", &[4, 3, 3, 3]));
    let y = graph.conv2d(x, w, ConvSettings::default())?;
    let rows = graph.reshape(y, &[8, 16])?;
    let gram = graph.linear(rows, rows)?;
    let index = graph.argmax(gram, 0.0)?;
    let differences = graph.differences(gram, index)?;
    let sum = graph.sum(differences, &[1])?;
    let program = Executable::new(&graph, &[x, w], &[sum])?;
    let numbers = |count: u32, shape: &[usize]| -> Result<Tensor> {
        let numbers = (0..count).map(|i| (f64::from(i) * 0.7).sin());
        Ok(Tensor::from_iter(numbers, &Device::Cpu)?.reshape(shape)?)
    };
    let inputs = [numbers(216, &[2, 3, 6, 6])?, numbers(108, &[4, 3, 3, 3])?];
    let placed = inputs.iter().map(|input| cuda.place(input)).collect::<Result<Vec<_>>>()?;
    for _ in 0..2 {
        program.run_placed(&cuda, placed.clone(), DType::F64, DType::F64)?;
    }
    program.run_placed(&cuda, placed, DType::F64, DType::F64)?.remove(0).to_host()
}

#[test]
fn each_call_that_fails_is_an_error() -> Result<()> {
    fail_at(None);
    let expected = work()?.flatten_all()?.to_vec1::<f64>()?;
    // Counts the calls of a run without failures; every run makes the same calls.
    fail_at(Some(u64::MAX));
    work()?;
    let all = calls();
    assert!(all > 60, "{all} calls");
    let mut again = 0;
    for call in 1..=all {
        fail_at(Some(call));
        let message = match work() {
            // A failed allocation frees the memory that is kept for later tensors, and is retried.
            Ok(found) => {
                assert_eq!(found.flatten_all()?.to_vec1::<f64>()?, expected, "call {call} of {all}");
                again += 1;
                continue;
            }
            Err(error) => error.to_string(),
        };
        let names = ["the GPU cannot ", "NVRTC ", "cuBLAS ", "the GPU has no room "];
        assert!(names.iter().any(|name| message.contains(name)), "call {call}: {message}");
        assert!(!message.contains('\n'), "call {call}: {message}");
    }
    assert!(again < 20, "{again} of {all} failures were not said");
    fail_at(None);
    assert_eq!(work()?.flatten_all()?.to_vec1::<f64>()?, expected);
    Ok(())
}

#[test]
fn a_library_that_is_missing_is_named_with_a_remedy() {
    let nowhere = std::env::temp_dir().join("eigenscape-no-cuda-here");
    let settings = Settings { folders: Some(Folders::only(&nowhere)), ..Settings::default() };
    let message = Cuda::open(&settings).map(|_| ()).map_err(|error| error.to_string());
    let message = message.err().unwrap_or_default();
    for text in ["libcuda.so.1", "install NVIDIA's driver"] {
        assert!(message.contains(text), "{message}");
    }
}
