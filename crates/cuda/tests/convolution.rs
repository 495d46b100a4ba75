//! A convolution that is a copy, on an emulated card.

use candle_core::{DType, Device, Tensor};
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_program::{ConvSettings, Graph};
use eigenscape_runtime::Executable;

#[test]
fn a_kernel_of_one_pixel_copies_the_image() -> Result<(), Box<dyn std::error::Error>> {
    let folders = Some(Folders::only(eigenscape_cuda_emulator::libraries()?));
    let cuda = Cuda::open(&Settings { folders, ..Settings::default() })?;
    let mut graph = Graph::default();
    let (x, w) = (graph.input("x", &[2, 1, 4, 5]), graph.input("w", &[1, 1, 1, 1]));
    let y = graph.conv2d(x, w, ConvSettings::default())?;
    let program = Executable::new(&graph, &[x, w], &[y])?;
    let image = Tensor::arange(0_f64, 40.0, &Device::Cpu)?.reshape((2, 1, 4, 5))?;
    let one = Tensor::ones((1, 1, 1, 1), DType::F64, &Device::Cpu)?;
    let copied = program.run(&cuda, vec![image.clone(), one], DType::F64)?.remove(0);
    assert_eq!(copied.flatten_all()?.to_vec1::<f64>()?, image.flatten_all()?.to_vec1::<f64>()?);
    Ok(())
}
