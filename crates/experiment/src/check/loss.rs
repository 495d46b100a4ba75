//! The loss that an experiment names, and the default losses.

use eigenscape_core::{
    Catalog, Loss, LossFunction, Registry,
    registry::{Built, Environment},
};

use super::Checker;
use crate::{
    diagnostic::{ConfigError, Located},
    plan::{DefaultLosses, LossPlan},
    raw,
};

impl Checker<'_> {
    pub(super) fn loss(&self, raw: Option<&raw::Loss>) -> Result<LossPlan, ConfigError> {
        let named = raw.map(|raw| self.named_loss(raw)).transpose()?;
        let parameters = raw.map(raw::Loss::parameters).unwrap_or_default();
        Ok(LossPlan { named, parameters, defaults: default_losses(self.registry) })
    }

    fn named_loss(&self, raw: &raw::Loss) -> Result<Located<Loss>, ConfigError> {
        let (catalog, name) = (&self.registry.losses, raw.name());
        let Built { plugin, ignored } = self.built(catalog, "loss", name, raw.parameters(), &[])?;
        // Ignoring the key would silently use a different loss.
        if let Some(key) = ignored.first() {
            let others: Vec<&str> = catalog.with_key(key).collect();
            let problem = format!("loss `{name}` has no key `{key}`");
            let help = format!("remove the key, or use a loss that has it: {}", others.join(", "));
            return Err(self.error(&format!("loss.{key}"), problem, help));
        }
        Ok(self.located("loss", plugin.into()))
    }
}

/// The registry's default losses, used where an experiment names none.
#[must_use]
pub fn default_losses(registry: &Registry) -> DefaultLosses {
    let names = registry.default_losses;
    DefaultLosses {
        classes: names.classes.and_then(|name| plain(&registry.losses, name)),
        values: names.values.and_then(|name| plain(&registry.losses, name)),
        nothing: names.nothing.and_then(|name| plain(&registry.losses, name)),
    }
}

/// The loss with this name and default parameters.
fn plain(losses: &Catalog<dyn LossFunction>, name: &str) -> Option<Loss> {
    let built = losses.build(name, toml::Table::new(), &Environment::default());
    built.ok().map(|built| built.plugin.into())
}
