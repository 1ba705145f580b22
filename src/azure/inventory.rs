//! Which subscriptions hold anything worth listing: one question to Azure Resource Graph instead of several lists each.
//!
//! The graph is an index that lags by seconds to minutes, and shows what its reader may read. So it only ever saves lists of
//! subscriptions that nobody asks for anything in; what is decided is decided from lists.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use serde_json::Value as Json;
use serde_json::json;

use crate::azure::Azure;
use crate::azure::codec;
use crate::azure::codec::Malformed;
use crate::azure::error::AzureError;
use crate::azure::error::Purpose;
use crate::azure::list::decode_all;
use crate::azure::request;
use crate::domain::azure::SubscriptionId;

/// Subscriptions in one question. One row answers for each, and a page has at most 1,000 rows. Source: the documentation of
/// Resource Graph's `$top`.
const AT_ONCE: usize = 1_000;

/// One row for each subscription that holds something which privlink could have made.
const QUERY: &str = "resources | where type in~ ('microsoft.network/privatelinkservices', \
                     'microsoft.network/privateendpoints', 'microsoft.network/privatednszones') | distinct subscriptionId";

impl Azure {
    /// Asks which of these subscriptions hold a Private Link Service, a private endpoint or a private DNS zone.
    ///
    /// # Errors
    /// If the graph knows only a part of the answer; else as every call.
    pub async fn holders(
        &self,
        subscriptions: &BTreeSet<SubscriptionId>,
    ) -> Result<BTreeSet<SubscriptionId>, AzureError> {
        let all: Vec<&SubscriptionId> = subscriptions.iter().collect();
        let parts = try_join_all(all.chunks(AT_ONCE).map(|part| self.holders_among(part))).await?;
        Ok(parts.into_iter().flatten().collect())
    }

    async fn holders_among(&self, subscriptions: &[&SubscriptionId]) -> Result<Vec<SubscriptionId>, AzureError> {
        let what = format!("which of {} subscriptions hold anything", subscriptions.len());
        let purpose = Purpose::other("ask", what);
        // Older versions answer with a table unless they are told.
        let options = json!({ "resultFormat": "objectArray", "$top": AT_ONCE });
        let body = json!({ "subscriptions": subscriptions, "query": QUERY, "options": options });
        let url = request::graph_url(&self.pace.resource_manager);
        let request = request::question(&url, &body).map_err(|error| AzureError::impossible(&purpose, error))?;
        let answer = self.look(&purpose, &request).await?.json(&purpose)?;
        let rows = rows(&answer).map_err(|error| AzureError::unexpected(&purpose, error))?;
        decode_all(&purpose, rows, |row| codec::required(row, "/subscriptionId"))
    }
}

/// The rows of an answer that holds all of them.
fn rows(answer: &Json) -> Result<&[Json], Malformed> {
    // Where the graph gives a part of an answer it says so in a word, not in a boolean.
    let is_whole = codec::text(answer, "/resultTruncated").is_some_and(|word| word.eq_ignore_ascii_case("false"));
    let total = answer.get("totalRecords").and_then(Json::as_u64);
    let rows = codec::items(answer, "/data")?;
    if is_whole && total.is_some_and(|total| usize::try_from(total) == Ok(rows.len())) {
        return Ok(rows);
    }
    Err(Malformed("it is not the whole answer".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_answer_is_none() {
        let answer = |truncated: &str, total: u64| json!({"totalRecords": total, "count": 1, "resultTruncated": truncated, "data": [{"subscriptionId": "s"}]});
        assert_eq!(rows(&answer("false", 1)).unwrap().len(), 1);
        for partial in [answer("true", 1), answer("false", 2), json!({"data": []}), json!({"error": {}})] {
            assert!(rows(&partial).is_err(), "{partial}");
        }
    }
}
