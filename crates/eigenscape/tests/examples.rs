//! Runs each example, which checks its own results.

#[path = "../examples/my_network.rs"]
mod my_network;

#[path = "../examples/training_loop.rs"]
mod training_loop;

#[path = "../examples/solver.rs"]
mod solver;

#[path = "../examples/own_matrix.rs"]
mod own_matrix;

#[path = "../examples/candle_module.rs"]
mod candle_module;

#[test]
fn my_network_runs() {
    my_network::main().unwrap();
}

#[test]
fn training_loop_runs() {
    training_loop::main().unwrap();
}

#[test]
fn solver_runs() {
    solver::main().unwrap();
}

#[test]
fn own_matrix_runs() {
    own_matrix::main().unwrap();
}

#[test]
fn candle_module_runs() {
    candle_module::main().unwrap();
}
