//! HTML and SVG by construction: whatever goes in as text comes out as text.
//!
//! Tags and names of attributes are words of this program; everything else passes through `escape`, in which nothing stays
//! alive: no mark-up, no quotes, no character that turns or hides its neighbours. What is far too long is cut, and says so.

use crate::render::visible;

/// How many characters of one text are shown: names are shorter, and a message that is longer is in the log.
const LONGEST: usize = 2_000;
/// The same for what is a text of its own, such as the messages about files.
const LONGEST_BLOCK: usize = 40_000;
/// Elements that hold nothing and are not closed.
const VOID: &[&str] = &["meta", "link"];

/// Finished mark-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// The mark-up.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A whole document.
    pub(super) fn document(root: Element) -> Self {
        Self(format!("<!DOCTYPE html>\n{}\n", Self::from(root).0))
    }

    /// Adds a piece at the end.
    pub(super) fn push(&mut self, piece: impl Into<Self>) -> &mut Self {
        self.0.push_str(&piece.into().0);
        self
    }
}

impl From<Element> for Html {
    fn from(element: Element) -> Self {
        let Element { tag, attributes, inner } = element;
        Self(match VOID.contains(&tag) {
            true => format!("<{tag}{attributes}>"),
            false => format!("<{tag}{attributes}>{inner}</{tag}>"),
        })
    }
}

impl<P: Into<Self>> FromIterator<P> for Html {
    fn from_iter<I: IntoIterator<Item = P>>(pieces: I) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            all.push(piece);
        }
        all
    }
}

/// An element that is being made.
#[derive(Clone, Debug)]
pub(super) struct Element {
    tag: &'static str,
    attributes: String,
    inner: String,
}

/// Begins an element.
pub(super) fn el(tag: &'static str) -> Element {
    Element { tag, attributes: String::new(), inner: String::new() }
}

impl Element {
    /// Adds an attribute.
    #[must_use]
    pub(super) fn attr(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.attributes.push_str(&format!(" {name}=\"{}\"", escape(value.as_ref(), LONGEST)));
        self
    }

    /// Adds a number as an attribute.
    #[must_use]
    pub(super) fn size(self, name: &'static str, value: usize) -> Self {
        self.attr(name, value.to_string())
    }

    /// Says what it looks like.
    #[must_use]
    pub(super) fn class(self, class: impl AsRef<str>) -> Self {
        self.attr("class", class)
    }

    /// Adds text.
    #[must_use]
    pub(super) fn text(mut self, text: impl AsRef<str>) -> Self {
        self.inner.push_str(&escape(text.as_ref(), LONGEST));
        self
    }

    /// Adds text of many lines.
    #[must_use]
    pub(super) fn block(mut self, text: impl AsRef<str>) -> Self {
        self.inner.push_str(&escape(text.as_ref(), LONGEST_BLOCK));
        self
    }

    /// Adds mark-up.
    #[must_use]
    pub(super) fn child(mut self, child: impl Into<Html>) -> Self {
        self.inner.push_str(&child.into().0);
        self
    }

    /// Adds mark-up, a piece after the other.
    #[must_use]
    pub(super) fn children<P: Into<Html>>(self, children: impl IntoIterator<Item = P>) -> Self {
        self.child(children.into_iter().collect::<Html>())
    }
}

/// Makes text of a text: at most so many characters of it.
fn escape(text: &str, longest: usize) -> String {
    let kept = text.char_indices().nth(longest).map_or(text, |(at, _)| &text[..at]);
    let mut out = String::with_capacity(kept.len());
    for c in visible(kept).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What turns the text after it without being seen, beside what `visible` shows.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    let cut = text[kept.len()..].chars().count();
    if cut > 0 {
        out.push_str(&format!("… ({cut} more characters)"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Html::from(el("p").attr("title", text).text(text)).0
    }

    #[test]
    fn text_stays_text_wherever_it_stands() {
        let hostile = "<script>alert(\"1\")</script>' onload='x & y";
        let safe = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39; onload=&#39;x &amp; y";
        assert_eq!(shown(hostile), format!("<p title=\"{safe}\">{safe}</p>"));
    }

    #[test]
    fn what_turns_or_hides_text_is_shown() {
        let text = shown("a\u{202e}b\u{200f}c\u{0}d\u{1b}[2Je");
        assert!(text.ends_with(">a\\u{202e}b\\u{200f}c\\u{0}d\\u{1b}[2Je</p>"), "{text}");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_says_so() {
        let text = Html::from(el("p").text("ä".repeat(10_000))).0;
        assert_eq!(text, format!("<p>{}… (8000 more characters)</p>", "ä".repeat(2_000)));
    }

    #[test]
    fn elements_nest() {
        let list = el("ul").children(["a", "b"].map(|item| el("li").text(item)));
        let head = el("head").child(el("meta").attr("charset", "utf-8"));
        let page = Html::document(el("html").child(head).child(list));
        assert_eq!(
            page.as_str(),
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><ul><li>a</li><li>b</li></ul></html>\n"
        );
    }
}
