//! The command `daftar`: does without a screen what the field app does. Holds no engine: all of that is `daftar_device`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
