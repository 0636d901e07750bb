//! Statements that run so often that every microsecond counts: a plan for the session, arguments as they are, and rows
//! that go where they belong without being looked at.

use super::call::ResultSet;
use pgrx::{
    pg_sys::panic::{CaughtError, ErrorReport},
    prelude::*,
};
use std::{cell::Cell, ffi::CString, panic::AssertUnwindSafe, ptr};

pub struct Statement {
    text: &'static str,
    types: &'static [pg_sys::Oid],
    plan: Cell<pg_sys::SPIPlanPtr>,
}

/// An argument: NULL where it is `None`.
pub type Argument = Option<pg_sys::Datum>;

unsafe extern "C-unwind" {
    fn SetTuplestoreDestReceiverParams(
        receiver: *mut pg_sys::DestReceiver,
        rows: *mut pg_sys::Tuplestorestate,
        context: pg_sys::MemoryContext,
        detoast: bool,
        target: pg_sys::TupleDesc,
        message: *const std::ffi::c_char,
    );
}

impl Statement {
    pub const fn new(text: &'static str, types: &'static [pg_sys::Oid]) -> Self {
        Self { text, types, plan: Cell::new(ptr::null_mut()) }
    }

    /// Runs it and adds its rows to a result; gives their number.
    pub fn collect(&self, arguments: &[Argument], results: &ResultSet) -> u64 {
        // SAFETY: the tuple store lives longer than the receiver, and takes rows of the statement's columns as they are.
        let receiver = unsafe {
            let receiver = pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestTuplestore);
            let (target, message) = (ptr::null_mut(), ptr::null());
            SetTuplestoreDestReceiverParams(receiver, results.rows, results.context, false, target, message);
            receiver
        };
        self.run(arguments, receiver, |count| count)
    }

    /// Runs it; gives the first column of the first row, which must be a `T`. The outer `None`: there is no row.
    pub fn first<T: FromDatum>(&self, arguments: &[Argument]) -> Option<Option<T>> {
        self.run(arguments, ptr::null_mut(), |count| {
            (count > 0).then(|| {
                let mut is_null = false;
                // SAFETY: SPI has returned a row, which lives until SPI is left; a by-reference `T` is a copy.
                unsafe {
                    let table = pg_sys::SPI_tuptable;
                    let datum = pg_sys::SPI_getbinval(*(*table).vals, (*table).tupdesc, 1, &mut is_null);
                    T::from_datum(datum, is_null)
                }
            })
        })
    }

    fn run<T>(
        &self,
        arguments: &[Argument],
        receiver: *mut pg_sys::DestReceiver,
        read: impl FnOnce(u64) -> T,
    ) -> T {
        debug_assert_eq!(arguments.len(), self.types.len());
        let scene = Scene::set();
        // SAFETY: SPI is used as its documentation says. After an error PostgreSQL itself leaves SPI and frees its memory.
        let execute = || unsafe {
            check("SPI_connect", pg_sys::SPI_connect());
            let mut options = pg_sys::SPIExecuteOptions { dest: receiver, ..Default::default() };
            let plan = self.plan();
            options.params = pg_sys::makeParamList(arguments.len() as i32);
            let places = (*options.params).params.as_mut_ptr();
            for (n, (argument, oid)) in arguments.iter().zip(self.types).enumerate() {
                *places.add(n) = pg_sys::ParamExternData {
                    value: argument.unwrap_or(pg_sys::Datum::from(0)),
                    isnull: argument.is_none(),
                    pflags: pg_sys::PARAM_FLAG_CONST as u16,
                    ptype: *oid,
                };
            }
            check("SPI_execute_plan_extended", pg_sys::SPI_execute_plan_extended(plan, &options));
            if !receiver.is_null()
                && let Some(destroy) = (*receiver).rDestroy
            {
                destroy(receiver);
            }
            let value = read(pg_sys::SPI_processed);
            check("SPI_finish", pg_sys::SPI_finish());
            value
        };
        let value = PgTryBuilder::new(AssertUnwindSafe(execute)).catch_others(|error| raise(error)).execute();
        scene.leave();
        value
    }

    /// The plan, made at the first use in a session.
    ///
    /// # Safety
    /// SPI must be connected.
    unsafe fn plan(&self) -> pg_sys::SPIPlanPtr {
        if self.plan.get().is_null() {
            let text = CString::new(self.text).unwrap_or_default();
            let mut types = self.types.to_vec();
            // SAFETY: text and types are copied into the plan, which is kept until the session ends.
            unsafe {
                let plan = pg_sys::SPI_prepare_cursor(
                    text.as_ptr(),
                    types.len() as i32,
                    types.as_mut_ptr(),
                    pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
                );
                if plan.is_null() {
                    let code = pg_sys::SPI_result;
                    error!("a statement of sequin can't be prepared: code {code}");
                }
                check("SPI_keepplan", pg_sys::SPI_keepplan(plan));
                self.plan.set(plan);
            }
        }
        self.plan.get()
    }
}

/// Raises an error of the server again as it was: on its way through Rust a backtrace is added to its detail.
fn raise(error: CaughtError) -> ! {
    let (CaughtError::PostgresError(report) | CaughtError::ErrorReport(report)) = error else {
        error.rethrow()
    };
    let mut plain = ErrorReport::new(report.sql_error_code(), report.message().to_owned(), "sequin");
    if let Some(detail) = report.detail() {
        plain = plain.set_detail(detail.to_owned());
    }
    if let Some(hint) = report.hint() {
        plain = plain.set_hint(hint.to_owned());
    }
    plain.report(PgLogLevel::ERROR);
    unreachable!("an error ends the statement")
}

fn check(step: &str, code: i32) {
    if code < 0 {
        error!("{step} failed with code {code}");
    }
}

/// What a function's `SET search_path = pg_catalog`, `enable_seqscan = off` and the like would do for some 15 µs a call:
/// names are looked up nowhere else, and plans suit tables that grow from nothing.
struct Scene {
    seqscan: bool,
    bitmapscan: bool,
    jit: bool,
}

impl Scene {
    fn set() -> Self {
        // SAFETY: plain globals of this backend, which the planner reads; the path is PostgreSQL's own and copied.
        unsafe {
            let scene = Self {
                seqscan: pg_sys::enable_seqscan,
                bitmapscan: pg_sys::enable_bitmapscan,
                jit: pg_sys::jit_enabled,
            };
            pg_sys::enable_seqscan = false;
            pg_sys::enable_bitmapscan = false;
            pg_sys::jit_enabled = false;
            let mut path = pg_sys::OverrideSearchPath { addCatalog: true, ..Default::default() };
            pg_sys::PushOverrideSearchPath(&mut path);
            scene
        }
    }

    /// After an error PostgreSQL restores the path itself.
    fn leave(self) {
        // SAFETY: pops what `set` has pushed.
        unsafe { pg_sys::PopOverrideSearchPath() };
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // SAFETY: plain globals of this backend.
        unsafe {
            pg_sys::enable_seqscan = self.seqscan;
            pg_sys::enable_bitmapscan = self.bitmapscan;
            pg_sys::jit_enabled = self.jit;
        }
    }
}

/// Runs `body` with statements that are planned as those here are, and in which names are looked up nowhere else.
pub fn pinned<T>(body: impl FnOnce() -> T) -> T {
    let scene = Scene::set();
    let value = body();
    scene.leave();
    value
}

/// A value as an argument.
pub fn argument(value: impl IntoDatum) -> Argument {
    value.into_datum()
}
