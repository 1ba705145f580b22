//! Trials: a server-side apply that the API server answers and does not store.
//!
//! A refusal is an answer if it is about the object. One that is about us (no right, no sign-in) or about the moment (a
//! webhook that does not answer) says nothing, and stays an error.

use crate::domain::failure::ErrorClass;
use crate::domain::kubernetes::ResourceVersion;
use crate::domain::kubernetes::Uid;
use crate::domain::resource::service::Service;
use crate::domain::resource::service::Trial;
use crate::kubernetes::Cluster;
use crate::kubernetes::codec;
use crate::kubernetes::error::ClusterError;
use crate::kubernetes::request::Mode;

impl Cluster {
    /// Asks the server what it would do with the write of a Service, without storing it.
    ///
    /// # Errors
    /// Class `Denied` if we may not even try: a trial takes the same verbs as the write. Else as every call.
    pub async fn dry_run(
        &self,
        service: &Service,
        expected: Option<&(Uid, ResourceVersion)>,
        force: bool,
    ) -> Result<Trial, ClusterError> {
        match self.patch(service, expected, Mode { force, dry_run: true }).await {
            Ok(body) => Ok(Trial::Stored(codec::manifest(&body))),
            Err(error) => answer(&error).ok_or(error),
        }
    }
}

/// What a refusal says about the object, if it says something about it.
fn answer(error: &ClusterError) -> Option<Trial> {
    let ClusterError::Refused { refusal, .. } = error else { return None };
    if !refusal.conflicts.is_empty() {
        let held = refusal.conflicts.iter().map(|conflict| (conflict.field.clone(), conflict.manager.clone()));
        return Some(Trial::Held(held.collect()));
    }
    let is_leaving = refusal.code == 403 && refusal.message.contains("because it is being terminated");
    if is_leaving || (refusal.code == 404 && refusal.message.starts_with("namespaces ")) {
        return Some(Trial::NoNamespace { is_leaving });
    }
    let is_admission = refusal.code == 403 && !error.is_lack_of_rights();
    let is_about_object = error.class() == ErrorClass::Invalid || is_admission;
    // A webhook that does more than to answer is not asked in a trial, and the server then refuses the trial alone.
    let is_about_trial = refusal.message.contains("does not support dry run");
    (is_about_object && !is_about_trial).then(|| Trial::Refused(refusal.message.trim_end_matches('.').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::error::Refusal;

    fn said(code: u16, reason: &str, message: &str) -> Option<Trial> {
        let refusal = Refusal {
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            is_apply: true,
            ..Refusal::default()
        };
        answer(&ClusterError::Refused { call: "try".to_owned(), place: "here".to_owned(), refusal: Box::new(refusal) })
    }

    #[test]
    fn only_a_refusal_of_the_object_is_an_answer() {
        let denied = "admission webhook \"policy.example.com\" denied the request: no owner";
        let quota = "services \"orders\" is forbidden: exceeded quota: none";
        for (code, reason, message) in
            [(403, "Forbidden", denied), (400, "BadRequest", denied), (403, "Forbidden", quota), (500, "", "no field")]
        {
            assert_eq!(said(code, reason, message), Some(Trial::Refused(message.to_owned())));
        }
        assert_eq!(
            said(404, "NotFound", "namespaces \"blue\" not found"),
            Some(Trial::NoNamespace { is_leaving: false })
        );
        for (code, reason, message) in [
            (
                403,
                "Forbidden",
                "services \"x\" is forbidden: User \"plan\" cannot patch resource \"services\" in API group",
            ),
            (403, "Forbidden", "services \"x\" is forbidden: "),
            (403, "Forbidden", "services \"x\" is forbidden: User does not have access to the resource in Azure."),
            (400, "BadRequest", "admission webhook \"x\" does not support dry run"),
            (500, "InternalError", "Internal error occurred: failed calling webhook \"x\": context deadline exceeded"),
            (409, "Conflict", "the object has been modified"),
            (401, "Unauthorized", "Unauthorized"),
        ] {
            assert_eq!(said(code, reason, message), None, "{message}");
        }
    }
}
