//! Starting a thread that no signal reaches: the one place with `unsafe`.
//!
//! PostgreSQL's signal handlers belong to its main thread. A thread that takes a SIGURG or SIGTERM
//! in its place swallows the wake-up. A new thread inherits the mask of the one that starts it, and
//! so do the threads that it starts in its turn (name resolution).

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};
use std::{io, ptr};

/// Runs `body` on a new thread with all signals masked. The caller's mask is as before afterwards.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let _masked = Masked::all()?;
    Builder::new().name(name.to_owned()).spawn(body)
}

/// While it lives, the current thread has all signals masked.
struct Masked {
    before: libc::sigset_t,
}

impl Masked {
    fn all() -> io::Result<Self> {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: both pointers are to memory of the right type; `sigfillset` initialises the set
        // that `pthread_sigmask` reads, and the latter concerns this thread only.
        let code = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
        };
        if code != 0 {
            return Err(io::Error::from_raw_os_error(code));
        }
        // SAFETY: `pthread_sigmask` succeeded, so it has written the old mask.
        Ok(Masked { before: unsafe { before.assume_init() } })
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        // SAFETY: `before` is a mask that the system gave; a null pointer asks for no old mask.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut());
        }
    }
}
