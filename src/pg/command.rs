//! Commands of the administrator, run by the shell as `ssl_passphrase_command` is.

use super::wait;
use std::{
    ffi::OsStr,
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// Between two looks whether a command has ended that has closed its output.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What the command prints, at most `longest` bytes; an error where it fails or takes longer than `timeout`, which ends
/// it. What it writes to its standard error goes where the server's does.
///
/// Interrupts are obeyed meanwhile.
pub fn output(command: &OsStr, timeout: Duration, longest: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let deadline = Instant::now() + timeout;
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A group of its own: what it starts can be ended with it.
        .process_group(0)
        .spawn()?;
    let stdout = child.stdout.take();
    let mut running = Running { child, is_over: false };
    let result = stdout
        .map_or_else(|| Ok(Zeroizing::new(Vec::new())), |stdout| read(stdout, deadline, longest))
        .and_then(|text| running.end(deadline).map(|status| (text, status)));
    wait::set_latch();
    match result? {
        (text, status) if status.success() => Ok(text),
        (_, status) => Err(io::Error::other(format!("it ended with {status}"))),
    }
}

fn read(mut stdout: ChildStdout, deadline: Instant, longest: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // Nothing moves in memory while it is filled.
    let mut text = Zeroizing::new(vec![0; longest + 1]);
    let mut length = 0;
    loop {
        if !wait::readable(&stdout, left(deadline)?) {
            continue;
        }
        match stdout.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
            Err(problem) => return Err(problem),
        }
        if length > longest {
            let problem = format!("it prints more than {longest} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
    }
    text.truncate(length);
    Ok(text)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long"));
    }
    Ok(left)
}

/// A command that is ended with whatever ends the waiting for it.
struct Running {
    child: Child,
    is_over: bool,
}

impl Running {
    /// Waits for its end.
    fn end(&mut self, deadline: Instant) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.is_over = true;
                return Ok(status);
            }
            wait::latch(left(deadline)?.min(BETWEEN_LOOKS));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            if let Ok(group) = libc::pid_t::try_from(self.child.id()) {
                // SAFETY: the child has not been waited for, so that its group is nobody else's.
                unsafe { libc::kill(-group, libc::SIGKILL) };
            }
            let _ = self.child.wait();
        }
    }
}
