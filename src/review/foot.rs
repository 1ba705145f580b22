//! The end of the last line of a comment: what was merged, and how much was read to plan it.
//!
//! Every push moves it, and so does every object that comes or goes. That alone is no reason to write a comment again; anything
//! else that reads differently is.

use crate::domain::commit::CommitId;

/// What was merged, and how many objects were read, if any were.
pub fn foot(base: &CommitId, head: &CommitId, objects: Option<usize>) -> String {
    let read = match objects {
        None => String::new(),
        Some(1) => " - 1 object read".to_owned(),
        Some(number) => format!(" - {number} objects read"),
    };
    format!("base `{}` + head `{}`{read}", base.short(), head.short())
}

/// A text without the foot at its end, if it has one.
pub(super) fn above(text: &str) -> &str {
    let Some(at) = text.rfind("base `") else { return text };
    let (above, end) = text.split_at(at);
    if is_foot(end) == Some(true) { above } else { text }
}

/// Strict, so that nobody else's words pass for it.
fn is_foot(text: &str) -> Option<bool> {
    let (base, rest) = text.strip_prefix("base `")?.split_once("` + head `")?;
    let (head, read) = rest.split_once('`')?;
    let is_short = |commit: &str| commit.len() == 10 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_read = match read.strip_prefix(" - ") {
        None => read.is_empty(),
        Some(read) => {
            let (number, words) = read.split_once(' ')?;
            matches!(words, "object read" | "objects read")
                && number.len() <= 20
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
    };
    Some(is_short(base) && is_short(head) && is_read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foot_is_taken_off_and_nothing_that_only_resembles_one() {
        let [base, head] = ['1', '2'].map(|digit| digit.to_string().repeat(40).parse::<CommitId>().unwrap());
        for objects in [None, Some(0), Some(1), Some(27)] {
            let foot = foot(&base, &head, objects);
            assert_eq!(above(&format!("plan `a1` - {foot}")), "plan `a1` - ");
            assert_eq!(above(&format!("base `x`\n{foot}")), "base `x`\n");
            for more in [" ", "; nothing will happen", "\n- 3 objects read", " - 3 objects read - 3 objects read"] {
                let longer = format!("{foot}{more}");
                assert!(above(&longer) == longer, "{longer}");
            }
        }
        for other in ["base `1111111111` + head `main`", "base `1111111111` + head `2222222222` - no objects read", ""]
        {
            assert_eq!(above(other), other);
        }
    }
}
