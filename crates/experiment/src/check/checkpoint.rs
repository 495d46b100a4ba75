//! Checks of checkpoints: the file exists, prefixes are not empty, renames are valid.

use super::Checker;
use crate::{
    checkpoint::{Rename, Selection},
    diagnostic::{ConfigError, Located},
    document::{Node, Tree},
    raw,
};

/// The key of the checkpoint.
const PATH: &str = "model.checkpoint";
/// The keys of its table.
const KEYS: [&str; 5] = ["path", "key", "strip_prefix", "rename", "transpose"];

impl Checker<'_> {
    pub(super) fn checkpoint(&self, raw: &raw::Checkpoint) -> Result<Located<Selection>, ConfigError> {
        let selection = self.selection(raw)?;
        let resolved = self.environment.resolve(&selection.path);
        if !resolved.is_file() {
            let problem = if resolved.exists() {
                format!("{} is not a file", resolved.display())
            } else {
                format!("there is no file {}", resolved.display())
            };
            return Err(self.error(
                &format!("{PATH}.path"),
                problem,
                "relative paths are looked up beside the experiment's file, then in the current folder",
            ));
        }
        if selection.key.as_deref() == Some("") {
            let help = "leave `key` out if the file itself is the state dict";
            return Err(self.error(&format!("{PATH}.key"), "`key` is empty", help));
        }
        Ok(self.located(PATH, Selection { path: resolved, ..selection }))
    }

    /// The selection that the key describes; the file need not exist.
    pub(super) fn selection(&self, raw: &raw::Checkpoint) -> Result<Selection, ConfigError> {
        let table = match raw {
            raw::Checkpoint::Path(path) => {
                return Ok(Selection { path: path.clone(), written: path.clone(), ..Selection::default() });
            }
            raw::Checkpoint::Table(table) => table,
        };
        self.no_other_key(PATH, &table.unknown, &KEYS)?;
        Ok(Selection {
            path: table.path.clone(),
            written: table.path.clone(),
            key: table.key.clone(),
            strip_prefix: self.words("strip_prefix", table.strip_prefix.as_ref(), "module.")?,
            rename: self.rename()?,
            transpose: self.words("transpose", table.transpose.as_ref(), "*.c_attn.weight")?,
        })
    }

    /// The strings of a key; empty strings are refused.
    fn words(
        &self,
        key: &str,
        words: Option<&raw::Words>,
        example: &str,
    ) -> Result<Vec<String>, ConfigError> {
        let words = words.into_iter().flat_map(raw::Words::iter).map(|(index, word)| {
            if word.is_empty() {
                let what = if key == "transpose" { "a name" } else { "a prefix" };
                let help = format!("leave it out, or write one as \"{example}\"");
                return Err(self.error(&format!("{PATH}.{key}{index}"), format!("{what} is empty"), help));
            }
            Ok(word.to_owned())
        });
        words.collect()
    }

    fn rename(&self) -> Result<Vec<Rename>, ConfigError> {
        let Some(table) = self.document.at(PATH).get("rename") else { return Ok(Vec::new()) };
        let mut pairs = Vec::new();
        flatten(table, "", &mut pairs)?;
        let mut rename: Vec<Rename> = Vec::new();
        for (from, to, node) in pairs {
            let entry = Rename::new(&from, to)
                .map_err(|refusal| node.key.error(refusal.problem, Some(refusal.remedy)))?;
            // The last entry for a name wins, since an override may repeat it.
            rename.retain(|other| other.from() != from);
            rename.push(entry);
        }
        Ok(rename)
    }
}

/// Collects each old name with the new name and its node. Unquoted dotted keys are nested tables.
fn flatten<'n>(
    table: &'n Node,
    prefix: &str,
    pairs: &mut Vec<(String, &'n str, &'n Node)>,
) -> Result<(), ConfigError> {
    let Tree::Table(entries) = &table.value else { return Ok(()) };
    for (key, node) in entries {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match &node.value {
            Tree::Table(_) => flatten(node, &name, pairs)?,
            Tree::Scalar(toml::Value::String(target)) => pairs.push((name, target, node)),
            _ => {
                let help = format!("write it as in \"{name}\" = \"0.weight\"");
                return Err(node.site.error(format!("`{PATH}.rename`: a name must be a string"), Some(help)));
            }
        }
    }
    Ok(())
}
