//! `[sweep]` and `reruns`: one file, several runs.
//!
//! | in the file | runs |
//! | --- | --- |
//! | `[sweep]` with `"model.name" = ["lenet", "mlp"]` | one for each combination of values |
//! | `[[sweep.case]]` with a `name` and any keys | one for each case, combined with the lists |
//! | `reruns = 3` | each of these with the seeds seed, seed + 1, seed + 2 |
//!
//! Runs that differ only in their seed are reruns of one *variant*. Runs are named by the last
//! words of the keys, "lr=0.1,seed=1", and by as many more as tell two keys apart.

mod bounds;

use std::collections::HashSet;

use crate::{
    cases::{self, Words},
    choices::Choices,
    diagnostic::{ConfigError, Site},
    document::{Node, Tree},
    overrides,
};

/// Keys that belong to the experiment and not to one of its runs.
const SHARED: [&str; 6] = ["name", "out", "reruns", "expect", "extends", "sweep"];
/// The key of the list of cases.
const CASE: &str = "case";
/// The key of the seed.
const SEED: &str = "seed";

/// The runs of a document.
pub struct Expanded {
    /// The document after the command line's choices, with resolved cases.
    pub document: Node,
    /// The runs.
    pub runs: Vec<Combination>,
    /// The profile's changes, as text.
    pub changes: Vec<String>,
}

/// One run.
#[derive(Clone)]
pub struct Combination {
    /// "model=lenet,seed=1"; empty without a sweep.
    pub name: String,
    /// The name without the seed.
    pub variant: String,
    /// The document with the run's values.
    pub document: Node,
}

/// Removes `[sweep]` from the document and makes one document per run. Cases vary slowest, then the
/// first key; the reruns vary fastest.
///
/// The command line's choices override cases, and lists override the command line's choices.
///
/// # Errors
/// When the path of an override cannot be followed, a key's value is not a list, a list is empty, a
/// case has no unique name, or the seed is given in two ways.
pub fn expand(document: &Node, choices: &Choices) -> Result<Expanded, ConfigError> {
    let mut base = document.clone();
    let mut changes = choices.apply(&mut base)?;
    let mut known: HashSet<String> = changes.iter().cloned().collect();
    let sweep = base.remove("sweep");
    bounds::check(&base, sweep.as_ref())?;
    let cases = sweep.as_ref().map_or(Ok(Vec::new()), cases)?;
    let mut axes = sweep.as_ref().map_or(Ok(Vec::new()), |sweep| axes(sweep, ""))?;
    name_shortly(&mut axes);

    let mut starts = Vec::new();
    let mut resolved = Vec::new();
    for (name, case) in &cases {
        let mut given = document.clone();
        overrides::merge(&mut given, case)?;
        for change in choices.apply(&mut given)? {
            if known.insert(change.clone()) {
                changes.push(change);
            }
        }
        given.remove("sweep");
        resolved.push(resolved_case(name, &base, &given));
        starts.push(Combination { name: name.clone(), variant: name.clone(), document: given });
    }
    if cases.is_empty() {
        starts.push(Combination { name: String::new(), variant: String::new(), document: base.clone() });
    }
    let mut runs = starts;
    for axis in &axes {
        let values = |run: Combination| axis.values.iter().map(move |value| run.with(axis, value));
        runs = runs.into_iter().flat_map(values).collect::<Result<_, _>>()?;
    }
    let swept = axes.iter().any(|axis| axis.path == SEED);
    runs = runs.iter().map(|run| reruns(run, swept)).collect::<Result<Vec<_>, _>>()?.concat();
    if let (Some(mut sweep), Tree::Table(entries)) = (sweep, &mut base.value) {
        if let (Some(case), false) = (sweep.remove(CASE), resolved.is_empty()) {
            let list = Tree::Array(resolved.into_iter().map(|value| literal(&case.site, value)).collect());
            if let Tree::Table(sweep) = &mut sweep.value {
                sweep.insert(0, (CASE.to_owned(), Node { value: list, ..case }));
            }
        }
        entries.push(("sweep".to_owned(), sweep));
    }
    Ok(Expanded { document: base, runs, changes })
}

const WORDS: Words = Words { key: "sweep.case", case: "a case of the sweep", example: "with-l2" };

