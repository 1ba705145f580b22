//! Cases that the real cloud provider's own tests decide, run against this controller.
//!
//! The table is `tests/cases/cloud-provider.json`, outside of the source, because other parts of the program can be held
//! against the same cases. One row has a name and exactly one outcome: `simulated` or `parsed` names what runs it here,
//! `finding` or `plan-finding` the rule of a check that must speak instead, `not-applicable` says why nothing can.
//! What `check` and plans tell of the same input (`check`, `plan`, `nothing`, `untold`, `files`) is no outcome here.

mod link_service;
mod parsed;
mod simulated;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::service::{Family, Service};

const TABLE: &str = include_str!("../../../../../tests/cases/cloud-provider.json");

/// How many cases there are.
const COUNT: usize = 153;

const OUTCOMES: [&str; 5] = ["simulated", "parsed", "finding", "plan-finding", "not-applicable"];

/// One row of the table.
struct Case(Value);

impl Case {
    fn all() -> Vec<Self> {
        let rows: Vec<Value> = serde_json::from_str(TABLE).unwrap();
        rows.into_iter().map(Self).collect()
    }

    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    /// What runs it, if its outcome is this one.
    fn runner(&self, outcome: &str) -> Option<&str> {
        self.0[outcome].as_str()
    }

    fn given(&self) -> &Value {
        &self.0["given"]
    }

    fn expected(&self) -> &Value {
        &self.0["expect"]
    }

    /// The Service of the case: its annotations, and what `given` says about uid and specification.
    fn service(&self) -> Service {
        let annotations = self.0["annotations"].as_object().into_iter().flatten();
        let annotations: serde_json::Map<String, Value> = annotations
            .map(|(key, value)| (format!("{}{key}", super::super::annotation::PREFIX), value.clone()))
            .collect();
        let ingress = self.given()["ingress"].as_array().into_iter().flatten();
        let ingress: Vec<Value> = ingress.map(|address| json!({"ip": address})).collect();
        Service::of(&json!({
            "metadata": {
                "namespace": "default", "name": "test", "annotations": annotations,
                "uid": self.given()["uid"].as_str().unwrap_or("test"),
            },
            "spec": self.given()["spec"],
            "status": {"loadBalancer": {"ingress": ingress}},
        }))
    }

    fn family(&self) -> Family {
        if self.given()["family"] == "IPv6" { Family::V6 } else { Family::V4 }
    }

    /// Holds a result against the row: either the whole of what is expected, or an error with these words.
    fn check(&self, actual: Result<Value, String>) {
        match (actual, self.expected()["error"].as_str()) {
            (Ok(actual), None) => assert_eq!(actual, *self.expected(), "{}", self.name()),
            (Err(error), Some(words)) => assert!(error.contains(words), "{}: {error}", self.name()),
            (actual, _) => panic!("{}: {actual:?}", self.name()),
        }
    }
}

#[test]
fn every_case_has_a_name_of_its_own_and_one_outcome() {
    let cases = Case::all();
    let names: BTreeSet<&str> = cases.iter().map(Case::name).collect();
    assert_eq!((cases.len(), names.len()), (COUNT, COUNT));
    for case in &cases {
        let outcomes: Vec<&str> = OUTCOMES.into_iter().filter(|outcome| case.runner(outcome).is_some()).collect();
        assert_eq!(outcomes.len(), 1, "{}: {outcomes:?}", case.name());
        let is_run = matches!(outcomes[0], "simulated" | "parsed");
        assert_eq!(is_run, case.expected().is_object(), "{}: only what runs expects something", case.name());
    }
}

#[test]
fn what_is_parsed_has_the_value_that_the_real_one_reads() {
    for case in Case::all() {
        if let Some(reader) = case.runner("parsed") {
            case.check(parsed::read(&case, reader));
        }
    }
}

#[tokio::test]
async fn what_is_simulated_does_what_the_real_one_does() {
    for case in Case::all() {
        let Some(runner) = case.runner("simulated") else { continue };
        match runner {
            "link-service" | "link-service-cleanup" | "link-service-read" | "link-services-group" => {
                link_service::run(&case, runner).await;
            }
            "whole" => {
                simulated::whole(&case).await;
            }
            runner => case.check(simulated::run(&case, runner)),
        }
    }
}
