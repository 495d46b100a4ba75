//! `new`: a template of a crate that adds a plugin.
//!
//! It writes the files of `examples/plugin` under another name. A test compiles and runs both these
//! files and crates written from them.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use eigenscape_core::{Error, Registry};
use eigenscape_experiment::{Failure, Result, diagnostic::suggestion};

/// The text of a file of the example.
macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../../examples/plugin/", $path))
    };
}

/// A plugin of the example.
struct Part {
    /// The name of its file and of its module.
    name: &'static str,
    /// Its name in experiment files; for an operation, the operation's name.
    plugin: &'static str,
    source: &'static str,
    test: &'static str,
}

const OPERATION: Part = Part {
    name: "operation",
    plugin: "reverse",
    source: example!("src/operation.rs"),
    test: example!("tests/operation.rs"),
};
const ARCHITECTURE: Part = Part {
    name: "architecture",
    plugin: "mirror",
    source: example!("src/architecture.rs"),
    test: example!("tests/architecture.rs"),
};
const DISTANCE: Part = Part {
    name: "distance",
    plugin: "largest",
    source: example!("src/distance.rs"),
    test: example!("tests/distance.rs"),
};
const ESTIMATOR: Part = Part {
    name: "estimator",
    plugin: "two-atoms",
    source: example!("src/estimator.rs"),
    test: example!("tests/estimator.rs"),
};
const PARTS: [Part; 4] = [OPERATION, ARCHITECTURE, DISTANCE, ESTIMATOR];

/// The name of the example's crate, for cargo and in Rust.
const CRATE: [&str; 2] = ["eigenscape-example-plugin", "eigenscape_example_plugin"];
/// The path from the example to Eigenscape's crates.
const CRATES: &str = "../../crates/";

/// Names that a crate cannot have: keywords of Rust, names of cargo's folders, and the crates that
/// it depends on.
const TAKEN: [&str; 70] = [
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    "build",
    "deps",
    "examples",
    "incremental",
    "aux",
    "con",
    "nul",
    "prn",
    "eigenscape",
    "eigenscape_cli",
    "eigenscape_laws",
    "schemars",
    "serde",
    "_",
];

/// The kinds of plugins that have a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Architecture,
    Distance,
    Estimator,
    /// An operation, with an architecture that uses it.
    Primitive,
}

/// The kinds by the words of the command line.
const KINDS: [(&str, Kind); 4] = [
    ("architecture", Kind::Architecture),
    ("distance", Kind::Distance),
    ("estimator", Kind::Estimator),
    ("primitive", Kind::Primitive),
];

/// Kinds without a template: what they are called, their field of the `Registry`, a file to begin
/// with, and what tests them, as in the recipes of ARCHITECTURE.md.
const OTHERS: [[&str; 4]; 3] = [
    ["loss", "losses", "plugins/losses/src/huber.rs", "plugins/losses/tests"],
    [
        "regularizer",
        "regularizers",
        "plugins/regularizers/src/gradient_norm.rs",
        "plugins/regularizers/tests/penalties.rs",
    ],
    ["dataset", "datasets", "plugins/datasets/src/tabular.rs", "plugins/datasets/tests"],
];

/// Writes the folder `name` with a crate that adds a plugin of this kind and name.
pub fn run(kind: &str, name: &str, registry: &Registry) -> Result<()> {
    let kind = named(kind)?;
    check_name(kind, name, registry)?;
    let folder = Path::new(name);
    let sources = sources_from(folder)?;
    fs::create_dir(folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::Usage {
            problem: format!("there is {name} already"),
            remedy: "choose another name, or another folder to write it in".to_owned(),
        },
        _ => Error::io(folder, error).into(),
    })?;
    for (path, text) in files(kind, name, &sources) {
        write(&folder.join(path), &text)?;
    }
    // Use the versions of dependencies that Eigenscape was tested with.
    let (from, to) = (folder.join(&sources).join("../Cargo.lock"), folder.join("Cargo.lock"));
    fs::copy(&from, &to).map_err(|error| Error::io(&from, error))?;
    crate::print(format_args!(
        "{name}: a crate with a template of your {}\n\n    cd {name}\n    cargo test\n    cargo run --release -- reproduce experiment.toml",
        kind.word()
    ))
}

