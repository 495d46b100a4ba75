//! The architecture has the expected parameters and affinity.

use eigenscape::{Architecture, Network, Result, transforms::affinity};
use eigenscape_example_plugin::architecture::Mirror;

#[test]
fn it_is_piecewise_affine_in_each_layer() -> Result<()> {
    let network = Network::new(&[4], |scope, x| Mirror.build(scope, x, 3))?;
    assert_eq!(network.dimension(), (4 + 1) * 8 + (8 + 1) * 3);
    let traced = network.trace(1)?;
    for weight in [traced.parameters[0], traced.parameters[2]] {
        assert!(affinity(&traced.graph, traced.outputs, &[weight]).0.is_affine());
    }
    Ok(())
}
