//! Network architectures. Each is a small file that emits its program through a scope with
//! PyTorch's names, and defines how parameters are initialised.

mod conv_norm;
pub mod densenet;
pub mod exported;
pub mod fully_connected;
pub mod gpt;
pub mod lenet;
pub mod mlp;
pub mod mobilenet;
mod no_settings;
pub mod resnet;
pub mod sequential;
pub mod simple_mnist;
pub mod vgg;
pub mod vit;

use eigenscape_core::Registry;
pub use no_settings::NoSettings;

/// Adds every architecture of this crate to the registry.
pub fn register(registry: &mut Registry) {
    let architectures = &mut registry.architectures;
    architectures
        .add("mlp", "fully connected network", |p: mlp::Parameters, _| Ok(Box::new(mlp::Mlp::new(p)?)));
    architectures.add(
        "lenet",
        "LeNet-5 with ReLU and max pooling (61,706 parameters on 1x32x32)",
        |NoSettings {}, _| Ok(Box::new(lenet::LeNet)),
    );
    architectures.add(
        "simple-mnist",
        "two convolutions and two linear layers for 28x28",
        |NoSettings {}, _| Ok(Box::new(simple_mnist::SimpleMnist)),
    );
    architectures.add("densenet3-40", "DenseNet of 40 layers, growth 12", |NoSettings {}, _| {
        Ok(Box::new(densenet::DenseNet))
    });
    architectures.add("mobilenet", "MobileNet for 32x32, depthwise convolutions", |NoSettings {}, _| {
        Ok(Box::new(mobilenet::MobileNet))
    });
    architectures.add(
        "gpt",
        "causal transformer on tokens, as nanoGPT and GPT-2",
        |p: gpt::Parameters, _| Ok(Box::new(gpt::Gpt::new(p)?)),
    );
    architectures.add(
        "exported",
        "any PyTorch module, from a file written by torch.export.save",
        |p: exported::Parameters, environment| Ok(Box::new(exported::Exported::load(&p, environment)?)),
    );
    architectures.add(
        "sequential",
        "a network written as a list of layers",
        |p: sequential::Parameters, _| {
            sequential::check_count(&p.layers)?;
            Ok(Box::new(sequential::Sequential::new(p.layers)))
        },
    );
    fully_connected::register(architectures);
    resnet::register(architectures);
    vgg::register(architectures);
    vit::register(architectures);
}
