//! The `tagseal` binary: parses the command line and dispatches.

/// The image for production is a static musl binary, whose own allocator takes one lock for all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tagseal::cli::main()
}
