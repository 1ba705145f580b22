//! Namespaces: looked at, and made where a Service needs one.

use serde_json::Value as Json;

use crate::domain::kubernetes::Namespace;
use crate::domain::resource::namespace::LiveNamespace;
use crate::domain::resource::namespace::NewNamespace;
use crate::kubernetes::Cluster;
use crate::kubernetes::error::ClusterError;
use crate::kubernetes::request;

impl Cluster {
    /// Reads one namespace; `None` if it is not there.
    ///
    /// # Errors
    /// As every call.
    pub async fn namespace(&self, name: &Namespace) -> Result<Option<LiveNamespace>, ClusterError> {
        match self.send(&format!("read the namespace {name}"), request::namespace(name)).await {
            Ok(body) => Ok(Some(live(name, &body))),
            Err(error) if error.means_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a namespace by server-side apply; one that is there keeps all that others say of it.
    ///
    /// # Errors
    /// As every call.
    pub async fn create_namespace(&self, namespace: &NewNamespace) -> Result<(), ClusterError> {
        let call = format!("create the namespace {}", namespace.name);
        self.send(&call, request::create_namespace(namespace)).await.map(drop)
    }
}

fn live(name: &Namespace, body: &Json) -> LiveNamespace {
    let labels = body.pointer("/metadata/labels").and_then(Json::as_object).into_iter().flatten();
    let text = |(name, value): (&String, &Json)| Some((name.clone(), value.as_str()?.to_owned()));
    LiveNamespace {
        name: name.clone(),
        labels: labels.filter_map(text).collect(),
        deleting: body.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null()),
    }
}
