//! How many calls a run made, for `--stats`.

use std::collections::BTreeMap;

use crate::domain::calls::Call;
use crate::render::Label;
use crate::render::Text;
use crate::render::count;
use crate::render::table::aligned;

/// The calls of a run: the sum, and a line for each method and type.
pub fn stats(counts: &BTreeMap<Call, u64>) -> Text {
    let of = |whom: &str| counts.iter().filter(|(call, _)| call.whom == whom).map(|(_, count)| count).sum::<u64>();
    let sum = |whom: &str| format!("{} to {whom}", count(usize::try_from(of(whom)).unwrap_or(usize::MAX), "call"));
    let mut text = Text::new();
    text.line(Label::Dim, format!("stats: {}, {}", sum("Azure"), sum("Kubernetes")));
    let row = |(call, count): (&Call, &u64)| {
        let Call { whom: _, method, kind } = call;
        vec![format!("  {count:>5}"), method.clone(), kind.clone()]
    };
    let rows: Vec<Vec<String>> = counts.iter().map(row).collect();
    for line in aligned(&rows) {
        text.line(Label::Dim, line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::terminal;

    #[test]
    fn calls_are_summed_by_whom_they_went_to_and_listed_by_method_and_type() {
        let call = |whom, method: &str, kind: &str| Call { whom, method: method.to_owned(), kind: kind.to_owned() };
        let counts = BTreeMap::from([
            (call("Azure", "GET", "Microsoft.Network/privateEndpoints"), 11),
            (call("Azure", "PUT", "Microsoft.Network/privateEndpoints"), 1),
            (call("Kubernetes", "GET", "services"), 1),
        ]);
        insta::assert_snapshot!(terminal::render(&stats(&counts), false), @"
        stats: 12 calls to Azure, 1 call to Kubernetes
             11  GET  Microsoft.Network/privateEndpoints
              1  PUT  Microsoft.Network/privateEndpoints
              1  GET  services
        ");
    }
}
