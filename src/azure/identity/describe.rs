//! The directory of a cloud of which the runner knows only the resource manager: the cloud describes itself to everybody.
//!
//! The address is the runner's own and its certificate is checked, so what is read there is as good as what is typed.

use std::time::Duration;

use reqwest::Url;
use serde_json::Value as Json;

use crate::azure::cloud;
use crate::azure::cloud::Directory;
use crate::azure::identity::Refusal;
use crate::azure::identity::managed::cause_of;
use crate::azure::request;
use crate::azure::send::read_capped;
use crate::domain::failure::ErrorClass;

/// How long the description may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks a cloud for its directory.
pub(crate) async fn directory(http: &reqwest::Client, resource_manager: &Url) -> Result<Directory, Refusal> {
    let place = resource_manager.as_str().trim_end_matches('/');
    let told = |why: String| format!("the description of the cloud {place} {why}");
    let sent = http.get(request::metadata_url(resource_manager)).timeout(PATIENCE).send().await;
    let unread =
        |error: reqwest::Error| Refusal::no_answer(told(format!("could not be read ({})", cause_of(&error))), &error);
    let response = sent.map_err(unread)?;
    let status = response.status().as_u16();
    if status != 200 {
        let class = if status >= 500 { ErrorClass::Transient { retry_after: None } } else { ErrorClass::Invalid };
        return Err(Refusal::new(told(format!("could not be read (status {status})")), class));
    }
    let body = read_capped(response).await.ok().flatten().unwrap_or_default();
    let json: Json = serde_json::from_slice(&body).unwrap_or_default();
    read(resource_manager, &json).map_err(|why| Refusal::unusable(told(format!("cannot be used: {why}"))))
}

/// Reads a description of api-version 2022-09-01.
fn read(resource_manager: &Url, json: &Json) -> Result<Directory, String> {
    let own = &json["authentication"];
    let authority = own["loginEndpoint"].as_str().ok_or("it names no loginEndpoint")?;
    let authority = cloud::authority(authority.trim_end_matches('/'))?;
    let audiences = own["audiences"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let audiences: Vec<&str> = audiences.map(|audience| audience.trim_end_matches('/')).collect();
    let place = resource_manager.as_str().trim_end_matches('/');
    let audience = audiences.iter().find(|audience| **audience == place).or_else(|| audiences.first());
    let audience = (*audience.ok_or("it names no audiences")?).to_owned();
    Ok(Directory { authority, audience })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(authentication: &Json) -> String {
        let place = Url::parse("https://management.cloud.example").unwrap();
        match read(&place, &json!({ "authentication": authentication })) {
            Ok(directory) => format!("{} for {}", directory.authority, directory.scope()),
            Err(why) => why,
        }
    }

    #[test]
    fn a_description_tells_who_gives_tokens_and_for_what() {
        let audiences = json!(["https://core.cloud.example/", "https://management.cloud.example/"]);
        let own = json!({ "loginEndpoint": "https://login.cloud.example/", "audiences": audiences });
        assert_eq!(told(&own), "https://login.cloud.example/ for https://management.cloud.example/.default");
        let other = json!({ "loginEndpoint": "https://login.example", "audiences": ["https://m.example/0a1b"] });
        assert_eq!(told(&other), "https://login.example/ for https://m.example/0a1b/.default");
        assert_eq!(told(&json!({ "audiences": audiences })), "it names no loginEndpoint");
        assert_eq!(told(&json!({ "loginEndpoint": "https://login.example" })), "it names no audiences");
        let adfs = json!({ "loginEndpoint": "https://login.example/adfs", "audiences": audiences });
        assert!(told(&adfs).contains("has a path"), "{}", told(&adfs));
        let open = json!({ "loginEndpoint": "http://login.example", "audiences": audiences });
        assert!(told(&open).contains("must be https"), "{}", told(&open));
    }
}
