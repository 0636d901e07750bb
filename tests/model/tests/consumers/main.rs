//! Random operations of several sessions on a real server do what a model in memory says.
//!
//! `make test-e2e ARGS="-k consumer_model"` makes the server and runs it; `PROPTEST_CASES` says how many cases.

mod comparison;
mod model;
mod operation;
mod server;
mod state;
mod transaction;

use comparison::Comparison;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use server::Server;
use std::{cell::RefCell, env};

const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/consumers.txt");

#[test]
fn consumers_do_what_their_model_does() {
    let url = env::var("DATABASE_URL").expect(
        "DATABASE_URL must name a database with the extension: `make test-e2e ARGS=\"-k consumer_model\"` makes one",
    );
    let server = RefCell::new(Server::connect(&url).expect("a connection to the server"));
    let mut runner = TestRunner::new(Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))),
        // Milliseconds. What is missing is waited for, so a case that fails can take a second.
        max_shrink_time: 180_000,
        ..Config::default()
    });
    let verdict = runner.run(&operation::cases(), |case| {
        let mut server = server.borrow_mut();
        Comparison::new(&mut server, case.settings)
            .and_then(|comparison| comparison.run(&case.operations))
            .map_err(|difference| TestCaseError::fail(difference.to_string()))
    });
    if let Err(failure) = verdict {
        panic!("{failure}");
    }
}
