//! The `tagseal` binary: parses the command line and dispatches.

fn main() -> std::process::ExitCode {
    tagseal::cli::main()
}
