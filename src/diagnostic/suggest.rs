//! "Did you mean": the known word nearest to a mistyped one.

/// The candidate nearest to `word`, at most two edits (and at most a third of its length) away.
///
/// An edit is one letter more, less, other, or two neighbours exchanged. Case does not count. Among equals the first
/// candidate wins, so the answer does not depend on chance.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect::<Vec<char>>();
    let word = fold(word);
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    // A short word is two edits from anything.
    let limit = (word.len() / 3).min(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The help line for a mistyped word: the nearest known word, or else all of them.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match closest(word, known.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => {
            let known: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
            if known.is_empty() {
                "nothing may stand here".to_owned()
            } else {
                format!("known are {}", known.join(", "))
            }
        }
    }
}

// Longer than any word we know; bounds the work on hostile input.
const LONGEST: usize = 80;

// Damerau-Levenshtein, optimal string alignment.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let other = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = other.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(word: &str, candidates: &[&str], expected: Option<&str>) {
        assert_eq!(closest(word, candidates.iter().copied()), expected, "{word}");
    }

    #[test]
    fn the_nearest_word_wins() {
        case("prots", &["ports", "port", "type"], Some("ports"));
        case("prot", &["ports", "port"], Some("port"));
        case("Visibility", &["visibility"], Some("visibility"));
        case("visiblity", &["visibility"], Some("visibility"));
        case("managed", &["managedBy"], Some("managedBy"));
        case("x", &["y"], None);
        case("banana", &["ports", "type"], None);
        case("", &["a"], None);
        case(&"a".repeat(10_000), &["a"], None);
    }
}
