//! Errors of an experiment's file: one diagnostic each, with the offending text underlined.

use std::{ops::Range, sync::Arc};

use eigenscape_core::registry::nearest;
use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::excerpt::{Excerpt, boundary, shortened};

/// The result of functions that can fail because of the experiment's file or while it runs.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why an experiment failed.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Failure {
    /// The experiment's file or a `--set` flag is at fault (exit code 2).
    #[error(transparent)]
    #[diagnostic(transparent)]
    Configuration(ConfigError),
    /// The command line is at fault: a file that cannot be read, a name that does not exist (exit
    /// code 2).
    #[error("{problem}")]
    Usage {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        #[help]
        remedy: String,
    },
    /// The user interrupted the experiment (exit code 1).
    #[error("interrupted{}", if kept.is_empty() { " before anything was finished".to_owned() } else { format!(": {kept}") })]
    #[diagnostic(help(
        "give the same command again{}",
        if kept.is_empty() { ": it starts anew" } else { " (without --fresh): it goes on from there" }
    ))]
    Interrupted {
        /// The finished work that is kept: "the training up to epoch 3 of 5 is kept in ...".
        kept: String,
    },
    /// Something failed while running (exit code 1).
    #[error("{problem}")]
    Run {
        /// What went wrong, with the file or object at fault.
        problem: String,
        /// What to do about it, where something can be done.
        #[help]
        remedy: Option<String>,
    },
}

impl Failure {
    /// The process' exit code: 2 for usage and configuration, 1 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Usage { .. } => 2,
            Self::Run { .. } | Self::Interrupted { .. } => 1,
        }
    }
}

impl Failure {
    /// Adds what is kept in spite of the failure: "the training up to epoch 3 of 5 is kept in ...".
    #[must_use]
    pub fn keeping(self, what: Option<String>) -> Self {
        match (self, what) {
            (Self::Interrupted { kept }, Some(what)) if kept.is_empty() => Self::Interrupted { kept: what },
            (Self::Interrupted { kept }, Some(what)) => Self::Interrupted { kept: format!("{what}; {kept}") },
            (Self::Run { problem, remedy }, Some(what)) => {
                let remedy = remedy.into_iter().chain([what]).collect::<Vec<_>>().join("; ");
                Self::Run { problem, remedy: Some(remedy) }
            }
            (failure, _) => failure,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error)
    }
}

impl From<eigenscape_core::Error> for Failure {
    fn from(error: eigenscape_core::Error) -> Self {
        if matches!(error, eigenscape_core::Error::Interrupted) {
            return Self::Interrupted { kept: String::new() };
        }
        let (problem, remedy) = error.into_words();
        Self::Run { problem, remedy }
    }
}

/// An invalid value in the experiment's file or in a `--set` flag: its location, the problem and
/// the remedy.
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[error(transparent)]
#[diagnostic(transparent)]
pub struct ConfigError(Box<Details>);

impl ConfigError {
    /// The text at fault, and where in it the error is, in bytes from its start.
    #[must_use]
    pub fn place(&self) -> (&str, usize) {
        (&self.0.source_code.inner().0, self.0.span.offset())
    }

    /// What is wrong.
    #[must_use]
    pub(crate) fn problem(&self) -> &str {
        &self.0.problem
    }

    /// The same error with another help.
    #[must_use]
    pub(crate) fn helped(mut self, help: String) -> Self {
        self.0.help = Some(shortened(help));
        self
    }

    /// The same error, marked as occurring only under a condition.
    #[must_use]
    pub(crate) fn when(mut self, condition: &str) -> Self {
        self.0.problem = format!("{} ({condition})", self.0.problem);
        self
    }
}

#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[error("{problem}")]
struct Details {
    problem: String,
    #[source_code]
    source_code: NamedSource<Excerpt>,
    #[label]
    span: SourceSpan,
    #[help]
    help: Option<String>,
}

/// A source of configuration: the experiment's file or a `--set` flag.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
}

impl Source {
    /// A text with its name in messages.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The location of these bytes.
    #[must_use]
    pub fn site(&self, span: Range<usize>) -> Site {
        Site { source: self.clone(), span }
    }
}

/// The location of a key or a value.
#[derive(Debug, Clone)]
pub struct Site {
    source: Source,
    span: Range<usize>,
}

impl Site {
    /// The text at this location.
    #[must_use]
    pub(crate) fn text(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or_default()
    }

    /// An error at this location.
    #[must_use]
    pub fn error(&self, problem: impl Into<String>, help: Option<String>) -> ConfigError {
        ConfigError(Box::new(Details {
            problem: shortened(problem.into()),
            source_code: NamedSource::new(&self.source.name, Excerpt(Arc::clone(&self.source.text))),
            span: SourceSpan::from(self.first_line()),
            help: help.map(shortened),
        }))
    }

    /// The first line of the span, cut to a maximum length: of a table, only the header is
    /// underlined.
    fn first_line(&self) -> Range<usize> {
        const UNDERLINED: usize = 200;
        let text = self.text();
        let length = text.find('\n').unwrap_or(text.len());
        let length = boundary(text, length.min(UNDERLINED));
        self.span.start..self.span.start + length
    }
}

/// A value with its location, for errors that are found after parsing.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The location.
    pub site: Site,
}

/// Help for an unknown name: "write `sgd`" where it differs from a known one in nothing but
/// capitals and signs; otherwise "did you mean `lanczos`?" and, below it, all known names.
#[must_use]
pub fn suggestion(word: &str, what: &str, known: &[impl AsRef<str>]) -> String {
    let names = || known.iter().map(AsRef::as_ref);
    if let Some(same) = names().find(|name| letters(name) == letters(word)) {
        return format!("write `{same}`");
    }
    match nearest(word, names()) {
        Some(name) => format!("did you mean `{name}`?\n{}", listed(what, known)),
        None => listed(what, known),
    }
}

/// All names that are known: "known estimators: dense, gram, lanczos".
#[must_use]
pub fn listed(what: &str, known: &[impl AsRef<str>]) -> String {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    if known.is_empty() {
        return format!("there are no {what} here");
    }
    format!("known {what}: {}", known.join(", "))
}

/// The letters and digits of a name, in lower case.
fn letters(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_other_letters_is_corrected_without_a_list() {
        let known = ["adam", "adamw", "sgd"];
        assert_eq!(suggestion("SGD", "optimizers", &known), "write `sgd`");
        assert_eq!(suggestion("batchsize", "keys", &["epochs", "batch_size"]), "write `batch_size`");
        let list = "known optimizers: adam, adamw, sgd";
        assert_eq!(suggestion("sgdm", "optimizers", &known), format!("did you mean `sgd`?\n{list}"));
        assert_eq!(suggestion("lion", "optimizers", &known), list);
        assert_eq!(suggestion("x", "keys", &[""; 0]), "there are no keys here");
    }
}