/// The kind of this word.
fn named(word: &str) -> Result<Kind> {
    if let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == word) {
        return Ok(*kind);
    }
    let names = KINDS.map(|(name, _)| name);
    Err(match OTHERS.iter().find(|other| other[0] == word || other[1] == word) {
        Some([word, field, file, tests]) => Failure::Usage {
            problem: format!("there is no template for a {word}"),
            remedy: format!(
                "begin with a copy of {file}, which `registry.{field}.add` adds under its name; {tests} has the tests that it \
                 must pass (ARCHITECTURE.md, \"Recipes\"). In a crate of your own, `register` of examples/plugin is the place.\n\
                 templates: {}",
                names.join(", ")
            ),
        },
        None => Failure::Usage {
            problem: format!("there is no kind of plugin `{word}`"),
            remedy: suggestion(word, "templates", &names),
        },
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    Ok(fs::write(path, text).map_err(|error| Error::io(path, error))?)
}

/// Refuses invalid crate names and the names of existing plugins.
fn check_name(kind: Kind, name: &str, registry: &Registry) -> Result<()> {
    let refused = |problem: String, remedy: &str| Err(Failure::Usage { problem, remedy: remedy.to_owned() });
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    if !begins || !name.chars().all(is_word) || name.len() > 64 {
        return refused(
            format!("`{name}` cannot be a crate's name"),
            "use letters, digits, `-` and `_`, 64 at most, and begin with a letter",
        );
    }
    if TAKEN.contains(&name.replace('-', "_").to_lowercase().as_str()) {
        return refused(
            format!("`{name}` cannot be a crate's name: Rust, cargo or a dependency has it"),
            "choose another",
        );
    }
    let is_there = match kind {
        Kind::Architecture | Kind::Primitive => registry.architectures.iter().any(|(known, _)| known == name),
        Kind::Distance => registry.distances.iter().any(|(known, _)| known == name),
        Kind::Estimator => registry.estimators.iter().any(|(known, _)| known == name),
    };
    if is_there {
        return refused(
            format!("there is a plugin `{name}` of this kind already"),
            "choose another name: two plugins of one name are refused",
        );
    }
    Ok(())
}

/// The path from a new folder to Eigenscape's crates, which are where this program was compiled.
fn sources_from(folder: &Path) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let known = root.canonicalize().ok().filter(|root| root.join("crates/eigenscape/Cargo.toml").is_file());
    let root = known.ok_or_else(|| Failure::Usage {
        problem: "the sources of Eigenscape are no longer where this program was compiled".to_owned(),
        remedy: "run `cargo xtask new` in the repository".to_owned(),
    })?;
    let here = env::current_dir().and_then(|here| here.canonicalize());
    let here = here.map_err(|error| Error::io(".", error))?.join(folder);
    // Relative inside the repository, which may be moved as a whole.
    Ok(match here.strip_prefix(&root) {
        Ok(below) => below.components().map(|_| "..").collect::<PathBuf>().join("crates"),
        Err(_) => root.join("crates"),
    })
}

/// The files of the new crate, as (path in the crate, text).
fn files(kind: Kind, name: &str, sources: &Path) -> Vec<(String, String)> {
    let parts = kind.parts();
    let renamed = |text: &str| {
        let mut text = text.replace(CRATE[0], name).replace(CRATE[1], &name.replace('-', "_"));
        for part in &parts {
            text = text.replace(&format!("\"{}\"", part.plugin), &format!("\"{name}\""));
        }
        text
    };
    let mut files = vec![
        (".gitignore".to_owned(), "/target\n/runs\n".to_owned()),
        ("Cargo.toml".to_owned(), manifest(kind, &renamed(example!("Cargo.toml")), sources)),
        ("experiment.toml".to_owned(), experiment(kind, name)),
        ("src/lib.rs".to_owned(), library(&parts)),
        ("src/main.rs".to_owned(), renamed(example!("src/main.rs"))),
    ];
    for part in &parts {
        files.push((format!("src/{}.rs", part.name), renamed(part.source)));
        files.push((format!("tests/{}.rs", part.name), renamed(part.test)));
    }
    files
}

/// The example's manifest with the paths of its dependencies adapted.
fn manifest(kind: Kind, text: &str, sources: &Path) -> String {
    let line = |line: &str| {
        if line.starts_with("description = ") {
            return format!("description = \"A plugin of Eigenscape: {}\"", kind.word());
        }
        let Some((before, rest)) = line.split_once(&format!("\"{CRATES}")) else { return line.to_owned() };
        let (krate, after) = rest.split_once('"').unwrap_or((rest, ""));
        format!("{before}{}{after}", toml::Value::from(sources.join(krate).display().to_string()))
    };
    let lines: Vec<String> = text.lines().filter(|line| !line.starts_with('#')).map(line).collect();
    lines.join("\n") + "\n"
}

