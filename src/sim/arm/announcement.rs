//! The headers that tell a client about the operation that it started.

use crate::sim::arm::pace::Style;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::Store;

impl State {
    pub(crate) fn retry_after(&self) -> (String, String) {
        ("Retry-After".to_owned(), self.pace.retry_after.to_string())
    }

    /// The region in whose name the operations of a resource run.
    fn operation_region(&self, holder: &ResourcePath) -> String {
        let own = self.store.get(holder).map(|own| own.location().to_owned());
        own.filter(|own| !own.is_empty() && own != "global").unwrap_or_else(|| self.location.clone())
    }

    /// The headers that announce an operation, with the request's origin and api-version.
    pub(crate) fn announce(&self, request: &Request, path: &ResourcePath, id: &str) -> Vec<(String, String)> {
        let location = self.operation_region(&Store::holder_path(path));
        let origin = &request.origin;
        let version = request.api_version();
        let namespace = path.resource_type.split('/').next().unwrap_or_default();
        let (status, result) = if path.kind.is_private_dns() {
            let base =
                format!("/subscriptions/{}/resourceGroups/{}/providers/{namespace}", path.subscription, path.group);
            (format!("{base}/privateDnsOperationStatuses/{id}"), format!("{base}/privateDnsOperationResults/{id}"))
        } else {
            let base = format!("/subscriptions/{}/providers/{namespace}/locations/{location}", path.subscription);
            (format!("{base}/operations/{id}"), format!("{base}/operationResults/{id}"))
        };
        let status = ("Azure-AsyncOperation".to_owned(), format!("{origin}{status}?api-version={version}"));
        let result = ("Location".to_owned(), format!("{origin}{result}?api-version={version}"));
        let mut headers = vec![("x-ms-request-id".to_owned(), id.to_owned()), self.retry_after()];
        match self.pace.style {
            Style::AzureAsyncOperation => {
                headers.extend([status, ("Azure-AsyncNotification".to_owned(), "Enabled".to_owned())]);
                headers.extend((request.method == "DELETE").then_some(result));
            }
            Style::Location => headers.push(result),
            Style::ProvisioningState => {}
        }
        headers
    }
}
