//! Initialisation of parameters: distributions, and an architecture's rules for its layers.

/// The initial distribution of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All equal to one number.
    Constant {
        /// The number.
        value: f64,
    },
    /// Uniform on \[−bound, bound\].
    Uniform {
        /// The bound.
        bound: f64,
    },
    /// Normal with mean 0.
    Normal {
        /// The standard deviation.
        std: f64,
    },
    /// Normal with mean 0, truncated to \[−bound, bound\], as in `torch.nn.init.trunc_normal_`.
    TruncatedNormal {
        /// The standard deviation before truncation.
        std: f64,
        /// The bound, absolute and not in units of `std`.
        bound: f64,
    },
}

/// The initialisation of a layer's tensor, as a function of the layer's size.
///
/// As in PyTorch, for a convolution \[O, I/groups, k, k\] the fan-in (the number of inputs of one
/// output) is I/groups·k², and the fan-out (the number of outputs that one input contributes to at
/// stride 1, without regard to groups) is O·k². A bias uses the fan-in and fan-out of its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InitRule {
    /// Uniform within 1/√fan-in: PyTorch's default for weights and biases (`kaiming_uniform_` with
    /// a = √5).
    FanIn,
    /// Normal with standard deviation √(2/fan-out): `kaiming_normal_` with `mode="fan_out"` (He et
    /// al. 2015).
    FanOut,
    /// The same distribution at any size.
    Fixed(Init),
}

impl InitRule {
    /// All 0.
    pub const ZEROS: Self = Self::Fixed(Init::Zeros);

    /// Normal with mean 0 and this standard deviation.
    #[must_use]
    pub const fn normal(std: f64) -> Self {
        Self::Fixed(Init::Normal { std })
    }

    /// The distribution for a layer of this fan-in and fan-out.
    #[must_use]
    pub fn at(self, fan_in: usize, fan_out: usize) -> Init {
        let root = |fan: usize| (fan.max(1) as f64).sqrt();
        match self {
            Self::FanIn => Init::Uniform { bound: 1.0 / root(fan_in) },
            Self::FanOut => Init::Normal { std: 2.0_f64.sqrt() / root(fan_out) },
            Self::Fixed(init) => init,
        }
    }
}

/// An architecture's initialisation rules for the layers emitted through a scope (see
/// [`Scope::with_init`]).
///
/// Normalisation layers have no rule: their scales start as ones, their shifts as zeros.
///
/// ```
/// use eigenscape_program::{Init, InitRule, InitRules, Network, nn};
/// const RULES: InitRules = InitRules { linear_bias: InitRule::ZEROS, ..InitRules::PYTORCH };
/// let network = Network::new(&[4], |scope, x| {
///     nn::linear(&mut scope.with_init(RULES), x, 3, true)
/// })?;
/// assert_eq!(network.parameters()[0].init, Init::Uniform { bound: 0.5 });
/// assert_eq!(network.parameters()[1].init, Init::Zeros);
/// # Ok::<(), eigenscape_program::Error>(())
/// ```
///
/// [`Scope::with_init`]: crate::Scope::with_init
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InitRules {
    /// Weights of convolutions.
    pub conv_weight: InitRule,
    /// Biases of convolutions.
    pub conv_bias: InitRule,
    /// Weights of linear layers.
    pub linear_weight: InitRule,
    /// Biases of linear layers.
    pub linear_bias: InitRule,
    /// Tables of embeddings.
    pub embedding: InitRule,
    /// Learned positions and class tokens.
    pub position: InitRule,
}

impl InitRules {
    /// The defaults of PyTorch's modules. Positions, for which PyTorch has no module, start as in
    /// BERT and ViT.
    pub const PYTORCH: Self = Self {
        conv_weight: InitRule::FanIn,
        conv_bias: InitRule::FanIn,
        linear_weight: InitRule::FanIn,
        linear_bias: InitRule::FanIn,
        embedding: InitRule::normal(1.0),
        position: InitRule::normal(0.02),
    };
}
