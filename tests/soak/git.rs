//! A Git server.

#[path = "../git/server.rs"]
#[expect(dead_code, reason = "the tests of the Git client use the rest")]
pub(crate) mod server;

fn skipped(why: &str) {
    println!("skipped: {why}");
}