/// The example's `lib.rs` without the modules of parts that are not written.
fn library(parts: &[Part]) -> String {
    let left_out: Vec<&Part> =
        PARTS.iter().filter(|part| parts.iter().all(|chosen| chosen.name != part.name)).collect();
    let is_of = |part: &&Part, line: &str| {
        line.ends_with(&format!("mod {};", part.name)) || line.contains(&format!("{}::register", part.name))
    };
    let kept = example!("src/lib.rs").lines().filter(|line| !left_out.iter().any(|part| is_of(part, line)));
    kept.map(|line| format!("{line}\n")).collect()
}

/// An experiment that uses the plugin, on a data set that is part of the program.
fn experiment(kind: Kind, name: &str) -> String {
    let or = |is_it: bool, other: &str| if is_it { name.to_owned() } else { other.to_owned() };
    let architecture = or(matches!(kind, Kind::Architecture | Kind::Primitive), "mlp");
    let distance = or(kind == Kind::Distance, "wasserstein");
    let estimator = match kind {
        Kind::Estimator => format!("{{ name = \"{name}\", probes = 16 }}"),
        _ => "\"gram\"".to_owned(),
    };
    format!(
        r#"name = "{name}"
seed = 0

[data]
name = "iris"

[model]
name = "{architecture}"

[train]
epochs = 2
batch_size = 16
optimizer = {{ name = "sgd", lr = 0.05 }}

[[probe]]
at = [0, 2]
samples_per_class = 10
groups = ["full", "layers"]
curvature = ["gauss-newton"]
estimator = {estimator}

[[distance]]
name = "{distance}"
"#
    )
}

impl Kind {
    /// The kind in words.
    fn word(self) -> &'static str {
        match self {
            Self::Architecture => "architecture",
            Self::Distance => "distance",
            Self::Estimator => "estimator",
            Self::Primitive => "operation",
        }
    }

    /// The example's plugins to write: an operation is written with an architecture that uses it.
    fn parts(self) -> Vec<Part> {
        match self {
            Self::Architecture | Self::Primitive => vec![OPERATION, ARCHITECTURE],
            Self::Distance => vec![DISTANCE],
            Self::Estimator => vec![ESTIMATOR],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_without_a_template_have_a_recipe() {
        for [word, field, file, tests] in OTHERS {
            let failure = named(word).unwrap_err();
            let Failure::Usage { problem, remedy } = &failure else { panic!("{failure}") };
            assert_eq!((failure.exit_code(), named(field).is_err()), (2, true));
            assert!(problem.contains(word) && remedy.contains("ARCHITECTURE.md"), "{problem} {remedy}");
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            assert!(root.join(file).is_file() && root.join(tests).exists(), "{file}, {tests}");
        }
        let Failure::Usage { remedy, .. } = named("estimatr").unwrap_err() else { panic!("usage") };
        assert!(remedy.starts_with("did you mean `estimator`?"), "{remedy}");
        assert_eq!(named("primitive").unwrap(), Kind::Primitive);
    }

    #[test]
    fn what_is_no_name_of_a_crate_is_refused() {
        let registry = crate::plugins();
        let check = |name: &str| check_name(Kind::Estimator, name, &registry);
        for name in ["mine", "my-estimator", "x2", "my_own", "Mine", "wasserstein"] {
            assert!(check(name).is_ok(), "{name}");
        }
        let long = "x".repeat(65);
        for name in
            ["", "2x", "-x", "a b", "a/b", "..", "é", "fn", "Self", "std", "proc-macro", "serde", &long]
        {
            let failure = check(name).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{name}");
            assert!(failure.to_string().contains("cannot be a crate's name"), "{failure}");
        }
        assert!(check("lanczos").unwrap_err().to_string().contains("already"));
    }

    /// The written files contain none of the example's names.
    #[test]
    fn nothing_of_the_examples_names_is_left() {
        for kind in [Kind::Architecture, Kind::Distance, Kind::Estimator, Kind::Primitive] {
            for (path, text) in files(kind, "my-own", Path::new("/somewhere/crates")) {
                let plugins = kind.parts();
                let names = plugins.iter().map(|part| format!("\"{}\"", part.plugin));
                for name in names.chain(["example".to_owned(), "../..".to_owned()]) {
                    assert!(!text.contains(&name), "{path} has {name}");
                }
            }
        }
    }
}