/// The names and overrides of the cases.
fn cases(sweep: &Node) -> Result<Vec<(String, Node)>, ConfigError> {
    let Some(list) = sweep.get(CASE) else { return Ok(Vec::new()) };
    let mut cases = Vec::new();
    for (name, element) in cases::named(list, &WORDS)? {
        let mut case = element.clone();
        case.remove("name");
        if let Tree::Table(entries) = &case.value
            && let Some((key, node)) = entries.iter().find(|(key, _)| SHARED.contains(&first_step(key)))
        {
            return Err(cannot_be_swept(key, node));
        }
        cases.push((name.to_owned(), case));
    }
    Ok(cases)
}

fn first_step(path: &str) -> &str {
    path.split('.').next().unwrap_or(path).trim()
}

fn cannot_be_swept(key: &str, node: &Node) -> ConfigError {
    let help = "set it outside of [sweep]: it is the same for all runs of the experiment".to_owned();
    node.key.error(format!("`{key}` cannot be swept"), Some(help))
}

/// A case as a table of its name and its differences from the base document.
fn resolved_case(name: &str, base: &Node, given: &Node) -> toml::Value {
    let mut table = toml::Table::new();
    table.insert("name".to_owned(), name.into());
    table.extend(overrides::difference(base, given));
    table.into()
}

/// A node for a value that is not in a file. Its parts have no nodes.
fn literal(site: &Site, value: toml::Value) -> Node {
    Node { key: site.clone(), site: site.clone(), value: Tree::Scalar(value) }
}

struct Axis<'a> {
    path: String,
    /// The key in the names of runs.
    name: String,
    key: &'a Node,
    values: &'a [Node],
}

/// The lists below a table; unquoted dotted keys (`model.name = [...]`) are nested tables.
fn axes<'a>(table: &'a Node, prefix: &str) -> Result<Vec<Axis<'a>>, ConfigError> {
    let Tree::Table(entries) = &table.value else {
        let help =
            "write [sweep], and below it the values of keys, as in \"train.optimizer.lr\" = [1e-2, 1e-3]"
                .to_owned();
        return Err(table.site.error("`sweep` must be a table of lists", Some(help)));
    };
    let mut axes = Vec::new();
    for (name, node) in entries {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match &node.value {
            _ if path == CASE => {}
            Tree::Table(_) => axes.extend(self::axes(node, &path)?),
            Tree::Array(values) if !values.is_empty() => {
                axes.push(Axis { name: path.clone(), path, key: node, values });
            }
            _ => return Err(not_a_list(node, &path)),
        }
    }
    for axis in &axes {
        let first = first_step(&axis.path);
        // A profile is applied before the lists. A case may set its own profile values.
        if SHARED.contains(&first) || first == "profile" {
            return Err(cannot_be_swept(&axis.path, axis.key));
        }
    }
    Ok(axes)
}

/// Names each axis by the last steps of its path, as few as tell it from all others and from the
/// seed of reruns. A name or a number of a list alone would say nothing: `model.name` is "model",
/// and `probe.0.samples` is "samples".
fn name_shortly(axes: &mut [Axis]) {
    let steps = |path: &str| -> Vec<String> {
        let steps: Vec<String> = path.split('.').map(|step| step.trim().to_owned()).collect();
        match steps.as_slice() {
            [before @ .., last] if last == "name" && !before.is_empty() => before.to_vec(),
            _ => steps,
        }
    };
    let paths: Vec<Vec<String>> = axes.iter().map(|axis| steps(&axis.path)).collect();
    let seed = [SEED.to_owned()];
    for (index, axis) in axes.iter_mut().enumerate() {
        let own = &paths[index];
        let is_other = |other: &(usize, &Vec<String>)| other.0 != index;
        let others = || paths.iter().enumerate().filter(is_other).map(|(_, path)| path.as_slice());
        let others = || others().chain((axis.path != SEED).then_some(&seed[..]));
        let tells = |count: &usize| {
            let end = &own[own.len() - count..];
            end[0].parse::<usize>().is_err() && others().all(|other| !other.ends_with(end))
        };
        if let Some(count) = (1..=own.len()).find(tells) {
            axis.name = own[own.len() - count..].join(".");
        }
    }
}

