//! A landscape starts no product and no factor row once an interrupt is requested.

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Curvature, CurvatureOperator, Error, GroupSelector, Interrupt, Landscape};
use eigenscape_curvature::Point;
use eigenscape_losses::mean_squared_error;
use eigenscape_program::{Network, nn};

#[test]
fn a_landscape_works_until_it_is_interrupted() {
    let network = Network::new(&[3], |scope, x| nn::linear(scope, x, 2, true)).unwrap();
    let ones = |shape: &[usize]| Tensor::ones(shape, DType::F64, &Device::Cpu).unwrap();
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: vec![ones(&[2, 3]), ones(&[2])],
        buffers: Vec::new(),
        inputs: ones(&[4, 3]),
        targets: ones(&[4, 2]),
        masks: Vec::new(),
    };
    let interrupt = Interrupt::default();
    let landscape =
        Landscape::new(&network, &mean_squared_error(), point, 1 << 20).unwrap().until(interrupt.clone());
    let group = GroupSelector::Full.resolve(&network, 4).unwrap().remove(0);
    let operator = landscape.operator(Curvature::GaussNewton, &group);
    let factor = operator.factor().unwrap();
    let columns = factor.source.columns(&factor.variables).unwrap();
    let vector = ones(&[1, 8]);
    assert!(operator.apply(&vector).is_ok() && columns.rows(0..4, 1 << 20).is_ok());
    assert!(!interrupt.request());
    assert!(matches!(operator.apply(&vector), Err(Error::Interrupted)));
    assert!(matches!(columns.rows(0..4, 1 << 20), Err(Error::Interrupted)));
}
