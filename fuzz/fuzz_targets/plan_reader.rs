//! Saved plans and approvals: what was changed is refused, what is whole reads back as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use privlink::approval::file::ApprovalFile;
use privlink::domain::commit::RepoPath;
use privlink::plan::document::API_VERSION;
use privlink::plan::document::PlanId;
use privlink::render;
use privlink::render::saved_plan::SavedPlan;
use privlink::render::saved_plan::SavedPlanError;
use privlink::render::saved_plan::read_saved_plan;
use privlink::repo;
use privlink_fuzz::can_be_shown;

fuzz_target!(|bytes: &[u8]| {
    approval(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(saved) = read_saved_plan(text) {
        assert_eq!(PlanId::of_body(&saved.body), saved.id);
        reads_back(&saved);
    }
    if let Ok(id) = text.parse::<PlanId>() {
        assert!(id.as_str() == text && text.len() == 64, "a prefix is never an id");
    }
    enveloped(text);
});

/// Any body in an honest envelope: only its environment can be wrong. In a dishonest one, nothing is right.
fn enveloped(body: &str) {
    let json = serde_json::from_str::<serde_json::Value>(body);
    let environment = json.as_ref().ok().and_then(|json| json["environment"].as_str()).unwrap_or_default();
    let mut saved = SavedPlan {
        api_version: API_VERSION.to_owned(),
        kind: "SavedPlan".to_owned(),
        id: PlanId::of_body(body),
        environment: environment.to_owned(),
        commit: None,
        source: "a folder".to_owned(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        build: "0".to_owned(),
        body: body.to_owned(),
    };
    let read = read_saved_plan(&written(&saved));
    assert_eq!(read.is_ok(), json.is_ok());
    if json.is_ok() {
        reads_back(&saved);
        saved.environment.push('x');
        assert!(matches!(read_saved_plan(&written(&saved)), Err(SavedPlanError::OtherEnvironment { .. })));
    }
    saved.body.push(' ');
    assert!(matches!(read_saved_plan(&written(&saved)), Err(SavedPlanError::Tampered { .. })));
}

fn written(saved: &SavedPlan) -> String {
    serde_json::to_string(saved).expect("a saved plan is plain data")
}

fn reads_back(saved: &SavedPlan) {
    assert_eq!(read_saved_plan(&written(saved)).expect("what was written can be read"), *saved);
}

fn approval(bytes: &[u8]) {
    let path: RepoPath = "approvals/prod/x/alice.yaml".parse().expect("this is a path");
    let (read, diagnostics, sources) = repo::read_one::<ApprovalFile>(&path, bytes);
    assert!(read.is_some() || diagnostics.has_errors(), "what is not read is told");
    can_be_shown(&diagnostics, &sources);
    if let Some(file) = read {
        file.path().expect("an approval has a place");
        let text = render::yaml::write(&file);
        assert_eq!(render::yaml::read::<ApprovalFile>("approval", &text).expect("an approval reads back"), file);
    }
}
