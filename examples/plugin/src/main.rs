//! Eigenscape's command line with the plugins of this crate.

fn main() -> std::process::ExitCode {
    let mut registry = eigenscape_cli::plugins();
    eigenscape_example_plugin::register(&mut registry);
    eigenscape_cli::run(&registry)
}
