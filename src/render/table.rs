//! Tables as the tools of the field print them: `kubectl get` and `az -o table`.

/// Columns two blanks apart, without trailing blanks.
pub(super) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    lay_out(rows, 2)
}

/// Columns as `kubectl get` prints them: three blanks apart.
pub(super) fn kubectl(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let header = header.iter().map(ToString::to_string).collect();
    let all: Vec<Vec<String>> = std::iter::once(header).chain(rows.iter().cloned()).collect();
    lay_out(&all, 3)
}

/// Columns as `az -o table` prints them: two blanks apart, the header underlined.
pub(super) fn az(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let header: Vec<String> = header.iter().map(ToString::to_string).collect();
    let widths = widths(std::iter::once(&header).chain(rows));
    let underline = widths.iter().map(|width| "-".repeat(*width)).collect();
    let all: Vec<Vec<String>> = [header, underline].into_iter().chain(rows.iter().cloned()).collect();
    lay_out(&all, 2)
}

fn widths<'a>(rows: impl Iterator<Item = &'a Vec<String>>) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(at) {
                Some(widest) => *widest = (*widest).max(width),
                None => widths.push(width),
            }
        }
    }
    widths
}

fn lay_out(rows: &[Vec<String>], gap: usize) -> Vec<String> {
    let widths = widths(rows.iter());
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join(&" ".repeat(gap)).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_look_like_those_of_kubectl_and_az() {
        let rows = vec![vec!["orders".to_owned(), "10.0.0.1".to_owned()], vec!["a".to_owned(), String::new()]];
        assert_eq!(kubectl(&["NAME", "IP"], &rows), ["NAME     IP", "orders   10.0.0.1", "a"]);
        assert_eq!(az(&["Name", "Ip"], &rows), ["Name    Ip", "------  --------", "orders  10.0.0.1", "a"]);
    }
}
