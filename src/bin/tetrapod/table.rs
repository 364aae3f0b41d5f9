//! Plain tables: columns padded to their widest cell, two spaces apart.

/// How a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows under a header. Numbers are right-aligned, text left-aligned; lines end without spaces.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells are empty, cells beyond the columns are dropped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().take(self.columns.len()).collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// The table as text, indented by two spaces. Columns that are empty in every row are left out.
    pub(crate) fn render(&self) -> String {
        let used: Vec<usize> = (0..self.columns.len())
            .filter(|&at| self.rows.iter().any(|row| !row[at].is_empty()))
            .collect();
        let widths: Vec<usize> = used
            .iter()
            .map(|&at| {
                let cells = self.rows.iter().map(|row| row[at].chars().count());
                cells
                    .max()
                    .unwrap_or(0)
                    .max(self.columns[at].0.chars().count())
            })
            .collect();
        let mut out = String::new();
        let mut line = |cell: &dyn Fn(usize) -> String| {
            let mut text = String::from(" ");
            for (&at, &width) in used.iter().zip(&widths) {
                let cell = cell(at);
                match self.columns[at].1 {
                    Align::Left => text.push_str(&format!(" {cell:<width$} ")),
                    Align::Right => text.push_str(&format!(" {cell:>width$} ")),
                }
            }
            out.push_str(text.trim_end());
            out.push('\n');
        };
        line(&|at| self.columns[at].0.to_owned());
        for row in &self.rows {
            line(&|at| row[at].clone());
        }
        out
    }
}

/// `count` with `singular` or `plural`, thousands separated: `1,234 pods`.
pub(crate) fn counted(count: usize, singular: &str, plural: &str) -> String {
    let noun = if count == 1 { singular } else { plural };
    format!("{} {noun}", thousands(&count.to_string()))
}

/// `digits` (with an optional fraction) with a comma between thousands.
pub(crate) fn thousands(digits: &str) -> String {
    let (sign, rest) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let (whole, fraction) = rest
        .split_once('.')
        .map_or((rest, None), |(w, f)| (w, Some(f)));
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// `text` broken into lines of at most `width` characters at spaces, each after the first behind `indent`.
pub(crate) fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            out.push_str(indent);
            used = indent.chars().count();
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("N", Align::Right),
            ("EMPTY", Align::Left),
        ]);
        table.row(["a".to_owned(), "10".to_owned()]);
        table.row(["longer".to_owned(), "5".to_owned()]);
        assert_eq!(table.render(), "  NAME     N\n  a       10\n  longer   5\n");
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(thousands("1234567.50"), "1,234,567.50");
        assert_eq!(thousands("-999"), "-999");
        assert_eq!(counted(1, "pod", "pods"), "1 pod");
        assert_eq!(counted(1_000, "pod", "pods"), "1,000 pods");
    }

    #[test]
    fn long_text_is_broken_at_spaces() {
        assert_eq!(wrapped("aa bb cc", 5, "  "), "aa bb\n  cc");
        assert_eq!(wrapped("", 5, "  "), "");
    }
}
