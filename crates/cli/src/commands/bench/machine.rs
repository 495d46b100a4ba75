//! The machine's own rates, which the measurements are compared with.

use std::{hint::black_box, thread, time::Instant};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::Error;
use eigenscape_experiment::Result;
use eigenscape_program::Graph;
use eigenscape_runtime::{Backend, Executable};

use super::timing::median;

/// Rows and columns of the multiplied matrices: large enough that only arithmetic counts.
const SIDE: usize = 2048;
/// Length of the copied array: far larger than a cache.
const COPIED: usize = 64 << 20;
const REPETITIONS: usize = 7;

/// Rates of all processors together or of a device, in f32.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// 10⁹ floating-point operations per second in a product of large matrices.
    pub gemm_gflops: f64,
    /// 10⁹ bytes per second read and written by a copy of a large array.
    pub copy_gbps: f64,
}

impl Machine {
    /// Measures the median of both rates where `backend` computes; on a host, with `threads`
    /// threads.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn measure(backend: &dyn Backend, threads: usize) -> Result<Self> {
        if backend.is_host() { Self::of_host(threads) } else { Self::of_device(backend) }
    }

    fn of_device(backend: &dyn Backend) -> Result<Self> {
        let side = 4 * SIDE;
        let mut graph = Graph::default();
        let matrix = graph.input("matrix", &[side, side]);
        let product = graph.linear(matrix, matrix).map_err(Error::from)?;
        let doubled = graph.scale(matrix, 2.0).map_err(Error::from)?;
        let ones = Tensor::ones((side, side), DType::F32, &Device::Cpu).map_err(Error::from)?;
        let ones = backend.place(&ones).map_err(Error::from)?;
        let time = |output| {
            let program = Executable::new(&graph, &[matrix], &[output]).map_err(Error::from)?;
            seconds(|| {
                let run = program.run_placed(backend, vec![ones.clone()], DType::F32, DType::F32);
                black_box(run.map_err(Error::from)?);
                Ok(backend.synchronize().map_err(Error::from)?)
            })
        };
        let (gemm, copy) = (time(product)?, time(doubled)?);
        let bytes = 2 * side * side * size_of::<f32>();
        Ok(Self { gemm_gflops: 2e-9 * (side as f64).powi(3) / gemm, copy_gbps: 1e-9 * bytes as f64 / copy })
    }

    fn of_host(threads: usize) -> Result<Self> {
        let matrix = Tensor::ones((SIDE, SIDE), DType::F32, &Device::Cpu).map_err(Error::from)?;
        let gemm = seconds(|| {
            black_box(matrix.matmul(&matrix).map_err(Error::from)?);
            Ok(())
        })?;
        let (from, mut to) = (vec![1.0_f32; COPIED], vec![0.0_f32; COPIED]);
        let copy = seconds(|| {
            copy(&from, &mut to, threads);
            black_box(&to);
            Ok(())
        })?;
        let bytes = 2 * COPIED * size_of::<f32>();
        Ok(Self { gemm_gflops: 2e-9 * (SIDE as f64).powi(3) / gemm, copy_gbps: 1e-9 * bytes as f64 / copy })
    }
}

fn copy(from: &[f32], to: &mut [f32], threads: usize) {
    let part = from.len().div_ceil(threads);
    thread::scope(|scope| {
        for (from, to) in from.chunks(part).zip(to.chunks_mut(part)) {
            scope.spawn(|| to.copy_from_slice(from));
        }
    });
}

fn seconds(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let mut seconds = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(median(&seconds))
}

#[cfg(test)]
mod tests {
    use super::copy;

    #[test]
    fn copies_everything() {
        let from: Vec<f32> = (0..7_u8).map(f32::from).collect();
        for threads in 1..9 {
            let mut to = vec![0.0; 7];
            copy(&from, &mut to, threads);
            assert_eq!(from, to);
        }
    }
}
