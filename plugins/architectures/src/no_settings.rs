//! The settings of architectures that have none.

use schemars::JsonSchema;
use serde::Deserialize;

/// No settings: the data alone decide the network's sizes.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}
