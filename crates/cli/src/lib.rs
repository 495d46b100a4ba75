//! The command line of Eigenscape as a library, for this repository's binary (`xtask`) and for
//! binaries that add plugins of their own:
//!
//! ```no_run
//! let mut registry = eigenscape_cli::plugins();
//! // my_plugins::register(&mut registry);
//! let exit_code = eigenscape_cli::run(&registry);
//! ```

mod cli;
mod commands;
mod json_file;
mod layout;
mod locate;
mod signals;

use std::{
    env,
    ffi::OsString,
    fmt::Display,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use clap::Parser;
pub use eigenscape::plugins;
use eigenscape_core::Registry;
use eigenscape_experiment::{Failure, Result};
use eigenscape_runtime::{SIMD, check_simd};
use miette::MietteHandlerOpts;
use textwrap::{WordSeparator, WordSplitter};

use crate::cli::{Arguments, Command, Schema};

/// Parses the process' arguments and runs the command. Exit code 0: done; 1: failed, or stopped by
/// a signal; 2: wrong usage or configuration.
#[must_use]
pub fn run(registry: &Registry) -> ExitCode {
    run_with(env::args_os(), registry)
}

/// [`run`] with these arguments instead of the process'; the first one is the program's name.
#[must_use]
pub fn run_with(arguments: impl IntoIterator<Item = OsString>, registry: &Registry) -> ExitCode {
    let done = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => environment()
            .and_then(|()| distinct(registry))
            .and_then(|()| dispatch(arguments.command, registry)),
        // Help or the version was requested.
        Err(text) if !text.use_stderr() => written(text.print()),
        Err(wrong) => wrong.exit(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.exit_code();
            report(failure);
            ExitCode::from(code)
        }
    }
}

/// Refuses environment variables that cannot be followed.
fn environment() -> Result<()> {
    check_simd().map_err(|error| Failure::Usage {
        problem: error.to_string(),
        remedy: format!("name one of these, or unset {SIMD} for the best"),
    })
}

/// Refuses plugins of one kind that have the same name.
fn distinct(registry: &Registry) -> Result<()> {
    registry.check().map_err(|error| {
        let (problem, remedy) = error.into_words();
        Failure::Usage { problem, remedy: remedy.unwrap_or_default() }
    })
}

fn dispatch(command: Command, registry: &Registry) -> Result<()> {
    match command {
        Command::Reproduce(arguments) => commands::reproduce::run(&arguments, registry),
        Command::List { kind, name, overrides } => {
            commands::list::run(kind.as_deref(), name.as_deref(), &overrides.choices(None), registry)
        }
        Command::Check { experiments, overrides } => {
            commands::check::run(&experiments, &overrides.choices(None), registry)
        }
        Command::Bench(arguments) => commands::bench::run(&arguments, registry),
        Command::Report { directories, out } => commands::report::run(&directories, out.as_deref()),
        Command::Data { name } => commands::data::run(name.as_deref(), registry),
        Command::Verify(arguments) => commands::verify::run(&arguments, registry),
        Command::New { kind, name } => commands::new::run(&kind, &name, registry),
        Command::Schema { of } => {
            let schema = match of {
                Schema::Experiment => eigenscape_experiment::schema::experiment(registry),
                Schema::Results => eigenscape_core::results::schema(),
            };
            print(format_args!("{schema:#}"))
        }
    }
}

/// Prints a line on stdout. A closed pipe (`| head`) is not a failure.
///
/// # Errors
/// When stdout cannot be written, as on a full disk.
fn print(text: impl Display) -> Result<()> {
    let mut stdout = io::stdout();
    written(writeln!(stdout, "{text}").and_then(|()| stdout.flush()))
}

fn written(done: io::Result<()>) -> Result<()> {
    match done {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Run {
            problem: format!("stdout cannot be written: {error}"),
            remedy: Some("free space where it is redirected to, or redirect it elsewhere".to_owned()),
        }),
        _ => Ok(()),
    }
}

/// Prints a failure on stderr, with colours on a terminal. Does not break paths or lines to be
/// copied into a file.
fn report(failure: Failure) {
    let whole_words = MietteHandlerOpts::new()
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    // Fails only if a hook is set already, which is this same one.
    drop(miette::set_hook(Box::new(move |_| Box::new(whole_words.clone().build()))));
    drop(writeln!(io::stderr(), "{:?}", miette::Report::new(failure)));
}

#[cfg(test)]
mod tests {
    use eigenscape::{Error, architectures::NoSettings};

    use super::*;

    #[test]
    fn nothing_is_done_with_two_plugins_of_one_name() {
        let list = || run_with(["xtask", "list", "estimator", "lanczos"].map(Into::into), &plugins());
        assert_eq!(format!("{:?}", list()), format!("{:?}", ExitCode::SUCCESS));
        let mut registry = plugins();
        registry.estimators.add("lanczos", "my own", |NoSettings {}, _| {
            Err(Error::input("lanczos", "is never built", "do not ask"))
        });
        let failure = distinct(&registry).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        let words = failure.to_string();
        assert!(words.contains("estimator `lanczos`") && words.contains("my own"), "{words}");
        let refused = run_with(["xtask", "list", "estimator"].map(Into::into), &registry);
        assert_eq!(format!("{refused:?}"), format!("{:?}", ExitCode::from(2)));
    }
}
