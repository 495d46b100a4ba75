//! Checkpoints: a file that exists, prefixes that are some.

use super::Checker;
use crate::{
    checkpoint::Selection,
    diagnostic::{ConfigError, Located},
    raw,
};

/// The key.
const PATH: &str = "model.checkpoint";

impl Checker<'_> {
    pub(super) fn checkpoint(&self, raw: &raw::Checkpoint) -> Result<Located<Selection>, ConfigError> {
        let (path, key, prefixes) = match raw {
            raw::Checkpoint::Path(path) => (path, None, None),
            raw::Checkpoint::Table(table) => {
                self.no_other_key(PATH, &table.unknown, &["path", "key", "strip_prefix"])?;
                (&table.path, table.key.as_deref(), table.strip_prefix.as_ref())
            }
        };
        let resolved = self.environment.resolve(path);
        if !resolved.is_file() {
            return Err(self.error(
                &format!("{PATH}.path"),
                format!("there is no file {}", resolved.display()),
                "relative paths are looked up beside the experiment's file, then in the current folder",
            ));
        }
        if key == Some("") {
            let help = "leave `key` out where the file itself is the state dict";
            return Err(self.error(&format!("{PATH}.key"), "`key` is empty", help));
        }
        let prefixes = prefixes.into_iter().flat_map(raw::Words::iter).map(|(index, prefix)| {
            if prefix.is_empty() {
                let at = format!("{PATH}.strip_prefix{index}");
                return Err(self.error(
                    &at,
                    "a prefix is empty",
                    "leave it out, or write one as \"module.\"",
                ));
            }
            Ok(prefix.to_owned())
        });
        let selection = Selection {
            path: resolved,
            key: key.map(str::to_owned),
            strip_prefix: prefixes.collect::<Result<_, _>>()?,
        };
        Ok(self.located(PATH, selection))
    }
}
