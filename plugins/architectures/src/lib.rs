//! Network architectures: each a small file that emits its program through a scope with PyTorch's names.

pub mod lenet;
pub mod mlp;
pub mod resnet;
pub mod sequential;
pub mod vgg;

use eigenscape_core::Registry;

/// Adds every architecture of this crate.
pub fn register(registry: &mut Registry) {
    let architectures = &mut registry.architectures;
    architectures.add("mlp", "fully connected network: widths, activation", |p: mlp::Parameters, _| {
        Ok(Box::new(mlp::Mlp::new(p)?))
    });
    architectures.add("lenet", "LeNet-5 with ReLU and max pooling (61,706 parameters on 1x32x32)", |p, _| {
        let lenet::Parameters {} = p;
        Ok(Box::new(lenet::LeNet))
    });
    architectures.add(
        "sequential",
        "a network written as a list of layers",
        |p: sequential::Parameters, _| Ok(Box::new(sequential::Sequential::new(p.layers))),
    );
    resnet::register(architectures);
    vgg::register(architectures);
}
