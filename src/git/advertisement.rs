//! The list of refs that a server sends first, in protocol version 0.
//!
//! Read here and not through `git2::Remote::list`, which panics on a ref whose name is not UTF-8; anybody who may push
//! can make one.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::domain::commit::{CommitId, RefName};

/// The most refs that are read: a repository with more is not one of configuration.
const MOST_REFS: usize = 200_000;

/// Why a list of refs cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdvertisementError {
    /// The stream broke.
    #[error("the list of refs broke off")]
    Io(#[source] io::Error),
    /// The server refused in the protocol's own way.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The server's history is cut off.
    #[error("the repository is shallow")]
    Shallow,
    /// The bytes are not a list of refs.
    #[error("the list of refs is malformed: {0}")]
    Malformed(&'static str),
}

/// Reads the refs, tags being followed to their commits. Refs whose names we could not use are left out.
pub(super) fn read(stream: &mut impl Read) -> Result<BTreeMap<RefName, CommitId>, AdvertisementError> {
    let mut refs = BTreeMap::new();
    let mut lines = 0;
    let mut preamble = false;
    loop {
        let Some(line) = packet(stream)? else {
            // Over http a comment and a flush come before the list.
            if std::mem::take(&mut preamble) {
                continue;
            }
            return Ok(refs);
        };
        if line.starts_with(b"# ") {
            preamble = true;
        } else if let Some(reason) = line.strip_prefix(b"ERR ") {
            return Err(AdvertisementError::Refused(crate::git::error::one_line(reason)));
        } else if line.starts_with(b"shallow ") {
            return Err(AdvertisementError::Shallow);
        } else if !line.starts_with(b"version ") {
            add(&mut refs, &line)?;
        }
        lines += 1;
        if lines > MOST_REFS {
            return Err(AdvertisementError::Malformed("it has too many entries"));
        }
    }
}

fn add(refs: &mut BTreeMap<RefName, CommitId>, line: &[u8]) -> Result<(), AdvertisementError> {
    // The first line carries the capabilities behind a zero byte.
    let line = line.split(|b| *b == 0).next().unwrap_or_default().trim_ascii_end();
    let mut parts = line.splitn(2, |b| *b == b' ');
    let id = parts.next().and_then(|id| std::str::from_utf8(id).ok()).unwrap_or_default();
    if id.len() == 64 {
        return Err(AdvertisementError::Malformed("it has SHA-256 ids, which libgit2 cannot read"));
    }
    let id: CommitId = id.parse().map_err(|_| AdvertisementError::Malformed("a line does not start with an id"))?;
    let name = parts.next().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
    // `refs/tags/v1^{}` comes after `refs/tags/v1` and is what the tag points at.
    if let Ok(name) = name.trim_end_matches("^{}").parse() {
        refs.insert(name, id);
    }
    Ok(())
}

/// One packet line; `None` for a flush.
fn packet(stream: &mut impl Read) -> Result<Option<Vec<u8>>, AdvertisementError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).map_err(AdvertisementError::Io)?;
    let length = std::str::from_utf8(&head).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
    match length {
        Some(0) => Ok(None),
        Some(length @ 4..=65520) => {
            let mut line = vec![0; length - 4];
            stream.read_exact(&mut line).map_err(AdvertisementError::Io)?;
            Ok(Some(line))
        }
        _ => Err(AdvertisementError::Malformed("a length is missing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lines: &[&[u8]]) -> Vec<u8> {
        let framed = |line: &&[u8]| match line.len() {
            0 => b"0000".to_vec(),
            length => [format!("{:04x}", length + 4).as_bytes(), line].concat(),
        };
        lines.iter().flat_map(framed).collect()
    }

    fn id(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    #[test]
    fn names_and_peeled_tags_are_read_and_odd_names_left_out() {
        let lines: [Vec<u8>; 6] = [
            format!("{} HEAD\0multi_ack agent=x", id('a')).into_bytes(),
            format!("{} refs/heads/main\n", id('a')).into_bytes(),
            [id('a').as_bytes(), b" refs/heads/caf\xe9\n"].concat(),
            format!("{} refs/tags/v1\n", id('b')).into_bytes(),
            format!("{} refs/tags/v1^{{}}\n", id('c')).into_bytes(),
            Vec::new(),
        ];
        let mut lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        lines.splice(0..0, [b"# service=git-upload-pack\n".as_slice(), b""]);
        let refs = read(&mut packets(&lines).as_slice()).unwrap();
        let shown: Vec<_> = refs.iter().map(|(name, id)| format!("{name} {}", id.short())).collect();
        assert_eq!(shown, ["refs/heads/main aaaaaaaaaa", "refs/tags/v1 cccccccccc"]);
    }

    #[test]
    fn an_empty_repository_has_no_refs_and_a_refusal_is_told() {
        let empty = format!("{} capabilities^{{}}\0agent=x", id('0'));
        assert!(read(&mut packets(&[empty.as_bytes(), b""]).as_slice()).unwrap().is_empty());
        assert!(read(&mut packets(&[b""]).as_slice()).unwrap().is_empty());
        let refused = read(&mut packets(&[b"ERR no such\x1b[31m repository"]).as_slice()).unwrap_err();
        assert_eq!(refused.to_string(), "the server refuses: no such [31m repository");
        assert!(read(&mut b"<html>".as_slice()).is_err());
        assert!(read(&mut b"00".as_slice()).is_err());
    }
}
