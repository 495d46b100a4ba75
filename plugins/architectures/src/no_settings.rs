//! The settings of architectures without settings.

use schemars::JsonSchema;
use serde::Deserialize;

/// No settings: the data determine the network's sizes.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}
