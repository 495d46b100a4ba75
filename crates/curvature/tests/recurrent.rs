//! The checks of `random_networks.rs` for recurrent layers, with one output per sample or per time
//! step.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{
    CLASSES, affinity_is_honest, derivatives_agree, factors_agree, losses, modes, streams_agree, traces_agree,
};
use eigenscape_program::{
    Scope, Value,
    nn::{self, Nonlinearity, RecurrentSettings},
};
use proptest::{prelude::*, test_runner::RngSeed};

#[derive(Debug, Clone, Copy)]
enum Cell {
    Rnn(Nonlinearity),
    Lstm,
    Gru,
}

impl Cell {
    fn emit(
        self,
        scope: &mut Scope,
        x: Value,
        settings: &RecurrentSettings,
    ) -> eigenscape_program::Result<Value> {
        match self {
            Self::Rnn(nonlinearity) => nn::rnn(scope, x, settings, nonlinearity),
            Self::Lstm => nn::lstm(scope, x, settings),
            Self::Gru => nn::gru(scope, x, settings),
        }
    }
}

fn cells() -> impl Strategy<Value = Cell> {
    let rnn = [Nonlinearity::Tanh, Nonlinearity::Relu].map(Cell::Rnn);
    prop::sample::select([&rnn[..], &[Cell::Lstm, Cell::Gru]].concat())
}

fn settings() -> impl Strategy<Value = RecurrentSettings> {
    (1..4_usize, 1..3_usize, any::<bool>(), any::<bool>()).prop_map(
        |(hidden_size, num_layers, bias, bidirectional)| RecurrentSettings {
            hidden_size,
            num_layers,
            bias,
            batch_first: true,
            bidirectional,
        },
    )
}

proptest! {
    // The seed is fixed, as in `random_networks.rs`.
    #![proptest_config(ProptestConfig {
        cases: 40,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]
    #[test]
    fn recurrent_networks_obey_the_laws(
        seed in any::<u64>(),
        loss in losses(),
        mode in modes(),
        cell in cells(),
        settings in settings(),
        length in 1..5_usize,
        each_time in any::<bool>(),
    ) {
        let build = move |scope: &mut Scope, x| {
            let states = cell.emit(&mut scope.at("0"), x, &settings)?;
            let states = if each_time { states } else { nn::token(scope, states, length - 1)? };
            nn::linear(&mut scope.at("1"), states, CLASSES, true)
        };
        let case = common::set_up(seed, &loss, mode, &[length, 2], build).unwrap();
        derivatives_agree(&case).unwrap();
        factors_agree(&case).unwrap();
        affinity_is_honest(&case).unwrap();
        streams_agree(&case).unwrap();
        traces_agree(&case).unwrap();
    }
}
