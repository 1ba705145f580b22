//! The admin API of a running simulator, found by the files in its folder.

use std::path::Path;

use anyhow::Context as _;
use anyhow::bail;
use reqwest::Method;
use reqwest::Url;
use serde_json::Value;

/// A way to a running simulator.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    cluster: Option<String>,
}

impl Client {
    /// Finds the simulator of a folder.
    pub(super) fn find(folder: &Path, cluster: Option<String>) -> anyhow::Result<Self> {
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name)).with_context(|| {
                let folder = folder.display();
                format!("no simulator has written to {folder}: start privlink simulate, or name its folder with --dir")
            })
        };
        // It listens on loopback, where no proxy leads.
        let http = reqwest::Client::builder().no_proxy().build().context("cannot make an HTTP client")?;
        Ok(Self { http, url: read("admin-url")?, token: read("admin-token")?, cluster })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send("GET", path, &[], None).await
    }

    /// Sends a request and answers its body.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let mut url = Url::parse(&format!("{}/{path}", self.url)).context("this is not an address")?;
        let cluster = self.cluster.clone().map(|name| ("cluster", name));
        url.query_pairs_mut().extend_pairs(query.iter().cloned().chain(cluster));
        let method = Method::from_bytes(method.as_bytes()).context("this is not a method")?;
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let ended = || format!("the simulator at {} does not answer: has it ended?", self.url);
        let response = request.send().await.with_context(ended)?;
        let is_done = response.status().is_success();
        let answer: Value = response.json().await.with_context(ended)?;
        if !is_done {
            bail!("{}", answer["error"].as_str().unwrap_or("the simulator refused and did not say why"));
        }
        Ok(answer)
    }
}
