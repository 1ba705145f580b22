//! Tables that can be scrolled by keyboard on a narrow screen, each with a caption for who hears it.

use crate::render::page::html::Element;
use crate::render::page::html::Html;
use crate::render::page::html::el;

/// A table; its first column names its rows.
pub(super) fn table<R, I>(caption: &'static str, heads: &[&'static str], rows: I) -> Html
where
    R: IntoIterator<Item = Element>,
    I: Iterator<Item = R>,
{
    let heads = heads.iter().map(|head| el("th").attr("scope", "col").text(head));
    let head = el("thead").child(el("tr").children(heads));
    let body = el("tbody").children(rows.map(|row| el("tr").children(row)));
    let table = el("table").child(el("caption").text(caption)).child(head).child(body);
    el("div")
        .class("scroll")
        .attr("tabindex", "0")
        .attr("role", "region")
        .attr("aria-label", caption)
        .child(table)
        .into()
}