fn not_a_list(node: &Node, path: &str) -> ConfigError {
    let help = format!("write the values to run as in \"{path}\" = [1, 2]");
    node.site.error(format!("`sweep.{path}` must be a list of at least one value"), Some(help))
}

/// Repeats the run for each seed.
fn reruns(run: &Combination, swept: bool) -> Result<Vec<Combination>, ConfigError> {
    let integer = |key| match run.document.get(key) {
        Some(Node { value: Tree::Scalar(toml::Value::Integer(number)), .. }) => Some(*number),
        _ => None,
    };
    // A value that is not an integer is refused later, where types are read.
    let (Some(node), Some(count)) = (run.document.get("reruns"), integer("reruns")) else {
        return Ok(vec![run.clone()]);
    };
    if count < 1 {
        let help = "use a whole number from 1 on".to_owned();
        return Err(node.site.error("`reruns` must be at least 1", Some(help)));
    }
    if count == 1 {
        return Ok(vec![run.clone()]);
    }
    if swept {
        let help = "list the seeds in [sweep], or use `reruns`, not both".to_owned();
        return Err(node.site.error("the seed is both swept and counted by `reruns`", Some(help)));
    }
    let first = integer(SEED).unwrap_or(0);
    let axis = Axis { path: SEED.to_owned(), name: SEED.to_owned(), key: node, values: &[] };
    let seed = |i| {
        let seed = first.checked_add(i).ok_or_else(|| {
            let help = "ask for fewer reruns, or start from a smaller seed".to_owned();
            node.site.error("there are not that many seeds", Some(help))
        })?;
        run.clone().with(&axis, &literal(&node.site, seed.into()))
    };
    (0..count).map(seed).collect()
}

impl Combination {
    fn with(&self, axis: &Axis, value: &Node) -> Result<Self, ConfigError> {
        let mut document = self.document.clone();
        // Steps have the location of the key in the file, for errors about a path that cannot be
        // followed.
        let path: Vec<_> =
            axis.path.split('.').map(|step| (step.trim().to_owned(), axis.key.key.clone())).collect();
        overrides::set(&mut document, &path, value)?;
        let part = format!("{}={}", axis.name, label(&value.to_value()));
        let variant = if axis.path == SEED { self.variant.clone() } else { joined(&self.variant, &part) };
        Ok(Self { name: joined(&self.name, &part), variant, document })
    }
}

fn joined(name: &str, part: &str) -> String {
    if name.is_empty() { part.to_owned() } else { format!("{name},{part}") }
}

/// A value in a run's name: strings bare, numbers in few digits, everything else as TOML.
fn label(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        // TOML would write 1e25 in 26 digits.
        toml::Value::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;

    fn names(sweep: &str) -> Vec<String> {
        let text = format!("name = \"case\"\n[sweep]\n{sweep}\n");
        let document = Node::parse(&Source::new("experiment.toml", text.as_str())).unwrap();
        let sweep = document.get("sweep").unwrap();
        let mut axes = axes(sweep, "").unwrap();
        name_shortly(&mut axes);
        axes.into_iter().map(|axis| axis.name).collect()
    }

    #[test]
    fn names_have_as_few_words_as_tell_them_apart() {
        for (sweep, expected) in [
            ("\"train.optimizer.lr\" = [1]", &["lr"][..]),
            ("\"model.name\" = [1]\n\"data.name\" = [1]", &["model", "data"]),
            ("\"train.optimizer.name\" = [1]", &["optimizer"]),
            ("\"probe.0.samples\" = [1]\n\"probe.1.samples\" = [1]", &["probe.0.samples", "probe.1.samples"]),
            ("\"probe.0.samples\" = [1]", &["samples"]),
            ("\"model.seed\" = [1]", &["model.seed"]),
            ("seed = [1]", &["seed"]),
        ] {
            assert_eq!(names(sweep), expected, "{sweep}");
        }
    }

    #[test]
    fn numbers_have_few_digits() {
        let said = [1e25, 1e-3, 0.5, 5.0].map(|number| label(&toml::Value::Float(number)));
        assert_eq!(said, ["1e25", "0.001", "0.5", "5.0"]);
        assert_eq!(label(&toml::Value::String("lenet".to_owned())), "lenet");
    }
}
