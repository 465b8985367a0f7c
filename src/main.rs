//! The `volens` program. Everything is in the library; see [`volens::cli`].

fn main() -> std::process::ExitCode {
    volens::cli::main()
}
