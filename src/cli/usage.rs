//! What is said of a command line that cannot be read, and what `--help` and `--version` say.

use std::ffi::OsStr;
use std::process::ExitCode;

use super::output;
use crate::foreign::Quoted;

/// Prints it, and gives the exit status. Arguments may come from a script, which has them from elsewhere.
pub(super) fn tell(error: &clap::Error) -> ExitCode {
    match error.use_stderr() {
        true => output::tell(safe(&error.to_string(), std::env::args_os()).trim_end()),
        false => {
            let _ = error.print();
        }
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(super::UNDECIDED))
}

/// The message, in which an argument begins no line of its own.
fn safe(message: &str, arguments: impl Iterator<Item = impl AsRef<OsStr>>) -> String {
    let mut message = message.to_owned();
    for argument in arguments {
        let argument = argument.as_ref().to_string_lossy();
        if argument.contains('\n') {
            message = message.replace(&*argument, &Quoted(&argument).to_string());
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t40_an_argument_begins_no_line() {
        let message = "error: unexpected argument 'a\nerror: b' found\n\nUsage: tagseal";
        let safe = safe(message, ["tagseal", "a\nerror: b"].into_iter());
        assert_eq!(safe, "error: unexpected argument '\"a\\nerror: b\"' found\n\nUsage: tagseal");
    }
}
