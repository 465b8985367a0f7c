//! The `volens` program. Everything is in the library; see [`volens::cli`].

/// Much of what the program does is to open and parse small records on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    volens::cli::main()
}
